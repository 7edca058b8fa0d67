with

found as (
    select * from {{ ref('stg_ml__placement_frontier') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.point_kind,
        found.point_name,
        found.waiting_factor,
        found.cost_usd_per_month as monthly_cost_usd,
        found.mean_latency_ms,
        found.moves,
        found.gap_share,
        found.services_not_feasible,
        found.is_efficient,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
