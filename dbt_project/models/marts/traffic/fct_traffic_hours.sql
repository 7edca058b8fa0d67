with

traffic as (
    select * from {{ ref('int_demand__traffic_hours') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        traffic.service_id,
        traffic.origin_id,
        traffic.hour_starts_at,
        cast(traffic.requests as bigint) as requests,
        traffic.traffic_source,
        observation_window.as_of_at as as_of
    from traffic
    cross join observation_window
)

select * from final
