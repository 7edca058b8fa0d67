select
    service_id,
    client_id,
    is_user,
    region_id,
    placed_on,
    share,
    rtt_ms
from {{ ref('int_load__client_flows') }}
