select
    service_id,
    origin_id,
    hour_starts_at,
    requests,
    traffic_source
from {{ ref('stg_raw__traffic_patterns__judged') }}
where rejected_rule is null
