with

planned as (
    select * from {{ ref('stg_ml__placement_services') }}
),

runs as (
    select * from {{ ref('stg_ml__placement_runs') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        planned.plan_id,
        runs.plan_kind,
        planned.service_id,
        {%- for term in ['compute', 'egress', 'open', 'waiting', 'moving'] %}
        cast(planned.{{ term }}_usd_per_hour * {{ var('hours_per_month') }} as decimal(18, 6))
            as monthly_{{ term }}_usd,
        {%- endfor %}
        {%- for term in ['carbon', 'elastic'] %}
        cast(
            coalesce(planned.{{ term }}_usd_per_hour, 0) * {{ var('hours_per_month') }}
            as decimal(18, 6)
        ) as monthly_{{ term }}_usd,
        {%- endfor %}
        planned.carbon_kg_per_hour * {{ var('hours_per_month') }} as monthly_carbon_kg,
        cast(
            (planned.compute_usd_per_hour + planned.egress_usd_per_hour + planned.open_usd_per_hour)
            * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_cost_usd,
        planned.migration_usd as migration_cost_usd,
        planned.mean_rps,
        planned.mean_latency_ms,
        planned.mean_latency_lo_ms,
        planned.mean_latency_hi_ms,
        planned.p95_latency_ms,
        planned.interval_level,
        planned.slo_met_share,
        planned.n1_served_share,
        planned.is_n1_covered,
        planned.is_feasible,
        planned.broken_rule,
        observation_window.as_of_at as as_of
    from planned
    inner join runs
        on planned.plan_id = runs.plan_id
    cross join observation_window
)

select * from final
