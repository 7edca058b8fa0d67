{#- Whether an external file exists when the model is compiled: some are written only once needed. -#}
{% macro file_is_there(path) -%}
    {{ return(adapter.dispatch('file_is_there')(path)) }}
{%- endmacro %}

{% macro default__file_is_there(path) -%}
    {{ return(true) }}
{%- endmacro %}

{% macro duckdb__file_is_there(path) -%}
    {%- set found = run_query("select count(*) from glob('" ~ path ~ "')") -%}
    {{ return(found.columns[0].values()[0] > 0) }}
{%- endmacro %}
