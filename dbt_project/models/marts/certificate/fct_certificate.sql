with

runs as (
    select * from {{ ref('stg_ml__placement_runs') }}
),

problem as (
    select * from {{ ref('int_certificate__problem') }}
),

duals as (
    select * from {{ ref('stg_ml__placement_duals') }}
),

spared as (
    select
        plan_id,
        sum(case when name = 'excused_services' then 1 else 0 end) as services_excused,
        sum(case when name = 'held_services' then 1 else 0 end) as services_held
    from {{ ref('stg_ml__placement_certificate_parameters') }}
    group by plan_id
),

-- Whole micro-dollars by service, as the optimiser counts them.
costs as (
    select
        plan_id,
        count(*) as services,
        sum(cast(round(cost_usd * 1e6) as decimal(38, 0))) as cost_micro_usd
    from {{ ref('int_certificate__plans') }}
    where is_chosen
    group by plan_id
),

-- Services of which some region has another number of instances than its load asks for.
other_instances as (
    select
        placed.plan_id,
        count(distinct placed.service_id) as services_with_other_instances
    from {{ ref('stg_ml__placement_plans') }} as placed
    left join {{ ref('int_certificate__plans') }} as plans
        on placed.plan_id = plans.plan_id
        and placed.service_id = plans.service_id
        and plans.is_chosen
    left join {{ ref('int_certificate__slot_sizes') }} as sizes
        on plans.plan_id = sizes.plan_id
        and plans.service_id = sizes.service_id
        and plans.set_mask = sizes.set_mask
        and plans.is_loss_sized = sizes.is_loss_sized
        and plans.step = sizes.step
        and placed.region_id = sizes.region_id
    where coalesce(sizes.instances <> placed.instances, true)
    group by placed.plan_id
),

-- Any price that is not negative gives a bound; what the limits are worth is taken off again.
limits as (
    select
        plan_id,
        sum(cast(dual * limit_value * 1e6 as decimal(38, 9))) as worth_micro_usd
    from duals
    where dual > 0
    group by plan_id
),

bounds as (
    select
        problem.plan_id,
        sum(minima.sets_evaluated) as sets_evaluated,
        sum(minima.sets_open) as sets_open,
        sum(minima.sets_closed) as sets_closed,
        floor(sum(minima.least_micro_usd) - coalesce(max(limits.worth_micro_usd), 0))
            as bound_micro_usd,
        floor(sum(minima.least_alone_micro_usd) - coalesce(max(limits.worth_micro_usd), 0))
            as bound_alone_micro_usd
    from {{ ref('int_certificate__minima') }} as minima
    cross join problem
    left join limits
        on problem.plan_id = limits.plan_id
    group by problem.plan_id
),

derived as (
    select
        runs.plan_id,
        runs.plan_kind,
        case
            when problem.plan_id is null then 'there is no recommended plan'
            when problem.skipped_because is not null then problem.skipped_because
            when runs.plan_id not in (problem.plan_id, problem.current_plan_id)
                then 'the optimiser writes call flows of the recommended and the current plan only'
        end as skipped_because,
        costs.services,
        bounds.sets_evaluated,
        bounds.sets_open,
        bounds.sets_closed,
        spared.services_excused,
        spared.services_held,
        runs.upper_bound_usd_per_hour,
        cast(costs.cost_micro_usd / 1e6 as decimal(18, 6)) as derived_upper_bound_usd_per_hour,
        runs.lower_bound_usd_per_hour,
        cast(bounds.bound_micro_usd / 1e6 as decimal(18, 6)) as derived_lower_bound_usd_per_hour,
        cast(bounds.bound_alone_micro_usd / 1e6 as decimal(18, 6)) as own_rules_bound_usd_per_hour,
        coalesce(other_instances.services_with_other_instances, 0) as services_with_other_instances
    from runs
    left join problem
        on problem.plan_id is not null
    left join costs
        on runs.plan_id = costs.plan_id
    left join bounds
        on runs.plan_id = bounds.plan_id
    left join spared
        on runs.plan_id = spared.plan_id
    left join other_instances
        on runs.plan_id = other_instances.plan_id
),

-- A service's cost is rounded once on either side: one micro-dollar each may part the sums.
compared as (
    select
        derived.*,
        cast(coalesce(derived.services, 0) as decimal(18, 6)) / 1e6 as tolerance_usd_per_hour,
        derived.derived_upper_bound_usd_per_hour - derived.upper_bound_usd_per_hour
            as upper_bound_difference_usd_per_hour,
        derived.derived_lower_bound_usd_per_hour - derived.lower_bound_usd_per_hour
            as lower_bound_difference_usd_per_hour
    from derived
),

final as (
    select
        compared.plan_id,
        compared.plan_kind,
        case
            when compared.skipped_because is not null then 'skipped'
            when
                compared.services_with_other_instances = 0
                and abs(compared.upper_bound_difference_usd_per_hour)
                <= compared.tolerance_usd_per_hour
                and (
                    compared.plan_kind <> 'recommended'
                    or abs(compared.lower_bound_difference_usd_per_hour)
                    <= compared.tolerance_usd_per_hour
                )
                then 'confirmed'
            else 'differs'
        end as status,
        compared.skipped_because as reason,
        cast(compared.services as bigint) as services,
        cast(compared.sets_evaluated as bigint) as sets_evaluated,
        cast(compared.sets_open as bigint) as sets_open,
        cast(compared.sets_closed as bigint) as sets_closed,
        cast(compared.services_excused as bigint) as services_excused,
        cast(compared.services_held as bigint) as services_held,
        case
            when compared.skipped_because is null
                then cast(compared.services_with_other_instances as bigint)
        end as services_with_other_instances,
        compared.upper_bound_usd_per_hour,
        compared.derived_upper_bound_usd_per_hour,
        cast(compared.upper_bound_difference_usd_per_hour as decimal(18, 6))
            as upper_bound_difference_usd_per_hour,
        compared.lower_bound_usd_per_hour,
        compared.derived_lower_bound_usd_per_hour,
        cast(compared.lower_bound_difference_usd_per_hour as decimal(18, 6))
            as lower_bound_difference_usd_per_hour,
        compared.own_rules_bound_usd_per_hour,
        cast(compared.tolerance_usd_per_hour as decimal(18, 6)) as tolerance_usd_per_hour,
        observation_window.as_of_at as as_of
    from compared
    cross join {{ ref('feat_window') }} as observation_window
)

select * from final
