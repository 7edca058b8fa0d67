{%- set tables = [
    'regions',
    'region_egress',
    'origins',
    'services',
    'service_dependencies',
    'regional_latency',
    'traffic_patterns',
    'service_latency_histogram',
] %}

with

landed as (
    select * from {{ ref('stg_raw__landed_tables') }}
),

kept as (
    {% for table in tables -%}
    select
        '{{ table }}' as table_name,
        count(*) as rows_kept
    from {{ ref('stg_raw__' ~ table) }}

    union all

    {% endfor -%}
    -- Unit errors leave after staging: only physics can see them.
    select
        'service_placement' as table_name,
        count(*) as rows_kept
    from {{ ref('int_latency__service_region_days') }}
),

quarantined as (
    select
        table_name,
        count(*) as rows_quarantined
    from {{ ref('int_quality__quarantined_rows') }}
    group by table_name
),

final as (
    select
        landed.table_name,
        landed.file_name,
        landed.is_present,
        landed.absent_columns,
        landed.unknown_columns,
        landed.rows_read,
        kept.rows_kept,
        coalesce(quarantined.rows_quarantined, 0) as rows_quarantined,
        landed.rows_read - kept.rows_kept - coalesce(quarantined.rows_quarantined, 0)
            as rows_unaccounted
    from landed
    inner join kept
        on landed.table_name = kept.table_name
    left join quarantined
        on landed.table_name = quarantined.table_name
)

select * from final
