with

regions as (
    select * from {{ ref('int_network__places') }}
    where is_region
),

waited_calls as (
    select * from {{ ref('int_graph__calls') }}
    where not is_broken and not is_async
),

the_window as (
    select * from {{ ref('int_placement__window') }}
),

callees as (
    select estimates.*
    from {{ ref('int_latency__estimates') }} as estimates
    inner join the_window
        on estimates.placed_on = the_window.last_on
),

client_shares as (
    select shares.*
    from {{ ref('int_load__client_shares') }} as shares
    inner join the_window
        on shares.placed_on = the_window.last_on
),

-- Callees stay where they are: only the caller's region is a question.
waits as (
    select
        waited_calls.caller_service_id as service_id,
        regions.place_id as region_id,
        waited_calls.stage,
        waited_calls.callee_service_id,
        waited_calls.latency_factor * {{ exact_sum(
            'client_shares.share * (client_shares.rtt_ms + callees.internal_ms)'
        ) }} as full_ms,
        waited_calls.latency_factor * {{ exact_sum(
            'client_shares.share * (client_shares.rtt_ms + callees.dep_rtt_ms)'
        ) }} as rtt_ms
    from waited_calls
    cross join regions
    inner join client_shares
        on waited_calls.callee_service_id = client_shares.service_id
        and regions.place_id = client_shares.client_id
    inner join callees
        on client_shares.service_id = callees.service_id
        and client_shares.region_id = callees.region_id
    group by
        waited_calls.caller_service_id,
        regions.place_id,
        waited_calls.stage,
        waited_calls.callee_service_id,
        waited_calls.latency_factor
),

stages as (
    select
        service_id,
        region_id,
        stage,
        max(full_ms) as full_ms,
        max(rtt_ms) as rtt_ms
    from waits
    group by
        service_id,
        region_id,
        stage
),

final as (
    select
        service_id,
        region_id,
        {{ exact_sum('full_ms') }} as dep_full_ms,
        {{ exact_sum('rtt_ms') }} as dep_rtt_ms
    from stages
    group by
        service_id,
        region_id
)

select * from final
