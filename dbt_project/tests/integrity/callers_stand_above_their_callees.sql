-- What does it check? That along every unbroken call the caller's layer is above the callee's.
-- When does it matter? Otherwise a caller is evaluated before what it waits for.
-- How is it resolved? A cycle was left in the graph: see is_broken in int_graph__calls.
select
    caller_service_id,
    callee_service_id,
    caller_layer,
    callee_layer
from {{ ref('feat_latency__dependencies') }}
where caller_layer <= callee_layer
