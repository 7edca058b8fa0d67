with

traffic as (
    select * from {{ ref('int_demand__traffic_hours') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

final as (
    select
        traffic.origin_id,
        traffic.observed_on,
        cast(extract(hour from traffic.hour_starts_at) as int) as hour_of_day,
        cast(sum(traffic.requests) as bigint) as requests,
        count(*) as services_seen
    from traffic
    inner join the_window
        on traffic.observed_on between the_window.first_on and the_window.last_on
    group by
        traffic.origin_id,
        traffic.observed_on,
        cast(extract(hour from traffic.hour_starts_at) as int)
)

select * from final
