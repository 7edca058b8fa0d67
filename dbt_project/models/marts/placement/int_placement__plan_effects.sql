with

runs as (
    select * from {{ ref('stg_ml__placement_runs') }}
),

planned as (
    select * from {{ ref('stg_ml__placement_services') }}
),

current_services as (
    select planned.*
    from planned
    inner join runs
        on planned.plan_id = runs.plan_id
    where runs.plan_kind = 'current'
),

set_changes as (
    select * from {{ ref('int_placement__set_changes') }}
),

demand_spread as (
    select * from {{ ref('int_cost__demand_spread') }}
),

-- Money by the month. Waiting is priced time and moving a one-off spread out: neither is a bill.
monthly as (
    select
        planned.plan_id,
        runs.plan_kind,
        planned.service_id,
        set_changes.action,
        planned.interval_level,
        planned.mean_rps,
        cast(
            (planned.compute_usd_per_hour + planned.egress_usd_per_hour + planned.open_usd_per_hour)
            * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_cost_after_usd,
        cast(
            (
                current_services.compute_usd_per_hour
                + current_services.egress_usd_per_hour
                + current_services.open_usd_per_hour
            ) * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_cost_before_usd,
        cast(
            (current_services.compute_usd_per_hour - planned.compute_usd_per_hour)
            * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_compute_saving_usd,
        cast(
            (current_services.egress_usd_per_hour - planned.egress_usd_per_hour)
            * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_egress_saving_usd,
        cast(
            (current_services.open_usd_per_hour - planned.open_usd_per_hour)
            * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_open_saving_usd,
        cast(
            (current_services.waiting_usd_per_hour - planned.waiting_usd_per_hour)
            * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_waiting_saving_usd,
        cast(planned.waiting_usd_per_hour as double) * {{ var('hours_per_month') }}
        / nullif(planned.mean_latency_ms, 0) as usd_per_ms,
        (planned.carbon_kg_per_hour - current_services.carbon_kg_per_hour)
        * {{ var('hours_per_month') }} as monthly_carbon_delta_kg,
        planned.migration_usd,
        current_services.mean_latency_ms as mean_latency_before_ms,
        planned.mean_latency_ms as mean_latency_after_ms,
        planned.mean_latency_ms - current_services.mean_latency_ms as mean_latency_delta_ms,
        current_services.mean_latency_ms - current_services.mean_latency_lo_ms as below_before_ms,
        current_services.mean_latency_hi_ms - current_services.mean_latency_ms as above_before_ms,
        planned.mean_latency_ms - planned.mean_latency_lo_ms as below_after_ms,
        planned.mean_latency_hi_ms - planned.mean_latency_ms as above_after_ms,
        planned.p95_latency_ms - current_services.p95_latency_ms as p95_latency_delta_ms,
        current_services.is_n1_covered as is_n1_covered_before,
        planned.is_n1_covered as is_n1_covered_after,
        current_services.n1_served_share as n1_served_share_before,
        planned.n1_served_share as n1_served_share_after,
        current_services.slo_met_share as slo_met_share_before,
        planned.slo_met_share as slo_met_share_after,
        current_services.is_feasible as is_feasible_before,
        -- A slowdown that nothing spares is a weak plan, said as a degradation; not a missing one.
        planned.is_feasible
        or coalesce(planned.broken_rule, '') = 'SLOWER_THAN_TODAY' as is_feasible_after,
        current_services.broken_rule as broken_rule_before,
        -- Errors taken as logistic: scale s has mean absolute size 2 s ln 2 and half-width
        -- s ln((1 + L) / (1 - L)). The case keeps unknown unknown, as least() drops nulls.
        case
            when demand_spread.mean_log_change is not null
                then least(
                    1.0,
                    demand_spread.mean_log_change / (2 * ln(2.0))
                    * ln((1 + planned.interval_level) / (1 - planned.interval_level))
                )
        end as demand_half_width_share
    from planned
    inner join runs
        on planned.plan_id = runs.plan_id
    inner join current_services
        on planned.service_id = current_services.service_id
    inner join set_changes
        on planned.plan_id = set_changes.plan_id
        and planned.service_id = set_changes.service_id
    left join demand_spread
        on planned.service_id = demand_spread.service_id
),

-- Compute is instances times list price, certain once the plan stands; only transfer moves with
-- demand. Latency: the same regions share one error, so the ends are compared like with like;
-- for other regions the two errors are taken as independent, which is wide, as they share a part.
half_widths as (
    select
        *,
        case
            when monthly_egress_saving_usd = 0 then 0.0
            else abs(cast(monthly_egress_saving_usd as double)) * demand_half_width_share
        end as saving_half_width_usd,
        case
            when action = 'keep' then abs(below_after_ms - below_before_ms)
            else sqrt(below_after_ms * below_after_ms + above_before_ms * above_before_ms)
        end as delta_below_ms,
        case
            when action = 'keep' then abs(above_after_ms - above_before_ms)
            else sqrt(above_after_ms * above_after_ms + below_before_ms * below_before_ms)
        end as delta_above_ms
    from monthly
),

benefits as (
    select
        *,
        monthly_cost_before_usd - monthly_cost_after_usd as monthly_saving_usd,
        cast(
            monthly_cost_before_usd - monthly_cost_after_usd + monthly_waiting_saving_usd as double
        ) as benefit_usd,
        sqrt(
            coalesce(saving_half_width_usd, 0) * coalesce(saving_half_width_usd, 0)
            -- What the plan pays for a millisecond turns the latency interval into money.
            + power(coalesce((delta_below_ms + delta_above_ms) / 2 * usd_per_ms, 0), 2)
        ) as benefit_half_width_usd
    from half_widths
),

odds as (
    select
        *,
        benefit_usd / nullif(benefit_half_width_usd, 0)
        * ln((1 + interval_level) / (1 - interval_level)) as benefit_log_odds
    from benefits
),

final as (
    select
        plan_id,
        plan_kind,
        service_id,
        action,
        interval_level,
        mean_rps,
        monthly_cost_before_usd,
        monthly_cost_after_usd,
        monthly_saving_usd,
        cast(round(monthly_saving_usd - saving_half_width_usd, 6) as decimal(18, 6))
            as monthly_saving_lo_usd,
        cast(round(monthly_saving_usd + saving_half_width_usd, 6) as decimal(18, 6))
            as monthly_saving_hi_usd,
        monthly_compute_saving_usd,
        monthly_egress_saving_usd,
        monthly_open_saving_usd,
        monthly_waiting_saving_usd,
        monthly_carbon_delta_kg,
        migration_usd,
        mean_latency_before_ms,
        mean_latency_after_ms,
        mean_latency_delta_ms,
        mean_latency_delta_ms - delta_below_ms as mean_latency_delta_lo_ms,
        mean_latency_delta_ms + delta_above_ms as mean_latency_delta_hi_ms,
        p95_latency_delta_ms,
        is_n1_covered_before,
        is_n1_covered_after,
        n1_served_share_before,
        n1_served_share_after,
        slo_met_share_before,
        slo_met_share_after,
        is_feasible_before,
        is_feasible_after,
        broken_rule_before,
        -- A logistic error whose central interval is the stated one; staying put risks nothing.
        case
            when action = 'keep' then 0.0
            when benefit_half_width_usd > 0
                then 1 / (1 + exp(greatest(-50.0, least(50.0, benefit_log_odds))))
            when benefit_usd < 0 then 1.0
            else 0.0
        end as worse_probability
    from odds
)

select * from final
