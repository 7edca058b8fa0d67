{% test quantile_between(model, column_name, quantile, min_value=none, max_value=none) %}
-- A whole column that drifted, where single rows may be odd.
with

measured as (
    select {{ quantile_of(column_name, quantile) }} as quantile_value
    from {{ model }}
    where {{ column_name }} is not null
)

select * from measured
where
    false
    {%- if min_value is not none %}
    or quantile_value < {{ min_value }}
    {%- endif %}
    {%- if max_value is not none %}
    or quantile_value > {{ max_value }}
    {%- endif %}
{% endtest %}
