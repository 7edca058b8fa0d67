{#- 0 is Monday 00:00 UTC. Counted from a known Monday, as engines number weekdays differently. -#}
{% macro hour_of_week(date_column, timestamp_column) -%}
    cast(
        mod({{ dbt.datediff("cast('1970-01-05' as date)", date_column, 'day') }}, 7) * 24
        + extract(hour from {{ timestamp_column }}) as int
    )
{%- endmacro %}
