-- A table: a dozen models and tests read it, and each would filter and derive anew.

with recursive

staged as (
    select * from {{ ref('stg_raw__traffic_patterns') }}
),

seen as (
    select distinct service_id from staged
),

edges as (
    select * from {{ ref('stg_raw__service_dependencies') }}
),

-- Paths from a service with known traffic through services without any. A path ends where
-- traffic is known again, so nothing is counted twice; the length bound ends cycles.
paths as (
    select
        edges.caller_service_id as source_service_id,
        edges.callee_service_id as service_id,
        edges.calls_per_request as multiplier,
        1 as path_length
    from edges
    inner join seen as known_callers
        on edges.caller_service_id = known_callers.service_id
    left join seen as known_callees
        on edges.callee_service_id = known_callees.service_id
    where known_callees.service_id is null

    union all

    select
        paths.source_service_id,
        edges.callee_service_id as service_id,
        paths.multiplier * edges.calls_per_request as multiplier,
        paths.path_length + 1 as path_length
    from paths
    inner join edges
        on paths.service_id = edges.caller_service_id
    left join seen as known_callees
        on edges.callee_service_id = known_callees.service_id
    where
        known_callees.service_id is null
        and paths.path_length < {{ var('max_layers') }}
),

multipliers as (
    select
        source_service_id,
        service_id,
        {{ exact_sum('multiplier', 12) }} as multiplier
    from paths
    group by
        source_service_id,
        service_id
),

derived as (
    select
        multipliers.service_id,
        staged.origin_id,
        staged.hour_starts_at,
        cast(round({{ exact_sum('staged.requests * multipliers.multiplier', 6) }}) as bigint)
            as requests,
        min(staged.traffic_source) as traffic_source
    from multipliers
    inner join staged
        on multipliers.source_service_id = staged.service_id
    group by
        multipliers.service_id,
        staged.origin_id,
        staged.hour_starts_at
),

combined as (
    select
        service_id,
        origin_id,
        hour_starts_at,
        requests,
        traffic_source,
        false as is_derived
    from staged

    union all

    select
        service_id,
        origin_id,
        hour_starts_at,
        requests,
        traffic_source,
        true as is_derived
    from derived
),

final as (
    select
        service_id,
        origin_id,
        hour_starts_at,
        cast(hour_starts_at as date) as observed_on,
        requests,
        traffic_source,
        is_derived
    from combined
)

select * from final
