with

source as (
    select * from {{ source('ml', 'latency_candidates') }}
),

final as (
    select
        service_id,
        region_id,
        utilization_bucket,
        model_id,
        internal_ms,
        calls_ms,
        network_weight,
        residual_factor,
        own_sd_ms,
        mean_lo_factor,
        mean_hi_factor,
        p95_factor,
        p95_hi_factor,
        interval_level,
        is_extrapolated
    from source
)

select * from final
