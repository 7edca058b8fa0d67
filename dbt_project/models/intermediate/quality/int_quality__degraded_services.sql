with

placed as (
    select
        service_id,
        count(distinct region_id) as regions_used
    from {{ ref('int_placement__service_region_days') }}
    group by service_id
),

demand as (
    select * from {{ ref('int_load__demand') }}
),

-- Cost of the window, not of days that no feature reads.
costs as (
    select
        cost_days.service_id,
        sum(case when cost_days.is_cost_from_price_book then 1 else 0 end) as book_days,
        count(*) as days
    from {{ ref('int_cost__service_region_days') }} as cost_days
    group by cost_days.service_id
),

entry_traffic as (
    select
        service_id,
        count(*) as entry_rows
    from {{ ref('int_demand__traffic_hours') }}
    where traffic_source = 'entry'
    group by service_id
),

final as (
    select
        'NO_PLACEMENT_VARIATION' as code,
        service_id,
        'never ran in more than one region: region effects rest on network figures alone' as detail
    from placed
    where regions_used < 2

    union all

    select
        'CPU_NOT_IDENTIFIABLE' as code,
        demand.service_id,
        'processor time per request is a prior: no training day had utilisation, load and requests'
            as detail
    from demand
    inner join placed
        on demand.service_id = placed.service_id
    where demand.demand_source = 'prior'

    union all

    select
        'COST_FROM_PRICE_BOOK' as code,
        service_id,
        concat(book_days, ' of ', days, ' region days carry no bill') as detail
    from costs
    where book_days > 0

    union all

    select
        'ENTRY_REGION_ONLY' as code,
        service_id,
        'only the region where requests arrived is known: placement shapes what is seen' as detail
    from entry_traffic
)

select * from final
