with

services as (
    select * from {{ ref('int_certificate__services') }}
    where slo_ms is not null
),

-- Only whom a rule protects: elsewhere the objective is a figure beside the plan.
asked as (
    select
        service_sets.plan_id,
        service_sets.service_id,
        service_sets.set_mask,
        latency.region_id,
        latency.bucket_number,
        latency.utilisation_above,
        latency.utilisation_up_to,
        latency.inside_ms,
        latency.log_sd,
        routes.routed_share * clients.mean_rps as served_rps,
        -- What the way leaves of the objective; without a prediction nobody waits.
        case
            when latency.residual_factor * latency.p95_hi_factor > 0
                then
                    services.slo_ms / (latency.residual_factor * latency.p95_hi_factor)
                    - latency.network_weight * routes.rtt_ms
            else 1e300
        end as left_ms
    from {{ ref('int_certificate__service_sets') }} as service_sets
    inner join services
        on service_sets.service_id = services.service_id
    inner join {{ ref('int_certificate__clients') }} as clients
        on service_sets.plan_id = clients.plan_id
        and service_sets.service_id = clients.service_id
    inner join {{ ref('int_certificate__routes') }} as routes
        on service_sets.set_mask = routes.set_mask
        and clients.client_id = routes.client_id
        and clients.is_caller = routes.is_caller
    inner join {{ ref('int_certificate__latency') }} as latency
        on service_sets.plan_id = latency.plan_id
        and service_sets.service_id = latency.service_id
        and routes.region_id = latency.region_id
),

-- A time inside is a lognormal; without a spread all requests take the mean.
judged as (
    select
        *,
        case
            when left_ms > 0 and inside_ms > 0 and log_sd > 0
                then ln(left_ms / inside_ms) / log_sd + log_sd / 2
            when left_ms > 0 and inside_ms <= left_ms then 40.0
            else -40.0
        end as z
    from asked
),

final as (
    select
        plan_id,
        service_id,
        set_mask,
        region_id,
        bucket_number,
        max(utilisation_above) as utilisation_above,
        max(utilisation_up_to) as utilisation_up_to,
        {{ exact_sum('served_rps * ' ~ normal_cdf('z'), 18) }} as within_slo_rps
    from judged
    group by
        plan_id,
        service_id,
        set_mask,
        region_id,
        bucket_number
)

select * from final
