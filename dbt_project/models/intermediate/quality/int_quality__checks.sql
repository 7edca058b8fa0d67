with

origin_hours as (
    select * from {{ ref('int_quality__origin_hours') }}
),

services as (
    select * from {{ ref('int_placement__services') }}
),

graph as (
    select * from {{ ref('int_graph__services') }}
),

demand as (
    select * from {{ ref('int_demand__services') }}
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

-- The first and last day may be part days; between them every origin should have every hour.
incomplete_days as (
    select
        origin_hours.origin_id,
        origin_hours.observed_on,
        24 - count(*) as missing_hours
    from origin_hours
    cross join the_window
    where origin_hours.observed_on > the_window.first_on
    group by
        origin_hours.origin_id,
        origin_hours.observed_on
    having count(*) < 24
),

day_totals as (
    select
        origin_id,
        observed_on,
        sum(requests) as requests
    from origin_hours
    group by
        origin_id,
        observed_on
    having count(*) = 24 and sum(requests) > 0
),

shapes as (
    select
        origin_hours.origin_id,
        origin_hours.observed_on,
        origin_hours.hour_of_day,
        -- Weekends have a shape of their own.
        {{ hour_of_week('origin_hours.observed_on', 'cast(origin_hours.observed_on as timestamp)') }} >= 120 as is_weekend,
        cast(origin_hours.requests as double) / day_totals.requests as share
    from origin_hours
    inner join day_totals
        on origin_hours.origin_id = day_totals.origin_id
        and origin_hours.observed_on = day_totals.observed_on
),

usual as (
    select
        origin_id,
        is_weekend,
        hour_of_day,
        median(share) as share
    from shapes
    group by
        origin_id,
        is_weekend,
        hour_of_day
),

-- A clock that ran an hour early or late: the day fits its neighbours better once turned.
compared as (
    select
        shapes.origin_id,
        shapes.observed_on,
        {{ exact_sum('abs(shapes.share - same_hour.share)') }} as error_now,
        {{ exact_sum('abs(shapes.share - hour_before.share)') }} as error_if_early,
        {{ exact_sum('abs(shapes.share - hour_after.share)') }} as error_if_late
    from shapes
    inner join usual as same_hour
        on shapes.origin_id = same_hour.origin_id
        and shapes.is_weekend = same_hour.is_weekend
        and shapes.hour_of_day = same_hour.hour_of_day
    inner join usual as hour_before
        on shapes.origin_id = hour_before.origin_id
        and shapes.is_weekend = hour_before.is_weekend
        and mod(shapes.hour_of_day + 23, 24) = hour_before.hour_of_day
    inner join usual as hour_after
        on shapes.origin_id = hour_after.origin_id
        and shapes.is_weekend = hour_after.is_weekend
        and mod(shapes.hour_of_day + 1, 24) = hour_after.hour_of_day
    group by
        shapes.origin_id,
        shapes.observed_on
),

final as (
    select
        'MISSING_HOURS' as check_id,
        concat('origin:', origin_id) as scope,
        observed_on,
        concat(missing_hours, ' hours of the day have no traffic row of any service') as detail
    from incomplete_days

    union all

    select
        'SHIFTED_HOURS' as check_id,
        concat('origin:', origin_id) as scope,
        observed_on,
        concat(
            'the day fits its usual shape better when moved by an hour: ',
            case when error_if_early < error_if_late then 'clock an hour ahead' else 'clock an hour behind' end
        ) as detail
    from compared
    where least(error_if_early, error_if_late) < {{ var('shift_error_ratio') }} * error_now

    union all

    select
        'NOMINAL_LOAD_DIFFERS' as check_id,
        concat('service:', services.service_id) as scope,
        cast(null as date) as observed_on,
        concat(
            'stated ', cast(round(services.nominal_rps, 2) as {{ dbt.type_string() }}),
            ' requests/s, measured ', cast(round(demand.mean_rps, 2) as {{ dbt.type_string() }})
        ) as detail
    from services
    inner join demand
        on services.service_id = demand.service_id
    where
        services.nominal_rps > 2 * demand.mean_rps
        or services.nominal_rps < 0.5 * demand.mean_rps

    union all

    select
        'NOMINAL_DEPENDENCIES_DIFFER' as check_id,
        concat('service:', services.service_id) as scope,
        cast(null as date) as observed_on,
        concat(
            'stated ', services.nominal_dependencies, ' called services, the graph has ',
            graph.out_degree + graph.broken_calls
        ) as detail
    from services
    inner join graph
        on services.service_id = graph.service_id
    where services.nominal_dependencies <> graph.out_degree + graph.broken_calls
)

select * from final
