with

dayparts as (
    select * from {{ ref('feat_demand__service_origin_dayparts') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

services as (
    select * from {{ ref('feat_placement__services') }}
),

-- Seven-day blocks counted back from the last complete day, so that the newest week is whole.
dated as (
    select
        dayparts.*,
        cast(floor(
            {{ dbt.datediff('dayparts.observed_on', 'observation_window.last_on', 'day') }}
            / 7.0
        ) as bigint) as weeks_ago
    from dayparts
    cross join observation_window
    where dayparts.observed_on <= observation_window.last_on
),

weeks as (
    select
        dayparts.service_id,
        dayparts.weeks_ago,
        count(distinct dayparts.observed_on) as days_seen,
        sum(cast(dayparts.mean_rps as decimal(28, 6))) as demand
    from dated as dayparts
    group by dayparts.service_id, dayparts.weeks_ago
),

-- A week in which the service was born or retired says nothing about its ordinary changes.
whole_weeks as (
    select * from weeks
    where days_seen = 7 and demand > 0
),

weekly_changes as (
    select
        newer.service_id,
        cast(abs(ln(cast(newer.demand as double) / cast(older.demand as double))) as decimal(18, 9))
            as log_change
    from whole_weeks as newer
    inner join whole_weeks as older
        on newer.service_id = older.service_id
        and newer.weeks_ago + 1 = older.weeks_ago
),

by_service as (
    select
        service_id,
        count(*) as weeks_compared,
        cast(sum(log_change) as double) / count(*) as mean_log_change
    from weekly_changes
    group by service_id
),

fleet as (
    select
        count(*) as weeks_compared,
        case when count(*) > 0 then cast(sum(log_change) as double) / count(*) end
            as mean_log_change
    from weekly_changes
),

final as (
    select
        services.service_id,
        coalesce(by_service.weeks_compared, 0) as weeks_compared,
        -- Fewer than three comparisons of its own: the service borrows the fleet's.
        case
            when by_service.weeks_compared >= 3 then by_service.mean_log_change
            else fleet.mean_log_change
        end as mean_log_change
    from services
    cross join fleet
    left join by_service
        on services.service_id = by_service.service_id
)

select * from final
