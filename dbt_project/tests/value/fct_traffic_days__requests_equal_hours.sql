{#-
What does it check?    No request is lost or doubled between hours and days.
When does it matter?   Pages read days, the optimiser reads hours.
How is it resolved?    A time zone other than UTC in the session shifts hours between days, but keeps the total.
-#}
with

hours as (
    select sum(requests) as requests from {{ ref('fct_traffic_hours') }}
),

days as (
    select sum(requests) as requests from {{ ref('fct_traffic_days') }}
)

select
    hours.requests,
    days.requests as requests_of_days
from hours
cross join days
where hours.requests <> days.requests
