{{ config(materialized='table') }}
-- A table although staging is views: the heaviest grain is judged once, not by every reader.

with

landed as (
    select * from {{ source('raw', 'traffic_patterns') }}
),

spellings as (
    select * from {{ ref('stg_raw__place_spellings') }}
),

services as (
    select * from {{ ref('stg_raw__services') }}
),

origin_region_names as (
    {{ resolve_places('landed', 'origin_region', 'spellings') }}
),

renamed as (
    select
        nullif(trim(landed.service_id), '') as service_id,
        coalesce(origin_region_names.place_id, nullif(trim(landed.origin_region), ''))
            as origin_id,
        origin_region_names.place_id is not null as is_origin_known,
        landed.hour_start as hour_starts_at,
        landed.requests,
        nullif(lower(trim(landed.source)), '') as traffic_source,
        landed.service_id as raw_service_id,
        landed.origin_region as raw_origin_region,
        landed._file as file_name,
        landed._row as line_number,
        landed._unparsed as unparsed_values
    from landed
    left join origin_region_names
        on landed.origin_region = origin_region_names.written_as
),

ruled as (
    select
        renamed.*,
        case
            when renamed.unparsed_values is not null then 'unparsed_value'
            when
                renamed.service_id is null or renamed.origin_id is null
                or renamed.hour_starts_at is null or renamed.requests is null then 'missing_required'
            when services.service_id is null then 'unknown_service'
            when not renamed.is_origin_known then 'unknown_region'
            when {{ is_outside_sane_dates('renamed.hour_starts_at') }} then 'date_out_of_range'
            when renamed.hour_starts_at <> {{ dbt.date_trunc('hour', 'renamed.hour_starts_at') }}
                then 'not_on_the_hour'
            when {{ is_outside('renamed.requests', 0, 1e15) }} then 'value_out_of_range'
            when renamed.traffic_source not in ('measured', 'entry') then 'invalid_code'
        end as broken_rule
    from renamed
    left join services
        on renamed.service_id = services.service_id
),

{{ settle_repeats(
    'ruled',
    keys=['service_id', 'origin_id', 'hour_starts_at'],
    payload=[
        'requests',
        'traffic_source',
    ],
) }},

final as (
    select
        ruled.service_id,
        ruled.origin_id,
        ruled.hour_starts_at,
        ruled.requests,
        ruled.traffic_source,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'service_id': 'ruled.raw_service_id',
                    'origin_region': 'ruled.raw_origin_region',
                    'hour_start': 'ruled.hour_starts_at',
                    'requests': 'ruled.requests',
                    'source': 'ruled.traffic_source',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
