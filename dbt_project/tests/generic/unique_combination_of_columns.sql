{% test unique_combination_of_columns(model, columns) %}
-- Failing rows name the key that stands twice.
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
