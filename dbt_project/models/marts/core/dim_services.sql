with

services as (
    select * from {{ ref('feat_placement__services') }}
),

placements as (
    select
        service_id,
        count(*) as regions_now,
        sum(current_instances) as instances_now,
        {{ list_of('region_id') }} as region_ids_now
    from {{ ref('feat_placement__service_regions') }}
    where is_current
    group by service_id
),

callers as (
    select
        callee_service_id as service_id,
        count(*) as callers
    from {{ ref('feat_placement__calls') }}
    group by callee_service_id
),

callees as (
    select
        caller_service_id as service_id,
        count(*) as callees
    from {{ ref('feat_placement__calls') }}
    group by caller_service_id
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        services.service_id,
        services.service_name,
        services.team,
        cast(services.tier as bigint) as tier,
        services.is_latency_critical,
        services.template,
        services.service_class,
        services.cpu_cores,
        services.memory_gb,
        -- Bands double, so that each holds services of a like size.
        case
            when services.cpu_cores <= 1 then 'up to 1'
            when services.cpu_cores <= 2 then '1 to 2'
            when services.cpu_cores <= 4 then '2 to 4'
            else 'over 4'
        end as cpu_band,
        case
            when services.memory_gb <= 0.5 then 'up to 0.5'
            when services.memory_gb <= 1 then '0.5 to 1'
            when services.memory_gb <= 2 then '1 to 2'
            when services.memory_gb <= 4 then '2 to 4'
            else 'over 4'
        end as memory_band_gb,
        case
            when services.is_latency_critical then 'critical'
            when services.slo_p95_ms is not null then 'has an objective'
            else 'tolerant'
        end as latency_sensitivity,
        services.demand_ms,
        services.demand_source,
        services.slo_p95_ms,
        cast(services.min_regions as bigint) as min_regions,
        cast(services.max_regions as bigint) as max_regions,
        services.residency,
        services.is_stateful,
        services.state_gb,
        services.request_kb,
        services.response_kb,
        services.mean_rps,
        services.user_share,
        services.is_active,
        cast(coalesce(placements.regions_now, 0) as bigint) as regions_now,
        cast(coalesce(placements.instances_now, 0) as bigint) as instances_now,
        coalesce(placements.region_ids_now, '') as region_ids_now,
        cast(coalesce(callers.callers, 0) as bigint) as callers,
        cast(coalesce(callees.callees, 0) as bigint) as callees,
        observation_window.as_of_at as as_of
    from services
    cross join observation_window
    left join placements
        on services.service_id = placements.service_id
    left join callers
        on services.service_id = callers.service_id
    left join callees
        on services.service_id = callees.service_id
)

select * from final
