{% test sums_to(model, column_name, group_by, total=1, tolerance=0.000001) %}
-- Shares of one whole must add up to it.
select
    {{ group_by | join(', ') }},
    sum(cast({{ column_name }} as decimal(28, 9))) as actual_total
from {{ model }}
group by {{ group_by | join(', ') }}
having abs(sum(cast({{ column_name }} as decimal(28, 9))) - {{ total }}) > {{ tolerance }}
{% endtest %}
