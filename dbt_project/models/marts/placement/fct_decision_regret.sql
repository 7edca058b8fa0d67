with

found as (
    select * from {{ ref('stg_ml__placement_regret') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        found.decision,
        found.days,
        found.cost_usd_per_month as monthly_cost_usd,
        found.bill_usd_per_month as monthly_bill_usd,
        found.mean_latency_ms,
        found.cost_regret_share,
        found.priced_regret_share,
        found.prediction_regret_share,
        found.critical_services,
        found.critical_misses,
        found.critical_misses_foreseen,
        found.critical_misses_by_origin,
        found.critical_miss_share,
        found.missed_requests_share,
        found.usd_per_missed_request,
        found.sets_judged,
        found.sets_wrongly_blocked_share,
        found.sets_wrongly_allowed_share,
        found.status,
        observation_window.as_of_at as as_of
    from found
    cross join observation_window
)

select * from final
