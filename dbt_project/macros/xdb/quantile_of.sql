{#- Continuous quantile of one column, as a double on every engine (a decimal would differ). -#}
{% macro quantile_of(expression, quantile) -%}
    {{ return(adapter.dispatch('quantile_of')(expression, quantile)) }}
{%- endmacro %}

{% macro default__quantile_of(expression, quantile) -%}
    percentile_cont({{ quantile }}) within group (order by cast({{ expression }} as double))
{%- endmacro %}

{% macro duckdb__quantile_of(expression, quantile) -%}
    quantile_cont(cast({{ expression }} as double), {{ quantile }})
{%- endmacro %}
