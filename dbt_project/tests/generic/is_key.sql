{% test is_key(model, column_name) %}
-- Once and never missing, in one run over the table.
select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null
{% endtest %}
