with

traffic as (
    select * from {{ ref('int_demand__traffic_hours') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

final as (
    select
        traffic.service_id,
        traffic.origin_id,
        traffic.observed_on,
        cast(floor(extract(hour from traffic.hour_starts_at) / 4.0) as int) as daypart,
        cast(sum(traffic.requests) as double) / count(*) / 3600 as mean_rps,
        max(traffic.requests) / 3600.0 as max_rps
    from traffic
    inner join the_window
        on traffic.observed_on between the_window.first_on and the_window.last_on
    group by
        traffic.service_id,
        traffic.origin_id,
        traffic.observed_on,
        cast(floor(extract(hour from traffic.hour_starts_at) / 4.0) as int)
)

select
    service_id,
    origin_id,
    observed_on,
    daypart,
    mean_rps,
    cast(max_rps as double) as max_rps
from final
