{#- Every match of a regular expression taken out: DuckDB asks for the flag, others imply it. -#}
{% macro remove_pattern(expression, pattern) -%}
    {{ return(adapter.dispatch('remove_pattern')(expression, pattern)) }}
{%- endmacro %}

{% macro default__remove_pattern(expression, pattern) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', '')
{%- endmacro %}

{% macro duckdb__remove_pattern(expression, pattern) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', '', 'g')
{%- endmacro %}
