with

runs as (
    select * from {{ ref('stg_ml__placement_runs') }}
),

placements as (
    select * from {{ ref('stg_ml__placement_plans') }}
),

planned_services as (
    select
        plan_id,
        service_id
    from {{ ref('stg_ml__placement_services') }}
),

current_placements as (
    select placements.*
    from placements
    inner join runs
        on placements.plan_id = runs.plan_id
    where runs.plan_kind = 'current'
),

-- Today's regions, offered to every plan: a region the plan leaves has no row in the plan.
todays_regions as (
    select
        planned_services.plan_id,
        planned_services.service_id,
        current_placements.region_id,
        current_placements.instances,
        current_placements.traffic_share,
        current_placements.compute_usd_per_hour
    from planned_services
    inner join current_placements
        on planned_services.service_id = current_placements.service_id
),

pairs as (
    select
        coalesce(placements.plan_id, todays_regions.plan_id) as plan_id,
        coalesce(placements.service_id, todays_regions.service_id) as service_id,
        coalesce(placements.region_id, todays_regions.region_id) as region_id,
        todays_regions.region_id is not null as is_before,
        placements.region_id is not null as is_after,
        coalesce(todays_regions.instances, 0) as instances_before,
        coalesce(placements.instances, 0) as instances_after,
        coalesce(todays_regions.traffic_share, 0) as traffic_share_before,
        coalesce(placements.traffic_share, 0) as traffic_share_after,
        coalesce(todays_regions.compute_usd_per_hour, 0) as compute_before_usd_per_hour,
        coalesce(placements.compute_usd_per_hour, 0) as compute_after_usd_per_hour
    from placements
    full outer join todays_regions
        on placements.plan_id = todays_regions.plan_id
        and placements.service_id = todays_regions.service_id
        and placements.region_id = todays_regions.region_id
),

final as (
    select
        pairs.plan_id,
        runs.plan_kind,
        pairs.service_id,
        pairs.region_id,
        case
            when pairs.is_before and pairs.is_after then 'stay'
            when pairs.is_after then 'added'
            else 'removed'
        end as role,  -- noqa: RF04
        cast(pairs.instances_before as bigint) as instances_before,
        cast(pairs.instances_after as bigint) as instances_after,
        cast(pairs.traffic_share_before as double) as traffic_share_before,
        cast(pairs.traffic_share_after as double) as traffic_share_after,
        -- Whole micro-dollars times whole hours: exact, so services add up to the plan.
        cast(
            pairs.compute_before_usd_per_hour * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_compute_before_usd,
        cast(
            pairs.compute_after_usd_per_hour * {{ var('hours_per_month') }} as decimal(18, 6)
        ) as monthly_compute_after_usd
    from pairs
    inner join runs
        on pairs.plan_id = runs.plan_id
)

select * from final
