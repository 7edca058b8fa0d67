with

profiles as (
    select * from {{ ref('int_forecast__profiles') }}
    where shift = 0
),

cells as (
    select * from {{ ref('int_forecast__weekly_cells') }}
),

uplifts as (
    select * from {{ ref('int_forecast__uplifts') }}
),

hours_of_week as (
    select distinct hour_of_week from profiles

    union

    {% for day in [0, 1, 2, 3, 4, 5, 6] -%}
    select distinct mod(hour_of_week, 24) + {{ day * 24 }} as hour_of_week from cells
    {%- if not loop.last %}
    union
    {% endif -%}
    {% endfor %}
),

profiled as (
    select distinct
        service_id,
        origin_id
    from profiles
),

series as (
    select
        cells.service_id,
        cells.origin_id,
        {{ exact_sum('cells.rps') }} / count(*) as level_rps
    from cells
    left join profiled
        on cells.service_id = profiled.service_id
        and cells.origin_id = profiled.origin_id
    where profiled.service_id is null
    group by
        cells.service_id,
        cells.origin_id
),

-- Too short for a week: level and hour of day only.
hours_of_day as (
    select
        cells.service_id,
        cells.origin_id,
        mod(cells.hour_of_week, 24) as hour_of_day,
        {{ exact_sum('cells.rps') }} / count(*) as mean_rps
    from cells
    inner join series
        on cells.service_id = series.service_id
        and cells.origin_id = series.origin_id
    group by
        cells.service_id,
        cells.origin_id,
        mod(cells.hour_of_week, 24)
),

combined as (
    select
        service_id,
        origin_id,
        hour_of_week,
        forecast_rps as mean_rps,
        false as is_short_history
    from profiles

    union all

    select
        series.service_id,
        series.origin_id,
        hours_of_week.hour_of_week,
        coalesce(hours_of_day.mean_rps, series.level_rps) as mean_rps,
        true as is_short_history
    from series
    cross join hours_of_week
    left join hours_of_day
        on series.service_id = hours_of_day.service_id
        and series.origin_id = hours_of_day.origin_id
        and mod(hours_of_week.hour_of_week, 24) = hours_of_day.hour_of_day
),

final as (
    select
        combined.service_id,
        combined.origin_id,
        combined.hour_of_week,
        combined.mean_rps,
        -- Capacity never plans below the mean, nor for a backtest that met one freak day.
        combined.mean_rps
        * greatest(1, least(5, coalesce(uplifts.uplift, {{ var('peak_uplift_prior') }}))) as q95_rps,
        combined.is_short_history
    from combined
    left join uplifts
        on combined.service_id = uplifts.service_id
        and combined.origin_id = uplifts.origin_id
)

select * from final
