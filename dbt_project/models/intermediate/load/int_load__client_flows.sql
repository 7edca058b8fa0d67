with

own_days as (
    select * from {{ ref('int_demand__own_days') }}
    where own_requests > 0
),

client_shares as (
    select * from {{ ref('int_load__client_shares') }}
),

flows as (
    select * from {{ ref('int_load__flows') }}
),

calls as (
    select * from {{ ref('int_graph__calls') }}
    where not is_broken
),

region_days as (
    select
        service_id,
        region_id,
        placed_on,
        {{ exact_sum('requests', 6) }} as requests
    from flows
    group by
        service_id,
        region_id,
        placed_on
),

calling as (
    select
        calls.callee_service_id as service_id,
        region_days.region_id as client_id,
        region_days.placed_on,
        {{ exact_sum('region_days.requests * calls.calls_per_request', 6) }} as requests
    from calls
    inner join region_days
        on calls.caller_service_id = region_days.service_id
    group by
        calls.callee_service_id,
        region_days.region_id,
        region_days.placed_on
),

arriving as (
    select
        service_id,
        origin_id as client_id,
        true as is_user,
        observed_on as placed_on,
        own_requests as requests
    from own_days

    union all

    select
        service_id,
        client_id,
        false as is_user,
        placed_on,
        requests
    from calling
),

routed as (
    select
        arriving.service_id,
        arriving.client_id,
        arriving.is_user,
        client_shares.region_id,
        arriving.placed_on,
        arriving.requests * client_shares.share as requests,
        client_shares.rtt_ms
    from arriving
    inner join client_shares
        on arriving.service_id = client_shares.service_id
        and arriving.client_id = client_shares.client_id
        and arriving.placed_on = client_shares.placed_on
),

totals as (
    select
        service_id,
        region_id,
        placed_on,
        {{ exact_sum('requests', 6) }} as requests
    from routed
    group by
        service_id,
        region_id,
        placed_on
),

final as (
    select
        routed.service_id,
        routed.client_id,
        routed.is_user,
        routed.region_id,
        routed.placed_on,
        routed.requests,
        routed.requests / totals.requests as share,
        routed.rtt_ms
    from routed
    inner join totals
        on routed.service_id = totals.service_id
        and routed.region_id = totals.region_id
        and routed.placed_on = totals.placed_on
    where totals.requests > 0 and routed.requests > 0
)

select * from final
