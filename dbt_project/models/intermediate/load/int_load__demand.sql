with

placed as (
    select * from {{ ref('int_placement__service_region_days') }}
),

services as (
    select * from {{ ref('int_placement__services') }}
),

graph as (
    select * from {{ ref('int_graph__services') }}
),

priors as (
    select * from {{ ref('demand_priors') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

hours as (
    select
        service_id,
        region_id,
        placed_on,
        {{ exact_sum('load_rps * load_rps') }} / {{ exact_sum('load_rps') }} as weighted_rps
    from {{ ref('int_load__service_region_hours') }}
    group by
        service_id,
        region_id,
        placed_on
),

-- Utilisation law with the request-weighted load, since the utilisation is request-weighted too.
apparent as (
    select
        placed.service_id,
        1000 * placed.instances * services.workers_per_instance * placed.cpu_utilization
        / hours.weighted_rps as demand_ms,
        placed.cpu_utilization > {{ var('identifiable_utilisation_low') }} as is_busy
    from placed
    inner join hours
        on placed.service_id = hours.service_id
        and placed.region_id = hours.region_id
        and placed.placed_on = hours.placed_on
    inner join services
        on placed.service_id = services.service_id
    inner join the_window
        on placed.placed_on between the_window.first_on and the_window.train_through_on
    where
        placed.requests_served > 0
        and placed.cpu_utilization > 0
        -- A full processor hides demand.
        and placed.cpu_utilization < {{ var('identifiable_utilisation_high') }}
        and hours.weighted_rps > 0
),

-- A nearly idle processor shows other work too. Such days count only where there are no busier
-- ones: they can overstate demand, which is the safe side, and say more than a prior.
measured as (
    select
        service_id,
        coalesce(
            median(case when is_busy then demand_ms end),
            median(demand_ms)
        ) as demand_ms,
        count(*) as measured_days
    from apparent
    group by service_id
),

final as (
    select
        services.service_id,
        coalesce(measured.demand_ms, cast(priors.demand_ms as double)) as demand_ms,
        case when measured.demand_ms is null then 'prior' else 'measured' end as demand_source,
        coalesce(measured.measured_days, 0) as measured_days
    from services
    inner join graph
        on services.service_id = graph.service_id
    inner join priors
        on graph.service_class = priors.service_class
    left join measured
        on services.service_id = measured.service_id
)

select * from final
