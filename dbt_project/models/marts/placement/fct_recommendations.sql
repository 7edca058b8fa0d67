with

effects as (
    select * from {{ ref('int_placement__plan_effects') }}
    where plan_kind = 'recommended'
),

set_changes as (
    select * from {{ ref('int_placement__set_changes') }}
),

outcomes as (
    select * from {{ ref('int_placement__outcomes') }}
),

primary_reasons as (
    select * from {{ ref('int_placement__reasons_ranked') }}
    where reason_rank = 1
),

confidence as (
    select * from {{ ref('int_placement__confidence') }}
),

effort as (
    select * from {{ ref('int_placement__effort') }}
),

advice as (
    select * from {{ ref('int_placement__advice') }}
),

evidence as (
    select * from {{ ref('int_placement__evidence') }}
),

decided as (
    select
        effects.*,
        set_changes.from_regions,
        set_changes.to_regions,
        set_changes.regions_before,
        set_changes.regions_after,
        set_changes.instances_before,
        set_changes.instances_after,
        outcomes.outcome,
        primary_reasons.reason_code as primary_reason_code
    from effects
    inner join set_changes
        on effects.plan_id = set_changes.plan_id
        and effects.service_id = set_changes.service_id
    inner join outcomes
        on effects.service_id = outcomes.service_id
    -- Never empty by rule; the outer join lets the contract name the service that breaks it.
    left join primary_reasons
        on effects.service_id = primary_reasons.service_id
),

final as (
    select
        advice.recommendation_id,
        decided.plan_id,
        evidence.as_of_at as as_of,
        decided.service_id,
        decided.action,
        decided.outcome,
        decided.primary_reason_code,
        decided.instances_before,
        decided.instances_after,
        decided.from_regions,
        decided.to_regions,
        decided.regions_before,
        decided.regions_after,
        decided.monthly_cost_before_usd,
        decided.monthly_cost_after_usd,
        decided.monthly_saving_usd,
        decided.monthly_saving_lo_usd,
        decided.monthly_saving_hi_usd,
        -- Plans are priced at list prices; the discount comes in the next column.
        'price_book' as cost_basis,
        cast(
            round(cast(decided.monthly_saving_usd as double) * evidence.billed_over_book_ratio, 6)
            as decimal(18, 6)
        ) as effective_monthly_saving_usd,
        decided.monthly_waiting_saving_usd,
        decided.migration_usd as migration_cost_usd,
        case
            when decided.monthly_saving_usd > 0
                then
                    cast(decided.migration_usd as double)
                    / (cast(decided.monthly_saving_usd as double) * 24)
                    * {{ var('hours_per_month') }}
        end as payback_days,
        decided.mean_latency_before_ms,
        decided.mean_latency_after_ms,
        decided.mean_latency_delta_ms,
        decided.mean_latency_delta_lo_ms,
        decided.mean_latency_delta_hi_ms,
        decided.p95_latency_delta_ms,
        -- A plan states its p95 without an interval.
        cast(null as double) as p95_latency_delta_lo_ms,
        cast(null as double) as p95_latency_delta_hi_ms,
        decided.interval_level,
        decided.is_n1_covered_before,
        decided.is_n1_covered_after,
        decided.n1_served_share_before,
        decided.n1_served_share_after,
        decided.slo_met_share_before,
        decided.slo_met_share_after,
        decided.monthly_carbon_delta_kg,
        confidence.confidence,
        confidence.confidence_cap_code,
        confidence.worse_probability,
        cast(confidence.risk_level as bigint) as risk_level,
        effort.effort,
        effort.is_reversible,
        effort.needs_data_migration,
        evidence.lookback_days,
        evidence.evidence_first_on,
        evidence.evidence_last_on,
        evidence.data_age_hours,
        advice.status,
        advice.status_reason,
        advice.status_changed_at,
        advice.decided_by,
        advice.experiment_id
    from decided
    inner join advice
        on decided.service_id = advice.service_id
    inner join confidence
        on decided.service_id = confidence.service_id
    inner join effort
        on decided.plan_id = effort.plan_id
        and decided.service_id = effort.service_id
    inner join evidence
        on decided.service_id = evidence.service_id
)

select * from final
