select
    caller_service_id,
    callee_service_id,
    calls_per_request,
    latency_factor,
    stage,
    is_async,
    request_kb,
    response_kb,
    is_broken
from {{ ref('int_graph__calls') }}
