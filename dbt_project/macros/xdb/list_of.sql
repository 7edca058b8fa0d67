{#- Text list in a fixed order, so that two builds spell it the same. -#}
{% macro list_of(expression, separator=', ') -%}
    {{ return(adapter.dispatch('list_of')(expression, separator)) }}
{%- endmacro %}

{% macro default__list_of(expression, separator) -%}
    listagg({{ expression }}, '{{ separator }}') within group (order by {{ expression }})
{%- endmacro %}

{% macro duckdb__list_of(expression, separator) -%}
    string_agg({{ expression }}, '{{ separator }}' order by {{ expression }})
{%- endmacro %}
