with

staged as (
    select * from {{ ref('stg_raw__service_placement') }}
),

unit_errors as (
    select * from {{ ref('int_latency__unit_errors') }}
),

final as (
    select
        staged.service_id,
        staged.region_id,
        staged.placed_on,
        staged.instances,
        staged.observed_ms,
        staged.p95_ms,
        staged.p99_ms,
        staged.error_rate,
        staged.requests_served,
        staged.cpu_utilization,
        staged.billed_usd
    from staged
    left join unit_errors
        on staged.service_id = unit_errors.service_id
        and staged.region_id = unit_errors.region_id
        and staged.placed_on = unit_errors.placed_on
    where unit_errors.service_id is null
)

select * from final
