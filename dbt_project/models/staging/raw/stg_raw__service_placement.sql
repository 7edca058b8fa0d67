select
    service_id,
    region_id,
    placed_on,
    instances,
    observed_ms,
    p95_ms,
    p99_ms,
    error_rate,
    requests_served,
    cpu_utilization,
    billed_usd
from {{ ref('stg_raw__service_placement__judged') }}
where rejected_rule is null
