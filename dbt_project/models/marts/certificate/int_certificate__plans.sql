with

problem as (
    select * from {{ ref('int_certificate__problem') }}
),

services as (
    select * from {{ ref('int_certificate__services') }}
),

today as (
    select * from {{ ref('int_certificate__today') }}
),

options as (
    select * from {{ ref('int_certificate__options') }}
),

regions as (
    select * from {{ ref('int_certificate__regions') }}
),

-- State comes from the cheapest region of today.
arrivals as (
    select
        services.service_id,
        targets.region_bit,
        min(coalesce(cast(pairs.egress_usd_per_gb as double), 0)) as egress_usd_per_gb
    from services
    inner join regions as sources
        on (services.current_mask & sources.region_bit) > 0
    cross join regions as targets
    left join {{ ref('feat_placement__region_pairs') }} as pairs
        on sources.region_id = pairs.region_id
        and targets.region_id = pairs.client_id
        and pairs.client_is_region
    group by
        services.service_id,
        targets.region_bit
),

additions as (
    select
        service_sets.plan_id,
        service_sets.service_id,
        service_sets.set_mask,
        count(*) as regions_added,
        {{ exact_sum(
            'today.moved_gb_per_hour * coalesce(arrivals.egress_usd_per_gb, 0) + today.sticky_usd',
            15) }} as moving_usd
    from {{ ref('int_certificate__service_sets') }} as service_sets
    inner join services
        on service_sets.service_id = services.service_id
    inner join {{ ref('int_certificate__set_regions') }} as set_regions
        on service_sets.set_mask = set_regions.set_mask
    inner join today
        on service_sets.service_id = today.service_id
    left join arrivals
        on service_sets.service_id = arrivals.service_id
        and set_regions.region_bit = arrivals.region_bit
    where (services.current_mask & set_regions.region_bit) = 0
    group by
        service_sets.plan_id,
        service_sets.service_id,
        service_sets.set_mask
),

-- Spare instances only where losing a region would otherwise be survived worse than today.
sizings as (
    select
        options.plan_id,
        options.service_id,
        options.set_mask,
        service_sets.is_home,
        service_sets.is_chosen,
        services.is_loss_proof or options.served_share < today.served_floor - 1e-9 as is_loss_sized
    from options
    inner join {{ ref('int_certificate__service_sets') }} as service_sets
        on options.plan_id = service_sets.plan_id
        and options.service_id = service_sets.service_id
        and options.set_mask = service_sets.set_mask
    inner join services
        on options.service_id = services.service_id
    inner join today
        on options.service_id = today.service_id
    where options.step = 0 and not options.is_loss_sized
),

priced as (
    select
        options.*,
        sizings.is_home,
        sizings.is_chosen,
        problem.open_region_usd_per_hour * options.set_size
        + services.state_gb * problem.replica_usd_per_gb_hour * (options.set_size - 1) as open_usd,
        coalesce(additions.moving_usd, 0.0) as moving_usd,
        cast(coalesce(additions.regions_added, 0) as bigint) as regions_added,
        coalesce(options.mean_ms, 0) > today.slowest_ms * (1.0 + 1e-9) as is_slower_than_today,
        services.is_excused,
        (options.set_mask & services.open_mask) = options.set_mask
        and options.set_size between services.min_regions and services.max_regions
        and (options.set_size <= problem.max_regions_cap or services.home_mask = options.set_mask)
        and options.is_slo_met
        and not (services.is_loss_proof and options.set_size < 2)
        and options.served_share >= today.served_floor - 1e-9
        and not options.is_over_capacity as keeps_other_rules
    from sizings
    cross join problem
    inner join options
        on sizings.plan_id = options.plan_id
        and sizings.service_id = options.service_id
        and sizings.set_mask = options.set_mask
        and sizings.is_loss_sized = options.is_loss_sized
    inner join services
        on options.service_id = services.service_id
    inner join today
        on options.service_id = today.service_id
    left join additions
        on options.plan_id = additions.plan_id
        and options.service_id = additions.service_id
        and options.set_mask = additions.set_mask
    where options.is_step_taken
),

final as (
    select
        plan_id,
        service_id,
        set_mask,
        set_size,
        is_home,
        is_chosen,
        is_loss_sized,
        step,
        regions_added,
        compute_usd,
        open_usd,
        egress_usd,
        waiting_usd,
        moving_usd,
        others_usd,
        compute_usd + open_usd + egress_usd + waiting_usd + moving_usd as cost_usd,
        rent_usd,
        mean_ms,
        served_share,
        keeps_other_rules and not coalesce(is_slower_than_today, false) as is_feasible,
        keeps_other_rules and (is_excused or not coalesce(is_slower_than_today, false)) as is_allowed
    from priced
)

select * from final
