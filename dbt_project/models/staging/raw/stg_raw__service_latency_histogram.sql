select
    service_id,
    region_id,
    placed_on,
    upper_bound_ms,
    requests
from {{ ref('stg_raw__service_latency_histogram__judged') }}
where rejected_rule is null
