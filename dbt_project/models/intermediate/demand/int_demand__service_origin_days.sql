with

traffic as (
    select * from {{ ref('int_demand__traffic_hours') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

daily as (
    select
        traffic.service_id,
        traffic.origin_id,
        traffic.observed_on,
        sum(traffic.requests) as requests,
        count(*) as hours_seen
    from traffic
    inner join the_window
        on traffic.observed_on between the_window.first_on and the_window.last_on
    group by
        traffic.service_id,
        traffic.origin_id,
        traffic.observed_on
),

final as (
    select
        service_id,
        origin_id,
        observed_on,
        cast(requests as bigint) as requests,
        hours_seen
    from daily
)

select * from final
