with

source as (
    select * from {{ source('ml', 'latency_predictions') }}
),

final as (
    select
        service_id,
        region_id,
        placed_on,
        model_id,
        split,
        observed_ms,
        predicted_ms,
        predicted_lo_ms,
        predicted_hi_ms,
        interval_level,
        physics_ms,
        network_ms,
        dependency_ms,
        cpu_ms,
        queue_ms,
        base_ms,
        utilization
    from source
)

select * from final
