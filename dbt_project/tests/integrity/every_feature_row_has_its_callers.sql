-- What does it check? That each callee of a running service runs somewhere on the same day, or that
-- the service is known to have no demand from it.
-- When does it matter? Calls into nowhere make a caller look faster than it is.
-- How is it resolved? Look for a callee whose placement rows are missing from the source on that day.
-- A retired callee has no traffic either and is not a finding.
with

callers as (
    select distinct
        calls.callee_service_id as service_id,
        features.placed_on
    from {{ ref('feat_latency__dependencies') }} as calls
    inner join {{ ref('feat_latency__service_region_days') }} as features
        on calls.caller_service_id = features.service_id
),

running as (
    select distinct
        service_id,
        placed_on
    from {{ ref('int_placement__service_region_days') }}
),

demanded as (
    select
        service_id,
        observed_on,
        requests
    from {{ ref('int_demand__service_days') }}
    where requests > 0
)

select
    callers.service_id,
    callers.placed_on
from callers
inner join demanded
    on callers.service_id = demanded.service_id
    and callers.placed_on = demanded.observed_on
left join running
    on callers.service_id = running.service_id
    and callers.placed_on = running.placed_on
where running.service_id is null
