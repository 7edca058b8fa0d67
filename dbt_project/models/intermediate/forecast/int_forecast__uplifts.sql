with

profiles as (
    select * from {{ ref('int_forecast__profiles') }}
    where shift > 0
),

cells as (
    select * from {{ ref('int_forecast__weekly_cells') }}
),

-- Each backtest is judged on the one week that follows what it had seen.
daily_peaks as (
    select
        profiles.service_id,
        profiles.origin_id,
        cells.observed_on,
        max(cells.rps) as actual_rps,
        max(profiles.forecast_rps) as forecast_rps
    from profiles
    inner join cells
        on profiles.service_id = cells.service_id
        and profiles.origin_id = cells.origin_id
        and profiles.shift = cells.week_age + 1
        and profiles.hour_of_week = cells.hour_of_week
    group by
        profiles.service_id,
        profiles.origin_id,
        cells.observed_on
),

final as (
    select
        service_id,
        origin_id,
        count(*) as backtest_days,
        {{ quantile_of('actual_rps / forecast_rps', 0.95) }} as uplift
    from daily_peaks
    where forecast_rps > 0
    group by
        service_id,
        origin_id
)

select * from final
