with

placed as (
    select
        min(placed_on) as first_on,
        max(placed_on) as last_on
    from {{ ref('int_placement__service_region_days') }}
),

traffic as (
    select
        min(hour_starts_at) as first_hour_at,
        max(hour_starts_at) as last_hour_at
    from {{ ref('stg_raw__traffic_patterns') }}
),

-- A day counts once its last hour is there. The narrower of the two tables decides, so that one
-- row with a stray date cannot stretch the window.
bounded as (
    select
        greatest(placed.first_on, cast(traffic.first_hour_at as date)) as first_on,
        least(
            placed.last_on,
            case
                when extract(hour from traffic.last_hour_at) = 23
                    then cast(traffic.last_hour_at as date)
                else cast({{ dbt.dateadd('day', -1, 'traffic.last_hour_at') }} as date)
            end
        ) as last_on
    from placed
    cross join traffic
),

sized as (
    select
        first_on,
        last_on,
        {{ dbt.datediff('first_on', 'last_on', 'day') }} + 1 as days
    from bounded
),

final as (
    select
        first_on,
        last_on,
        days,
        -- Rounded down: a day used here is a training day for everybody downstream.
        cast(
            {{ dbt.dateadd('day', "cast(greatest(1, floor(days * " ~ var('train_share') ~ ")) as int) - 1", 'first_on') }}
            as date
        ) as train_through_on
    from sized
)

select * from final
