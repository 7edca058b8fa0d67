with

runs as (
    select * from {{ ref('stg_ml__placement_runs') }}
),

plan_sums as (
    select * from {{ ref('int_placement__plan_sums') }}
),

placements as (
    select
        plan_id,
        count(*) as placements,
        sum(instances) as instances
    from {{ ref('stg_ml__placement_plans') }}
    group by plan_id
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        runs.plan_id,
        runs.plan_kind,
        runs.trained_through_on,
        cast(coalesce(plan_sums.services, 0) as bigint) as services,
        cast(coalesce(placements.placements, 0) as bigint) as placements,
        cast(coalesce(placements.instances, 0) as bigint) as instances,
        plan_sums.monthly_compute_usd,
        plan_sums.monthly_egress_usd,
        plan_sums.monthly_open_usd,
        plan_sums.monthly_cost_usd,
        plan_sums.monthly_waiting_usd,
        plan_sums.monthly_moving_usd,
        plan_sums.monthly_carbon_usd,
        plan_sums.monthly_elastic_usd,
        plan_sums.monthly_carbon_kg,
        plan_sums.migration_cost_usd,
        plan_sums.monthly_saving_usd,
        plan_sums.monthly_saving_lo_usd,
        plan_sums.monthly_saving_hi_usd,
        plan_sums.mean_rps,
        plan_sums.mean_latency_ms,
        plan_sums.mean_latency_lo_ms,
        plan_sums.mean_latency_hi_ms,
        plan_sums.mean_latency_delta_ms,
        plan_sums.mean_latency_delta_lo_ms,
        plan_sums.mean_latency_delta_hi_ms,
        plan_sums.interval_level,
        plan_sums.n1_served_share,
        cast(plan_sums.n1_covered_services as bigint) as n1_covered_services,
        cast(plan_sums.n1_covered_services as double) / nullif(plan_sums.services, 0)
            as n1_covered_share,
        cast(plan_sums.infeasible_services as bigint) as infeasible_services,
        cast(plan_sums.services_changed as bigint) as services_changed,
        runs.moves,
        cast(runs.upper_bound_usd_per_hour * {{ var('hours_per_month') }} as decimal(18, 6))
            as monthly_objective_usd,
        cast(runs.lower_bound_usd_per_hour * {{ var('hours_per_month') }} as decimal(18, 6))
            as monthly_objective_bound_usd,
        runs.gap_share,
        runs.gap_scope,
        cast(runs.joint_lower_bound_usd_per_hour * {{ var('hours_per_month') }} as decimal(18, 6))
            as monthly_objective_joint_bound_usd,
        runs.joint_gap_share,
        runs.joint_gap_scope,
        runs.end_state,
        runs.stop_reason,
        runs.checker_status,
        runs.candidate_plans,
        runs.input_hash,
        runs.config_hash,
        observation_window.as_of_at as as_of
    from runs
    cross join observation_window
    left join plan_sums
        on runs.plan_id = plan_sums.plan_id
    left join placements
        on runs.plan_id = placements.plan_id
)

select * from final
