{{ config(materialized='table') }}
-- A table although staging is views: several models read it, and each row is a distance on a sphere.

with

landed as (
    select * from {{ source('raw', 'regional_latency') }}
),

spellings as (
    select * from {{ ref('stg_raw__place_spellings') }}
),

clients as (
    select * from {{ ref('stg_raw__places') }}
),

targets as (
    select * from {{ ref('stg_raw__places') }}
),

source_region_names as (
    {{ resolve_places('landed', 'source_region', 'spellings') }}
),

target_region_names as (
    {{ resolve_places('landed', 'target_region', 'spellings') }}
),

renamed as (
    select
        coalesce(source_region_names.place_id, nullif(trim(landed.source_region), ''))
            as client_id,
        coalesce(target_region_names.place_id, nullif(trim(landed.target_region), ''))
            as region_id,
        landed.observed_at,
        landed.latency_ms as rtt_ms,
        landed.p95_latency_ms as p95_rtt_ms,
        landed.samples,
        nullif(lower(trim(landed.source)), '') as rtt_source,
        landed.source_region as raw_source_region,
        landed.target_region as raw_target_region,
        landed.source as raw_source,
        landed._file as file_name,
        landed._row as line_number,
        landed._unparsed as unparsed_values
    from landed
    left join source_region_names
        on landed.source_region = source_region_names.written_as
    left join target_region_names
        on landed.target_region = target_region_names.written_as
),

ruled as (
    select
        renamed.*,
        case
            when renamed.unparsed_values is not null then 'unparsed_value'
            when
                renamed.client_id is null or renamed.region_id is null or renamed.observed_at is null
                or renamed.rtt_ms is null then 'missing_required'
            when clients.place_id is null or not coalesce(targets.is_region, false) then 'unknown_region'
            when {{ is_outside_sane_dates('renamed.observed_at') }} then 'date_out_of_range'
            when renamed.rtt_ms = 0 then 'zero_latency'
            when
                {{ is_outside('renamed.rtt_ms', 0.01, 5000) }}
                or {{ is_outside('renamed.p95_rtt_ms', 0.01, 60000) }}
                or {{ is_outside('renamed.samples', 1, 1e15) }} then 'value_out_of_range'
            when renamed.rtt_source not in ('probe', 'mesh', 'published', 'distance') then 'invalid_code'
            when -- Only a measurement can be impossible; an estimate from distance is no claim.
                coalesce(renamed.rtt_source, 'mesh') <> 'distance'
                and renamed.rtt_ms < {{ light_bound_ms(
                    'clients.latitude', 'clients.longitude',
                    'targets.latitude', 'targets.longitude'
                ) }} then 'faster_than_light'
        end as broken_rule
    from renamed
    left join clients
        on renamed.client_id = clients.place_id
    left join targets
        on renamed.region_id = targets.place_id
),

{{ settle_repeats(
    'ruled',
    keys=['client_id', 'region_id', 'observed_at'],
    payload=[
        'rtt_ms',
        'p95_rtt_ms',
        'samples',
        'rtt_source',
    ],
) }},

final as (
    select
        ruled.client_id,
        ruled.region_id,
        ruled.observed_at,
        ruled.rtt_ms,
        ruled.p95_rtt_ms,
        ruled.samples,
        ruled.rtt_source,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'source_region': 'ruled.raw_source_region',
                    'target_region': 'ruled.raw_target_region',
                    'observed_at': 'ruled.observed_at',
                    'latency_ms': 'ruled.rtt_ms',
                    'p95_latency_ms': 'ruled.p95_rtt_ms',
                    'samples': 'ruled.samples',
                    'source': 'ruled.raw_source',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
