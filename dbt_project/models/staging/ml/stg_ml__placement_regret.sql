with

source as (
    select * from {{ source('ml', 'placement_regret') }}
),

final as (
    select
        decision,
        days,
        cost_usd_per_month,
        bill_usd_per_month,
        mean_latency_ms,
        cost_regret_share,
        priced_regret_share,
        prediction_regret_share,
        critical_services,
        critical_misses,
        critical_misses_foreseen,
        critical_misses_by_origin,
        critical_miss_share,
        missed_requests_share,
        usd_per_missed_request,
        sets_judged,
        sets_wrongly_blocked_share,
        sets_wrongly_allowed_share,
        status
    from source
)

select * from final
