with

traffic as (
    select * from {{ ref('int_demand__traffic_hours') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

-- 168-hour blocks counted back from the end of the last complete day; age 0 is the newest.
cells as (
    select
        traffic.service_id,
        traffic.origin_id,
        traffic.observed_on,
        cast(floor({{ dbt.datediff('traffic.observed_on', 'the_window.last_on', 'day') }} / 7.0) as int)
            as week_age,
        {{ hour_of_week('traffic.observed_on', 'traffic.hour_starts_at') }} as hour_of_week,
        traffic.requests / 3600.0 as rps
    from traffic
    inner join the_window
        on traffic.observed_on between the_window.first_on and the_window.last_on
),

final as (
    select
        cells.service_id,
        cells.origin_id,
        cells.observed_on,
        cells.week_age,
        cells.hour_of_week,
        cast(cells.rps as double) as rps,
        -- A block that starts before the window is a part week and forecasts nothing.
        (cells.week_age + 1) * 7 <= the_window.days as is_full_week
    from cells
    cross join the_window
    -- The oldest block that any backtest reaches.
    where cells.week_age < {{ var('forecast_weeks') + 4 }}
)

select * from final
