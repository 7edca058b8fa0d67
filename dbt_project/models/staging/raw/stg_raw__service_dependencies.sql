select
    caller_service_id,
    callee_service_id,
    calls_per_request,
    is_async,
    stage,
    serial_calls,
    request_kb,
    response_kb
from {{ ref('stg_raw__service_dependencies__judged') }}
where rejected_rule is null
