{% test monotonic(model, column_name, order_by, partition_by=[], strictly=false) %}
-- Rows that stand below the row before them.
with

stepped as (
    select
        *,
        lag({{ column_name }}) over (
            {% if partition_by %}partition by {{ partition_by | join(', ') }} {% endif %}order by {{ order_by }}
        ) as previous_value
    from {{ model }}
)

select * from stepped
where {{ column_name }} {{ '<=' if strictly else '<' }} previous_value
{% endtest %}
