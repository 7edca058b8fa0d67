{{ config(materialized='table') }}
-- A table although staging is views: activity, latency, cost and quarantine all read it.

with

landed as (
    select * from {{ source('raw', 'service_placement') }}
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
        landed.instances,
        landed.avg_latency_ms as observed_ms,
        landed.p95_latency_ms as p95_ms,
        landed.p99_latency_ms as p99_ms,
        landed.error_rate,
        landed.requests_served,
        landed.cpu_utilization,
        landed.cost_usd as billed_usd,
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
                or renamed.instances is null then 'missing_required'
            when services.service_id is null then 'unknown_service'
            when not renamed.is_region_known then 'unknown_region'
            when {{ is_outside_sane_dates('renamed.placed_on') }} then 'date_out_of_range'
            when
                {{ is_outside('renamed.instances', 1, 1000000) }}
                or {{ is_outside('renamed.error_rate', 0, 1) }}
                or {{ is_outside('renamed.requests_served', 0, 1e15) }}
                or {{ is_outside('renamed.cpu_utilization', 0, 1) }}
                or {{ is_outside('renamed.billed_usd', 0, 1e9) }} then 'value_out_of_range'
            when -- From here on only the latency is at fault: the row still says where the service ran.
                renamed.observed_ms is null and coalesce(renamed.requests_served, 1) > 0 then 'missing_latency'
            when renamed.observed_ms = 0 then 'zero_latency'
            when
                {{ is_outside('renamed.observed_ms', 0, var('absurd_latency_ms')) }}
                or {{ is_outside('renamed.p95_ms', 0, var('absurd_latency_ms')) }}
                or {{ is_outside('renamed.p99_ms', 0, var('absurd_latency_ms')) }} then 'absurd_latency'
        end as broken_rule
    from renamed
    left join services
        on renamed.service_id = services.service_id
),

{{ settle_repeats(
    'ruled',
    keys=['service_id', 'region_id', 'placed_on'],
    payload=[
        'instances',
        'observed_ms',
        'p95_ms',
        'p99_ms',
        'error_rate',
        'requests_served',
        'cpu_utilization',
        'billed_usd',
    ],
) }},

final as (
    select
        ruled.service_id,
        ruled.region_id,
        ruled.placed_on,
        ruled.instances,
        ruled.observed_ms,
        ruled.p95_ms,
        ruled.p99_ms,
        ruled.error_rate,
        ruled.requests_served,
        ruled.cpu_utilization,
        ruled.billed_usd,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'service_id': 'ruled.raw_service_id',
                    'region': 'ruled.raw_region',
                    'day': 'ruled.placed_on',
                    'instances': 'ruled.instances',
                    'avg_latency_ms': 'ruled.observed_ms',
                    'p95_latency_ms': 'ruled.p95_ms',
                    'p99_latency_ms': 'ruled.p99_ms',
                    'error_rate': 'ruled.error_rate',
                    'requests_served': 'ruled.requests_served',
                    'cpu_utilization': 'ruled.cpu_utilization',
                    'cost_usd': 'ruled.billed_usd',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
