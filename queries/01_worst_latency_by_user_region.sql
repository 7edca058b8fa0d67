-- Question: which users wait longest for the nearest region that serves them today, and how many are they?
-- Grain:    one row per origin of users, longest wait first.
-- Columns:  origin_id, continent, requests_per_day; nearest_region_id and nearest_rtt_ms among the
--           regions in use; corridor_rtt_ms, the round trip weighted by the requests that travel it.
with

traffic as (
    select
        origin_id,
        sum(requests) / count(distinct observed_on) as requests_per_day
    from fct_traffic_days
    group by origin_id
),

nearest as (
    select
        pairs.client_id as origin_id,
        pairs.region_id as nearest_region_id,
        pairs.used_rtt_ms as nearest_rtt_ms,
        row_number() over (
            partition by pairs.client_id
            order by pairs.used_rtt_ms, pairs.region_id
        ) as nearness
    from rpt_region_pairs as pairs
    inner join dim_regions as regions
        on pairs.region_id = regions.region_id
    where regions.is_used
),

corridors as (
    select
        client_id as origin_id,
        sum(used_rtt_ms * user_requests_per_day) / nullif(sum(user_requests_per_day), 0)
            as corridor_rtt_ms
    from rpt_region_pairs
    group by client_id
)

select
    origins.origin_id,
    origins.continent,
    round(traffic.requests_per_day) as requests_per_day,
    nearest.nearest_region_id,
    round(nearest.nearest_rtt_ms, 1) as nearest_rtt_ms,
    round(corridors.corridor_rtt_ms, 1) as corridor_rtt_ms
from dim_origins as origins
inner join traffic
    on origins.origin_id = traffic.origin_id
left join nearest
    on origins.origin_id = nearest.origin_id
    and nearest.nearness = 1
left join corridors
    on origins.origin_id = corridors.origin_id
order by corridor_rtt_ms desc nulls last, origins.origin_id asc
