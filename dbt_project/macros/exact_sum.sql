{#- Sum over decimals: float sums change with the number of threads, decimal sums never do. -#}
{% macro exact_sum(expression, scale=9) -%}
    cast(sum(cast({{ expression }} as decimal(38, {{ scale }}))) as double)
{%- endmacro %}

{#- Weighted mean over decimals; null when nothing weighs. -#}
{% macro exact_mean(expression, weight, scale=9) -%}
    {{ exact_sum(expression ~ ' * ' ~ weight, scale) }} / nullif({{ exact_sum(weight, scale) }}, 0)
{%- endmacro %}
