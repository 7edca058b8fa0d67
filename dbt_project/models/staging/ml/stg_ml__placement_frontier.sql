with

source as (
    select * from {{ source('ml', 'placement_frontier') }}
),

final as (
    select
        point_kind,
        point_name,
        waiting_factor,
        cost_usd_per_month,
        mean_latency_ms,
        moves,
        gap_share,
        services_not_feasible,
        is_efficient
    from source
)

select * from final
