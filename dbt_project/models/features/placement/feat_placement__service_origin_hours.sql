with

forecast as (
    select * from {{ ref('int_forecast__service_origin_hours') }}
),

active as (
    select service_id from {{ ref('int_demand__services') }}
    where is_active
),

final as (
    select
        forecast.service_id,
        forecast.origin_id,
        forecast.hour_of_week,
        cast(forecast.mean_rps as double) as mean_rps,
        cast(forecast.q95_rps as double) as q95_rps
    from forecast
    inner join active
        on forecast.service_id = active.service_id
)

select * from final
