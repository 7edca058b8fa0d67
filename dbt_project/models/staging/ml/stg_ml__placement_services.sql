with

source as (
    select * from {{ source('ml', 'placement_services') }}
),

final as (
    select
        plan_id,
        service_id,
        compute_usd_per_hour,
        egress_usd_per_hour,
        open_usd_per_hour,
        waiting_usd_per_hour,
        moving_usd_per_hour,
        carbon_usd_per_hour,
        elastic_usd_per_hour,
        carbon_kg_per_hour,
        mean_latency_ms,
        mean_latency_lo_ms,
        mean_latency_hi_ms,
        p95_latency_ms,
        slo_met_share,
        n1_served_share,
        is_n1_covered,
        is_feasible,
        broken_rule,
        mean_rps,
        migration_usd,
        interval_level
    from source
)

select * from final
