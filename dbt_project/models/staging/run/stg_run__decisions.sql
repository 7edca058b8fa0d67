{#- Nobody has decided anything yet: no file, no row. -#}
{%- set path = env_var('REGIONWISE_DATA') ~ '/decisions/decisions.parquet' -%}
{%- set is_there = not execute or file_is_there(path) -%}
with

-- The branch for an absent file is indented by its template.
-- noqa: disable=LT02

source as (
    {%- if is_there %}
    select * from {{ source('decisions', 'decisions') }}
    {%- else %}
        select
            {%- for name in [
                'decision_id', 'recommendation_id', 'service_id', 'status', 'reason', 'note', 'decided_by'
            ] %}
                cast(null as {{ dbt.type_string() }}) as {{ name }},
            {%- endfor %}
            cast(null as timestamp) as decided_at
        where false
    {%- endif %}
),

final as (
    select
        decision_id,
        recommendation_id,
        service_id,
        status,
        case
            when coalesce(note, '') = '' then reason
            else {{ dbt.concat(['reason', "': '", 'note']) }}
        end as status_reason,
        decided_by,
        cast(decided_at as timestamp) as decided_at
    from source
)

select * from final
