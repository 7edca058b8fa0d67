with

services as (
    select * from {{ ref('int_quality__degraded_services') }}
),

regions as (
    select * from {{ ref('int_quality__degraded_regions') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

calls as (
    select * from {{ ref('int_graph__calls') }}
),

pairs as (
    select * from {{ ref('int_network__pairs') }}
),

placed_services as (
    select count(distinct service_id) as services
    from {{ ref('int_placement__service_region_days') }}
),

all_regions as (
    select count(*) as regions from {{ ref('int_network__regions') }}
),

fallbacks as (
    select
        sum(case when client_is_region and client_id <> region_id then 1 else 0 end) as region_pairs,
        sum(case when client_id = region_id then 1 else 0 end) as own_pairs,
        sum(case when not client_is_region then 1 else 0 end) as origin_pairs
    from pairs
    where is_distance_fallback
),

-- What holds for everybody is said once for the fleet as well.
whole_fleet as (
    select
        services.code,
        concat('all ', count(*), ' services') as detail
    from services
    cross join placed_services
    group by services.code, placed_services.services
    having count(*) >= placed_services.services

    union all

    select
        regions.code,
        concat('all ', count(*), ' regions') as detail
    from regions
    cross join all_regions
    where regions.code in ('CAPACITY_OFF', 'CARBON_OFF')
    group by regions.code, all_regions.regions
    having count(*) >= all_regions.regions

    union all

    select
        'SHORT_HISTORY' as code,
        concat(days, ' complete days: level and hour of day only, no capacity forecast') as detail
    from the_window
    where coalesce(days, 0) < {{ var('short_history_days') }}

    union all

    select
        'NO_CALL_GRAPH' as code,
        'services are treated as independent of each other' as detail
    from (select count(*) as edges from calls) as counted
    where edges = 0

    union all

    select
        'CALL_CYCLE' as code,
        concat('broken at ', {{ list_of("concat(caller_service_id, ' -> ', callee_service_id)") }})
            as detail
    from calls
    where is_broken
    having count(*) > 0

    union all

    select
        'DISTANCE_FALLBACK' as code,
        concat(
            'round trips estimated from distance: ', region_pairs, ' ordered pairs of regions, ',
            own_pairs, ' regions to themselves, ', origin_pairs, ' pairs of origin and region'
        ) as detail
    from fallbacks
    where region_pairs + own_pairs + origin_pairs > 0
),

final as (
    select
        code,
        'fleet' as scope,
        detail
    from whole_fleet

    union all

    select
        code,
        concat('service:', service_id) as scope,
        detail
    from services

    union all

    select
        code,
        concat('region:', region_id) as scope,
        detail
    from regions
)

select * from final
