with recursive

services as (
    select * from {{ ref('int_placement__services') }}
),

calls as (
    select * from {{ ref('int_graph__calls') }}
    where not is_broken
),

-- Longest chain of calls below a service: leaves are 0 and are evaluated first.
climbed as (
    select
        service_id,
        0 as level
    from services

    union

    select
        calls.caller_service_id as service_id,
        climbed.level + 1 as level
    from climbed
    inner join calls
        on climbed.service_id = calls.callee_service_id
),

descended as (
    select
        service_id,
        0 as level
    from services

    union

    select
        calls.callee_service_id as service_id,
        descended.level + 1 as level
    from descended
    inner join calls
        on descended.service_id = calls.caller_service_id
),

layers as (
    select
        service_id,
        max(level) as layer
    from climbed
    group by service_id
),

depths as (
    select
        service_id,
        max(level) as depth
    from descended
    group by service_id
),

outgoing as (
    select
        caller_service_id as service_id,
        count(*) as out_degree
    from calls
    group by caller_service_id
),

broken as (
    select
        caller_service_id as service_id,
        count(*) as broken_calls
    from {{ ref('int_graph__calls') }}
    where is_broken
    group by caller_service_id
),

incoming as (
    select
        callee_service_id as service_id,
        count(*) as in_degree
    from calls
    group by callee_service_id
),

final as (
    select
        services.service_id,
        layers.layer,
        depths.depth,
        coalesce(outgoing.out_degree, 0) as out_degree,
        coalesce(incoming.in_degree, 0) as in_degree,
        coalesce(broken.broken_calls, 0) as broken_calls,
        case
            when incoming.in_degree is null then 'entry'
            when outgoing.out_degree is null then 'leaf'
            else 'middle'
        end as service_class
    from services
    inner join layers
        on services.service_id = layers.service_id
    inner join depths
        on services.service_id = depths.service_id
    left join outgoing
        on services.service_id = outgoing.service_id
    left join incoming
        on services.service_id = incoming.service_id
    left join broken
        on services.service_id = broken.service_id
)

select * from final
