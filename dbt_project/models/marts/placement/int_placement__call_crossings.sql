{#- How often a call leaves its region in a plan, and what that costs: every caller region asks
    the callee's nearest one, as the optimiser assumes. -#}
with

calls as (
    select * from {{ ref('feat_placement__calls') }}
),

services as (
    select * from {{ ref('feat_placement__services') }}
),

plans as (
    select * from {{ ref('fct_plan_placements') }}
    where plan_kind in ('current', 'recommended')
),

pairs as (
    select * from {{ ref('feat_placement__region_pairs') }}
    where client_is_region
),

candidates as (
    select
        callers.plan_kind,
        calls.caller_service_id,
        calls.callee_service_id,
        callers.region_id as caller_region_id,
        callers.traffic_share as caller_share,
        callees.region_id as callee_region_id,
        pairs.rtt_ms,
        pairs.egress_usd_per_gb as egress_back_usd_per_gb,
        row_number() over (
            partition by
                callers.plan_kind, calls.caller_service_id, calls.callee_service_id,
                callers.region_id
            order by pairs.rtt_ms, callees.region_id
        ) as nearness
    from calls
    inner join plans as callers
        on calls.caller_service_id = callers.service_id
    inner join plans as callees
        on calls.callee_service_id = callees.service_id
        and callers.plan_kind = callees.plan_kind
    inner join pairs
        on callers.region_id = pairs.client_id
        and callees.region_id = pairs.region_id
),

-- The way there is priced from the caller's region, the way back from the callee's.
routed as (
    select
        candidates.*,
        pairs.egress_usd_per_gb as egress_there_usd_per_gb,
        cast(
            case
                when candidates.caller_region_id = candidates.callee_region_id then 0
                else candidates.caller_share
            end as decimal(28, 9)
        ) as leaving_share
    from candidates
    inner join pairs
        on candidates.callee_region_id = pairs.client_id
        and candidates.caller_region_id = pairs.region_id
    where candidates.nearness = 1
),

final as (
    select
        routed.plan_kind,
        routed.caller_service_id,
        routed.callee_service_id,
        least(1.0, cast(sum(routed.leaving_share) as double)) as cross_region_share,
        cast(sum(cast(routed.caller_share * routed.rtt_ms as decimal(28, 9))) as double)
        / nullif(cast(sum(cast(routed.caller_share as decimal(28, 9))) as double), 0)
            as mean_rtt_ms,
        cast(sum(cast(
            routed.caller_share * services.mean_rps * calls.calls_per_request
            * 3600 * {{ var('hours_per_month') }} * 0.000001
            * (
                coalesce(calls.request_kb, 0) * cast(routed.egress_there_usd_per_gb as double)
                + coalesce(calls.response_kb, 0) * cast(routed.egress_back_usd_per_gb as double)
            ) as decimal(28, 6)
        )) as decimal(18, 6)) as monthly_transfer_usd
    from routed
    inner join calls
        on routed.caller_service_id = calls.caller_service_id
        and routed.callee_service_id = calls.callee_service_id
    inner join services
        on routed.caller_service_id = services.service_id
    group by routed.plan_kind, routed.caller_service_id, routed.callee_service_id
)

select * from final
