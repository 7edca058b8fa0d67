with recursive

edges as (
    select * from {{ ref('stg_raw__service_dependencies') }}
),

caller_demand as (
    select
        service_id,
        cast(sum(requests) as double) / nullif(count(distinct hour_starts_at), 0) / 3600 as mean_rps
    from {{ ref('int_demand__traffic_hours') }}
    group by service_id
),

weighed as (
    select
        edges.*,
        edges.calls_per_request * coalesce(caller_demand.mean_rps, 0) as calls_rps
    from edges
    left join caller_demand
        on edges.caller_service_id = caller_demand.service_id
),

ranked as (
    select
        caller_service_id,
        callee_service_id,
        calls_rps,
        row_number() over (
            order by calls_rps, calls_per_request, caller_service_id, callee_service_id
        ) as weight_rank
    from weighed
),

-- From each edge's callee, everything that edges heavier than it reach.
heavier_paths as (
    select
        weight_rank as edge_rank,
        callee_service_id as reached_service_id
    from ranked

    union

    select
        heavier_paths.edge_rank,
        ranked.callee_service_id as reached_service_id
    from heavier_paths
    inner join ranked
        on heavier_paths.reached_service_id = ranked.caller_service_id
        and heavier_paths.edge_rank < ranked.weight_rank
),

-- Back at its own caller: the edge is the lightest of a cycle. Every cycle has one such edge, so
-- without them the graph has no cycle left, whatever order anybody looks in.
broken as (
    select distinct ranked.weight_rank
    from ranked
    inner join heavier_paths
        on ranked.weight_rank = heavier_paths.edge_rank
        and ranked.caller_service_id = heavier_paths.reached_service_id
),

final as (
    select
        weighed.caller_service_id,
        weighed.callee_service_id,
        weighed.calls_per_request,
        -- Traced sequential round trips win; else repeated calls are mostly pipelined.
        coalesce(
            weighed.serial_calls,
            case
                when weighed.calls_per_request < 1 then weighed.calls_per_request
                else 1 + 0.15 * (weighed.calls_per_request - 1)
            end
        ) as latency_factor,
        coalesce(weighed.stage, 0) as stage,
        weighed.is_async,
        weighed.request_kb,
        weighed.response_kb,
        weighed.calls_rps,
        broken.weight_rank is not null as is_broken
    from weighed
    inner join ranked
        on weighed.caller_service_id = ranked.caller_service_id
        and weighed.callee_service_id = ranked.callee_service_id
    left join broken
        on ranked.weight_rank = broken.weight_rank
)

select * from final
