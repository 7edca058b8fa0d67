with

calls as (
    select * from {{ ref('feat_placement__calls') }}
),

services as (
    select * from {{ ref('feat_placement__services') }}
),

crossings as (
    select * from {{ ref('int_placement__call_crossings') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

final as (
    select
        calls.caller_service_id,
        calls.callee_service_id,
        calls.calls_per_request,
        calls.latency_factor,
        cast(calls.stage as bigint) as stage,  -- noqa: RF04
        calls.is_async,
        calls.is_broken,
        calls.request_kb,
        calls.response_kb,
        services.mean_rps * calls.calls_per_request as calls_rps,
        today.cross_region_share as cross_region_share_before,
        planned.cross_region_share as cross_region_share_after,
        today.mean_rtt_ms as mean_rtt_before_ms,
        planned.mean_rtt_ms as mean_rtt_after_ms,
        today.monthly_transfer_usd as monthly_transfer_before_usd,
        planned.monthly_transfer_usd as monthly_transfer_after_usd,
        observation_window.as_of_at as as_of
    from calls
    inner join services
        on calls.caller_service_id = services.service_id
    cross join observation_window
    left join crossings as today
        on calls.caller_service_id = today.caller_service_id
        and calls.callee_service_id = today.callee_service_id
        and today.plan_kind = 'current'
    left join crossings as planned
        on calls.caller_service_id = planned.caller_service_id
        and calls.callee_service_id = planned.callee_service_id
        and planned.plan_kind = 'recommended'
)

select * from final
