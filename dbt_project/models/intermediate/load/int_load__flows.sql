{%- set depths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] %}

with

own_days as (
    select * from {{ ref('int_demand__own_days') }}
    where own_requests > 0
),

client_shares as (
    select * from {{ ref('int_load__client_shares') }}
),

calls as (
    select * from {{ ref('int_graph__calls') }}
    where not is_broken
),

depths as (
    select
        service_id,
        depth
    from {{ ref('int_graph__services') }}
),

-- Users reach the regions of the day directly.
from_users as (
    select
        own_days.service_id,
        own_days.origin_id,
        client_shares.region_id,
        own_days.observed_on as placed_on,
        own_days.own_requests * client_shares.share as requests
    from own_days
    inner join client_shares
        on own_days.service_id = client_shares.service_id
        and own_days.origin_id = client_shares.client_id
        and own_days.observed_on = client_shares.placed_on
),

routed_calls as (
    select
        calls.caller_service_id,
        calls.callee_service_id,
        calls.calls_per_request,
        depths.depth as callee_depth,
        client_shares.client_id as caller_region_id,
        client_shares.region_id,
        client_shares.placed_on,
        client_shares.share
    from calls
    inner join depths
        on calls.callee_service_id = depths.service_id
    inner join client_shares
        on calls.callee_service_id = client_shares.service_id
    inner join {{ ref('int_placement__service_region_days') }} as callers
        on calls.caller_service_id = callers.service_id
        and client_shares.client_id = callers.region_id
        and client_shares.placed_on = callers.placed_on
),

-- Callers before callees: where a call starts must be known before where it lands.
{% for depth in depths -%}
depth_{{ depth }} as (
    select
        arriving.service_id,
        arriving.origin_id,
        arriving.region_id,
        arriving.placed_on,
        {{ exact_sum('arriving.requests', 6) }} as requests
    from (
        select from_users.*
        from from_users
        inner join depths
            on from_users.service_id = depths.service_id
            and depths.depth = {{ depth }}
        {%- if not loop.first %}

        union all

        select
            routed_calls.callee_service_id as service_id,
            callers.origin_id,
            routed_calls.region_id,
            routed_calls.placed_on,
            callers.requests * routed_calls.calls_per_request * routed_calls.share as requests
        from depths_above_{{ depth }} as callers
        inner join routed_calls
            on callers.service_id = routed_calls.caller_service_id
            and callers.region_id = routed_calls.caller_region_id
            and callers.placed_on = routed_calls.placed_on
            and routed_calls.callee_depth = {{ depth }}
        {%- endif %}
    ) as arriving
    group by
        arriving.service_id,
        arriving.origin_id,
        arriving.region_id,
        arriving.placed_on
),

depths_above_{{ depth + 1 }} as (
    {% if not loop.first -%}
    select * from depths_above_{{ depth }}

    union all

    {% endif -%}
    select * from depth_{{ depth }}
),

{% endfor -%}
final as (
    select
        service_id,
        origin_id,
        region_id,
        placed_on,
        requests
    from depths_above_{{ depths[-1] + 1 }}
)

select * from final
