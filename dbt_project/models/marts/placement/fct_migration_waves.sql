with

found as (
    select * from {{ ref('stg_ml__placement_waves') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.wave,
        found.services,
        found.regions_added,
        found.cost_usd_per_month as monthly_cost_usd,
        found.mean_latency_ms,
        found.n1_served_share,
        found.peak_capacity_share,
        found.fullest_region_id,
        found.newly_broken_services as slowed_services,
        found.temporary_services,
        found.temporary_usd_per_month as temporary_monthly_cost_usd,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
