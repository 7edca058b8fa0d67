-- What does it check? That the hours of a region day add up to the requests served there.
-- When does it matter? Utilisation and waits would rest on another load than the one that was served.
-- How is it resolved? Compare int_load__flows with the placement rows of that day: a running region
-- without a placement row, or a service without known traffic, breaks the sum.
with

hours as (
    select
        service_id,
        region_id,
        placed_on,
        cast(sum(cast(load_rps * 3600 as decimal(28, 6))) as double) as requests
    from {{ ref('int_load__service_region_hours') }}
    group by
        service_id,
        region_id,
        placed_on
)

select
    hours.service_id,
    hours.region_id,
    hours.placed_on,
    hours.requests,
    placed.requests_served
from hours
inner join {{ ref('int_placement__service_region_days') }} as placed
    on hours.service_id = placed.service_id
    and hours.region_id = placed.region_id
    and hours.placed_on = placed.placed_on
where
    placed.requests_served > 0
    and abs(hours.requests - placed.requests_served) > 0.001 + 1e-9 * placed.requests_served
