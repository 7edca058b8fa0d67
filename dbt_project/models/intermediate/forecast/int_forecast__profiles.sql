{%- set shifts = [0, 1, 2, 3, 4] %}

with

cells as (
    select * from {{ ref('int_forecast__weekly_cells') }}
    where is_full_week
),

-- Half a week seen is the least that says something about its level.
week_means as (
    select
        service_id,
        origin_id,
        week_age,
        {{ exact_sum('rps') }} / count(*) as mean_rps
    from cells
    group by
        service_id,
        origin_id,
        week_age
    having count(*) >= 84
),

-- Shift 0 forecasts the future; shift k pretends that the last k weeks have not happened.
shifts as (
    {% for shift in shifts -%}
    select {{ shift }} as shift
    {%- if not loop.last %}
    union all
    {% endif -%}
    {% endfor %}
),

levels as (
    select
        week_means.service_id,
        week_means.origin_id,
        shifts.shift,
        count(*) as weeks,
        {{ exact_sum('power(' ~ var('forecast_decay') ~ ', week_means.week_age - shifts.shift) * week_means.mean_rps') }}
        / {{ exact_sum('power(' ~ var('forecast_decay') ~ ', week_means.week_age - shifts.shift)') }}
            as level_rps
    from week_means
    inner join shifts
        on week_means.week_age >= shifts.shift
        and week_means.week_age < shifts.shift + {{ var('forecast_weeks') }}
    group by
        week_means.service_id,
        week_means.origin_id,
        shifts.shift
    having count(*) >= {{ var('min_weeks_for_profile') }}
),

relative as (
    select
        cells.service_id,
        cells.origin_id,
        cells.week_age,
        cells.hour_of_week,
        cells.rps / nullif(week_means.mean_rps, 0) as ratio
    from cells
    inner join week_means
        on cells.service_id = week_means.service_id
        and cells.origin_id = week_means.origin_id
        and cells.week_age = week_means.week_age
),

shapes as (
    select
        relative.service_id,
        relative.origin_id,
        shifts.shift,
        relative.hour_of_week,
        median(relative.ratio) as ratio
    from relative
    inner join shifts
        on relative.week_age >= shifts.shift
        and relative.week_age < shifts.shift + {{ var('forecast_weeks') }}
    group by
        relative.service_id,
        relative.origin_id,
        shifts.shift,
        relative.hour_of_week
),

final as (
    select
        shapes.service_id,
        shapes.origin_id,
        shapes.shift,
        shapes.hour_of_week,
        coalesce(shapes.ratio, 0) * levels.level_rps as forecast_rps,
        levels.weeks
    from shapes
    inner join levels
        on shapes.service_id = levels.service_id
        and shapes.origin_id = levels.origin_id
        and shapes.shift = levels.shift
)

select * from final
