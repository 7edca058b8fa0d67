with

source as (
    select * from {{ source('ml', 'placement_plans') }}
),

final as (
    select
        plan_id,
        service_id,
        region_id,
        instances,
        traffic_share,
        compute_usd_per_hour,
        peak_utilization,
        mean_latency_ms
    from source
)

select * from final
