{#- One JSON object from columns, keyed by the names they had in the source. -#}
{% macro json_of(columns) -%}
    {{ return(adapter.dispatch('json_of')(columns)) }}
{%- endmacro %}

{% macro default__json_of(columns) -%}
    to_json(named_struct({% for name in columns %}'{{ name }}', {{ columns[name] }}{{ ', ' if not loop.last }}{% endfor %}))
{%- endmacro %}

{% macro duckdb__json_of(columns) -%}
    cast(json_object({% for name in columns %}'{{ name }}', {{ columns[name] }}{{ ', ' if not loop.last }}{% endfor %}) as varchar)
{%- endmacro %}
