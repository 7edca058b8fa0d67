{#- Sakasegawa (1977): share of requests that wait at `servers` servers of utilisation `rho`. -#}
{% macro waiting_share(rho, servers) -%}
    power({{ rho }}, sqrt(2 * ({{ servers }} + 1)) - 1)
{%- endmacro %}
