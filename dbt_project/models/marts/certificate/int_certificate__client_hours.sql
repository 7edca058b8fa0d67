with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

demand as (
    select own.*
    from {{ ref('feat_placement__own_demand') }} as own
    inner join {{ ref('feat_placement__services') }} as services
        on own.service_id = services.service_id
    where services.is_active
),

hours as (
    select distinct hour_of_week from demand
),

-- Too many hours are merged by their maximum, never by their mean: no peak is understated.
bins as (
    select
        hours.hour_of_week,
        cast(
            floor((row_number() over (order by hours.hour_of_week) - 1) / problem.hours_per_bin)
            as bigint
        ) as hour_bin
    from hours
    cross join problem
),

every_bin as (
    select distinct hour_bin from bins
),

plans as (
    select plan_id from problem
    union all
    select current_plan_id as plan_id from problem
),

users as (
    select
        demand.service_id,
        demand.origin_id,
        bins.hour_bin,
        max(greatest(coalesce(demand.q95_rps, 0), coalesce(demand.mean_rps, 0))) as peak_rps
    from demand
    inner join bins
        on demand.hour_of_week = bins.hour_of_week
    group by
        demand.service_id,
        demand.origin_id,
        bins.hour_bin
),

asked as (
    select
        plans.plan_id,
        users.service_id,
        users.origin_id as client_id,
        false as is_caller,
        users.hour_bin,
        users.peak_rps
    from users
    cross join plans

    union all

    select
        callers.plan_id,
        callers.service_id,
        callers.region_id as client_id,
        true as is_caller,
        callers.hour_bin,
        callers.peak_rps
    from {{ ref('stg_ml__placement_certificate_client_hours') }} as callers
    inner join plans
        on callers.plan_id = plans.plan_id
),

clients as (
    select
        plan_id,
        service_id,
        client_id,
        is_caller
    from asked
    group by
        plan_id,
        service_id,
        client_id,
        is_caller
),

filled as (
    select
        clients.plan_id,
        clients.service_id,
        clients.client_id,
        clients.is_caller,
        every_bin.hour_bin,
        -- The same hour of another day is the likeliest to ask for more everywhere.
        mod(every_bin.hour_bin, 24) as hour_of_day,
        coalesce(asked.peak_rps, 0) as peak_rps
    from clients
    cross join every_bin
    left join asked
        on clients.plan_id = asked.plan_id
        and clients.service_id = asked.service_id
        and clients.client_id = asked.client_id
        and clients.is_caller = asked.is_caller
        and every_bin.hour_bin = asked.hour_bin
),

compared as (
    select
        one.plan_id,
        one.service_id,
        one.hour_bin,
        other.hour_bin as other_bin,
        max(case when one.peak_rps > other.peak_rps then 1 else 0 end) as is_above_somewhere,
        max(case when one.peak_rps < other.peak_rps then 1 else 0 end) as is_below_somewhere
    from filled as one
    inner join filled as other
        on one.plan_id = other.plan_id
        and one.service_id = other.service_id
        and one.client_id = other.client_id
        and one.is_caller = other.is_caller
        and one.hour_of_day = other.hour_of_day
    where one.hour_bin <> other.hour_bin
    group by
        one.plan_id,
        one.service_id,
        one.hour_bin,
        other.hour_bin
),

-- Every load is a sum over clients with shares that are not negative: where another hour asks for
-- no less of any client, this one is nobody's peak. Of equal hours the first stays.
never_peaks as (
    select distinct
        plan_id,
        service_id,
        hour_bin
    from compared
    where is_above_somewhere = 0 and (is_below_somewhere = 1 or other_bin < hour_bin)
),

final as (
    select
        filled.plan_id,
        filled.service_id,
        filled.client_id,
        filled.is_caller,
        filled.hour_bin,
        filled.peak_rps,
        never_peaks.hour_bin is null as can_be_a_peak
    from filled
    left join never_peaks
        on filled.plan_id = never_peaks.plan_id
        and filled.service_id = never_peaks.service_id
        and filled.hour_bin = never_peaks.hour_bin
)

select * from final
