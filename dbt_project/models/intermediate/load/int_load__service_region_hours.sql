with

traffic as (
    select * from {{ ref('int_demand__traffic_hours') }}
    where requests > 0
),

flows as (
    select * from {{ ref('int_load__flows') }}
),

client_shares as (
    select * from {{ ref('int_load__client_shares') }}
),

placed as (
    select * from {{ ref('int_placement__service_region_days') }}
),

flow_totals as (
    select
        service_id,
        origin_id,
        placed_on,
        {{ exact_sum('requests', 6) }} as requests
    from flows
    group by
        service_id,
        origin_id,
        placed_on
),

-- Where a day's requests of one origin end up. Without any known flow they go to the nearest.
origin_routes as (
    select
        client_shares.service_id,
        client_shares.client_id as origin_id,
        client_shares.region_id,
        client_shares.placed_on,
        case
            when flow_totals.requests > 0
                then coalesce(flows.requests, 0) / flow_totals.requests
            else client_shares.share
        end as share
    from client_shares
    left join flow_totals
        on client_shares.service_id = flow_totals.service_id
        and client_shares.client_id = flow_totals.origin_id
        and client_shares.placed_on = flow_totals.placed_on
    left join flows
        on client_shares.service_id = flows.service_id
        and client_shares.client_id = flows.origin_id
        and client_shares.region_id = flows.region_id
        and client_shares.placed_on = flows.placed_on
),

expected as (
    select
        traffic.service_id,
        origin_routes.region_id,
        traffic.observed_on as placed_on,
        traffic.hour_starts_at,
        sum(cast(traffic.requests * origin_routes.share as decimal(18, 3))) as requests
    from traffic
    inner join origin_routes
        on traffic.service_id = origin_routes.service_id
        and traffic.origin_id = origin_routes.origin_id
        and traffic.observed_on = origin_routes.placed_on
    group by
        traffic.service_id,
        origin_routes.region_id,
        traffic.observed_on,
        traffic.hour_starts_at
),

daily as (
    select
        service_id,
        region_id,
        placed_on,
        cast(sum(requests) as double) as requests
    from expected
    group by
        service_id,
        region_id,
        placed_on
),

-- The day's total is known; routing only has to say how it spreads over the hours.
scaled as (
    select
        daily.service_id,
        daily.region_id,
        daily.placed_on,
        case
            when placed.requests_served > 0 and daily.requests > 0
                then placed.requests_served / daily.requests
            else 1.0
        end as scale
    from daily
    inner join placed
        on daily.service_id = placed.service_id
        and daily.region_id = placed.region_id
        and daily.placed_on = placed.placed_on
),

final as (
    select
        expected.service_id,
        expected.region_id,
        expected.placed_on,
        expected.hour_starts_at,
        cast(expected.requests as double) * scaled.scale / 3600 as load_rps
    from expected
    inner join scaled
        on expected.service_id = scaled.service_id
        and expected.region_id = scaled.region_id
        and expected.placed_on = scaled.placed_on
    where expected.requests > 0
)

select * from final
