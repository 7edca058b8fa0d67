-- Question: what do a thousand requests cost, by service and region?
-- Grain:    one row per service and region with requests, dearest first.
-- Columns:  service_id, region_id, days, cost_usd and requests over those days, usd_per_1000_requests.
select
    service_id,
    region_id,
    count(*) as days,
    sum(cost_usd) as cost_usd,
    sum(requests_served) as requests,
    round(1000.0 * sum(cost_usd) / sum(requests_served), 6) as usd_per_1000_requests
from fct_service_region_days
where
    requests_served > 0
    and cost_usd is not null
group by service_id, region_id
order by usd_per_1000_requests desc, service_id asc, region_id asc
