{#- A build started by dbt alone has no record of itself: no row then. -#}
{%- set path = env_var('REGIONWISE_DATA') ~ '/runs/meta_run.parquet' -%}
{%- set is_there = not execute or file_is_there(path) -%}
with

-- The branch for an absent file is indented by its template.
-- noqa: disable=LT02

source as (
    {%- if is_there %}
    select * from {{ source('run', 'meta_run') }}
    {%- else %}
        select
            {%- for name in [
                'run_id', 'build_id', 'code_commit', 'dataset_hash', 'config_hash', 'command', 'versions'
            ] %}
                cast(null as {{ dbt.type_string() }}) as {{ name }},
            {%- endfor %}
            cast(null as bigint) as seed,
            cast(null as timestamp) as started_at
        where false
    {%- endif %}
),

final as (
    select
        run_id,
        build_id,
        code_commit,
        dataset_hash,
        config_hash,
        cast(seed as bigint) as seed,
        command,
        cast(started_at as timestamp) as started_at,
        versions
    from source
)

select * from final
