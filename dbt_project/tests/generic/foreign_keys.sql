{% test foreign_keys(model, references) %}
-- All references of one table in one run. Distinct values first: tables are long, ids are few.
-- Null points nowhere on purpose; whether it may is for other tests.
{% for reference in references -%}
select
    '{{ reference.column }}' as column_name,
    cast(pointing.{{ reference.column }} as {{ dbt.type_string() }}) as missing_value
from (select distinct {{ reference.column }} from {{ model }}) as pointing
left join (select distinct {{ reference.field }} from {{ reference.to }}) as listed
    on pointing.{{ reference.column }} = listed.{{ reference.field }}
where
    pointing.{{ reference.column }} is not null
    and listed.{{ reference.field }} is null
{% if not loop.last -%}
union all
{% endif -%}
{% endfor -%}
{% endtest %}
