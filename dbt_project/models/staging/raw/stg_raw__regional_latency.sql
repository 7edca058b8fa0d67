select
    client_id,
    region_id,
    observed_at,
    rtt_ms,
    p95_rtt_ms,
    samples,
    rtt_source
from {{ ref('stg_raw__regional_latency__judged') }}
where rejected_rule is null
