{% test not_all_null(model, column_name) %}
-- A column that lost every value passes row-wise tests silently. An empty table is not a failure.
select count(*) as row_count
from {{ model }}
having count(*) > 0 and count({{ column_name }}) = 0
{% endtest %}
