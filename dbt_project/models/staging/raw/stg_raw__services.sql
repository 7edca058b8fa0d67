select
    service_id,
    service_name,
    team,
    cpu_cores,
    memory_mb,
    is_latency_critical,
    tier,
    slo_p95_ms,
    nominal_rps,
    nominal_dependencies,
    min_regions,
    max_regions,
    residency,
    is_stateful,
    state_gb,
    request_kb,
    response_kb
from {{ ref('stg_raw__services__judged') }}
where rejected_rule is null
