{#- What a service needs beyond its explained parts: the median residual, never below zero.
    The median also keeps rows with a wrong unit from moving it. -#}
{% macro own_base(residual) -%}
    greatest(0, median({{ residual }}))
{%- endmacro %}
