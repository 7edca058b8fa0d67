with

cuts as (
    select * from {{ ref('int_demand__cuts') }}
),

origin_days as (
    select * from {{ ref('int_demand__service_origin_days') }}
),

by_origin as (
    select
        origin_days.service_id,
        cuts.cut_on,
        origin_days.origin_id,
        cast(sum(origin_days.requests) as double) as requests
    from origin_days
    inner join cuts
        on origin_days.observed_on <= cuts.cut_on
        and origin_days.observed_on > {{ dbt.dateadd('day', -28, 'cuts.cut_on') }}
    group by
        origin_days.service_id,
        cuts.cut_on,
        origin_days.origin_id
),

totals as (
    select
        service_id,
        cut_on,
        cast(sum(cast(requests as decimal(38, 0))) as double) as requests
    from by_origin
    group by
        service_id,
        cut_on
),

final as (
    select
        by_origin.service_id,
        by_origin.cut_on,
        by_origin.origin_id,
        by_origin.requests / totals.requests as share
    from by_origin
    inner join totals
        on by_origin.service_id = totals.service_id
        and by_origin.cut_on = totals.cut_on
    where by_origin.requests > 0
)

select * from final
