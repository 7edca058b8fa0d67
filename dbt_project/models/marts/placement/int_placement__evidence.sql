with

services as (
    select * from {{ ref('feat_placement__services') }}
),

activity as (
    select * from {{ ref('int_placement__service_region_days') }}
),

costs as (
    select * from {{ ref('int_cost__service_region_days') }}
),

regions as (
    select * from {{ ref('feat_placement__regions') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

-- A day that was still running when the data end is no evidence yet.
seen as (
    select
        activity.service_id,
        min(activity.placed_on) as evidence_first_on,
        max(activity.placed_on) as evidence_last_on,
        count(distinct activity.placed_on) as days_seen
    from activity
    cross join observation_window
    where activity.placed_on <= observation_window.last_on
    group by activity.service_id
),

-- What was paid over what the price book asks for the same instances: the company's discount.
billed as (
    select
        costs.service_id,
        sum(cast(costs.cost_usd as decimal(28, 6))) as billed_usd,
        sum(cast(
            24 * activity.instances * (
                services.cpu_cores * cast(regions.vcpu_hour_usd as double)
                + services.memory_gb * cast(regions.memory_gb_hour_usd as double)
            ) as decimal(28, 6)
        )) as book_usd
    from costs
    inner join activity
        on costs.service_id = activity.service_id
        and costs.region_id = activity.region_id
        and costs.placed_on = activity.placed_on
    inner join services
        on costs.service_id = services.service_id
    inner join regions
        on costs.region_id = regions.region_id
    where not costs.is_cost_from_price_book
    group by costs.service_id
),

final as (
    select
        services.service_id,
        observation_window.as_of_at,
        cast(coalesce(seen.days_seen, 0) as bigint) as lookback_days,
        coalesce(seen.evidence_first_on, observation_window.first_on) as evidence_first_on,
        coalesce(seen.evidence_last_on, observation_window.last_on) as evidence_last_on,
        -- A day is known when it is over: its evidence ends at the following midnight.
        cast(
            {{ dbt.datediff(
                'cast(coalesce(seen.evidence_last_on, observation_window.last_on) as timestamp)',
                'cast(observation_window.as_of_at as timestamp)',
                'hour',
            ) }} - 24 as double
        ) as data_age_hours,
        cast(billed.billed_usd as double) / nullif(cast(billed.book_usd as double), 0)
            as billed_over_book_ratio
    from services
    cross join observation_window
    left join seen
        on services.service_id = seen.service_id
    left join billed
        on services.service_id = billed.service_id
)

select * from final
