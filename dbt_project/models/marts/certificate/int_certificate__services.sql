with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

facts as (
    select * from {{ ref('feat_placement__services') }}
    where is_active
),

regions as (
    select * from {{ ref('int_certificate__regions') }}
),

parameters as (
    select * from {{ ref('stg_ml__placement_certificate_parameters') }}
),

judged as (
    select
        service_id,
        region_id,
        min(case when is_complete then 1 else 0 end) as is_complete,
        max(case when p95_hi_factor is null then 1 else 0 end) as lacks_p95
    from {{ ref('int_certificate__latency') }}
    group by
        service_id,
        region_id
),

region_flags as (
    select
        facts.service_id,
        regions.region_bit,
        judged.is_complete * judged.lacks_p95 as lacks_p95,
        coalesce(listed.is_allowed, false) and regions.is_usable and judged.is_complete = 1
            as is_open,
        coalesce(listed.is_current, false) as is_current
    from facts
    cross join regions
    inner join judged
        on facts.service_id = judged.service_id
        and regions.region_id = judged.region_id
    left join {{ ref('feat_placement__service_regions') }} as listed
        on facts.service_id = listed.service_id
        and regions.region_id = listed.region_id
),

masks as (
    select
        service_id,
        cast(sum(case when is_open then region_bit else 0 end) as bigint) as open_mask,
        cast(sum(case when is_current then region_bit else 0 end) as bigint) as current_mask,
        sum(case when is_current then 1 else 0 end) as current_regions,
        max(lacks_p95) as lacks_p95
    from region_flags
    group by service_id
),

-- Where today is unknown, home is the nearest region to its users, or the cheapest for want of any.
ways as (
    select
        clients.service_id,
        regions.region_id,
        {{ exact_sum('clients.mean_rps * coalesce(pairs.rtt_ms, 1000)', 18) }} as way
    from {{ ref('int_certificate__clients') }} as clients
    inner join problem
        on clients.plan_id = problem.plan_id
    cross join regions
    left join {{ ref('feat_placement__region_pairs') }} as pairs
        on clients.client_id = pairs.client_id
        and regions.region_id = pairs.region_id
    where not clients.is_caller and clients.mean_rps > 0
    group by
        clients.service_id,
        regions.region_id
),

nearest as (
    select
        masks.service_id,
        regions.region_bit,
        row_number() over (
            partition by masks.service_id
            order by
                case
                    when (masks.open_mask & regions.region_bit) = 0 then 1e300
                    else coalesce(ways.way, regions.vcpu_usd, 1e300)
                end,
                regions.region_number
        ) as nearness
    from masks
    cross join regions
    left join ways
        on masks.service_id = ways.service_id
        and regions.region_id = ways.region_id
    where masks.current_mask = 0
),

demand as (
    select
        clients.service_id,
        max(clients.mean_rps) as largest_rps
    from {{ ref('int_certificate__clients') }} as clients
    inner join problem
        on clients.plan_id = problem.plan_id
    group by clients.service_id
),

rules as (
    select
        facts.service_id,
        max(case when parameters.name = 'frozen_services' then 1 else 0 end) as is_frozen,
        max(case when parameters.name = 'held_services' then 1 else 0 end) as is_held,
        max(case when parameters.name = 'excused_services' then 1 else 0 end) as is_excused,
        max(case when tiers.name = 'loss_proof_tiers' then 1 else 0 end) as is_loss_proof,
        max(case when tiers.name = 'slo_tiers_hard' then 1 else 0 end) as is_slo_tier
    from facts
    cross join problem
    left join parameters
        on facts.service_id = parameters.scope
    left join parameters as tiers
        on cast(
            cast(coalesce(facts.tier, problem.default_tier) as bigint) as {{ dbt.type_string() }}
        ) = tiers.scope
    group by facts.service_id
),

final as (
    select
        facts.service_id,
        coalesce(facts.cpu_cores, 0) as cpu_cores,
        coalesce(facts.memory_gb, 0) as memory_gb,
        1000.0 * greatest(1.0, floor(facts.cpu_cores))
        / greatest(coalesce(facts.demand_ms, 1.0), 1e-3) as full_rate_rps,
        case
            when facts.is_latency_critical then problem.usd_per_request_ms_critical
            else problem.usd_per_request_ms_other
        end as usd_per_request_ms,
        case when facts.is_stateful then coalesce(facts.state_gb, 0.0) else 0.0 end as state_gb,
        case
            when masks.lacks_p95 = 1 then null
            when coalesce(facts.is_latency_critical, false) and problem.is_critical_slo_hard
                then facts.slo_p95_ms
            when rules.is_slo_tier = 1 then facts.slo_p95_ms
        end as slo_ms,
        coalesce(facts.min_regions, 1) as min_regions,
        coalesce(facts.max_regions, problem.regions) as max_regions,
        rules.is_loss_proof = 1 as is_loss_proof,
        rules.is_excused = 1 as is_excused,
        rules.is_held = 1
        or rules.is_frozen = 1
        or coalesce(demand.largest_rps, 0) <= 0 as is_staying,
        masks.open_mask,
        masks.current_mask,
        coalesce(nearest.region_bit, masks.current_mask) as home_mask,
        greatest(masks.current_regions, 1) as home_regions
    from facts
    cross join problem
    inner join masks
        on facts.service_id = masks.service_id
    inner join rules
        on facts.service_id = rules.service_id
    left join demand
        on facts.service_id = demand.service_id
    left join nearest
        on facts.service_id = nearest.service_id
        and nearest.nearness = 1
)

select * from final
