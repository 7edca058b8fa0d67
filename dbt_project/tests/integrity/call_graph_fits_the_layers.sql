-- What does it check? That no chain of calls is longer than the layers that are evaluated.
-- When does it matter? Services beyond the last layer would silently lose their estimates.
-- How is it resolved? Raise var max_layers and the literal lists in int_load__flows and
-- int_latency__estimates together.
select
    service_id,
    layer,
    depth
from {{ ref('int_graph__services') }}
where layer > {{ var('max_layers') }} or depth > {{ var('max_layers') }}
