{{ config(materialized='table') }}
-- A table although staging is views: judged once, read by the account and by those who merge histograms.

with

landed as (
    select * from {{ source('raw', 'service_latency_histogram') }}
),

spellings as (
    select * from {{ ref('stg_raw__place_spellings') }}
),

services as (
    select * from {{ ref('stg_raw__services') }}
),

region_names as (
    {{ resolve_places('landed', 'region', 'spellings') }}
),

renamed as (
    select
        nullif(trim(landed.service_id), '') as service_id,
        coalesce(region_names.place_id, nullif(trim(landed.region), '')) as region_id,
        coalesce(region_names.is_region, false) as is_region_known,
        landed.day as placed_on,
        landed.upper_bound_ms,
        -- The overflow bin has no bound; as part of the key it needs a value.
        coalesce(landed.upper_bound_ms, -1) as bin_key,
        landed.requests,
        landed.service_id as raw_service_id,
        landed.region as raw_region,
        landed._file as file_name,
        landed._row as line_number,
        landed._unparsed as unparsed_values
    from landed
    left join region_names
        on landed.region = region_names.written_as
),

ruled as (
    select
        renamed.*,
        case
            when renamed.unparsed_values is not null then 'unparsed_value'
            when
                renamed.service_id is null or renamed.region_id is null or renamed.placed_on is null
                or renamed.requests is null then 'missing_required'
            when services.service_id is null then 'unknown_service'
            when not renamed.is_region_known then 'unknown_region'
            when {{ is_outside_sane_dates('renamed.placed_on') }} then 'date_out_of_range'
            when
                {{ is_outside('renamed.upper_bound_ms', 0, 1e12) }}
                or {{ is_outside('renamed.requests', 0, 1e15) }} then 'value_out_of_range'
        end as broken_rule
    from renamed
    left join services
        on renamed.service_id = services.service_id
),

{{ settle_repeats(
    'ruled',
    keys=['service_id', 'region_id', 'placed_on', 'bin_key'],
    payload=[
        'upper_bound_ms',
        'requests',
    ],
) }},

final as (
    select
        ruled.service_id,
        ruled.region_id,
        ruled.placed_on,
        ruled.upper_bound_ms,
        ruled.requests,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'service_id': 'ruled.raw_service_id',
                    'region': 'ruled.raw_region',
                    'day': 'ruled.placed_on',
                    'upper_bound_ms': 'ruled.upper_bound_ms',
                    'requests': 'ruled.requests',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
