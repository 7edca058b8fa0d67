with

calls as (
    select * from {{ ref('int_graph__calls') }}
    where not is_broken
),

services as (
    select * from {{ ref('int_graph__services') }}
),

final as (
    select
        calls.caller_service_id,
        calls.callee_service_id,
        calls.calls_per_request,
        calls.latency_factor,
        calls.stage,
        calls.is_async,
        cast(callers.layer as int) as caller_layer,
        cast(callees.layer as int) as callee_layer
    from calls
    inner join services as callers
        on calls.caller_service_id = callers.service_id
    inner join services as callees
        on calls.callee_service_id = callees.service_id
)

select * from final
