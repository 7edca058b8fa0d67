with

services as (
    select * from {{ ref('int_certificate__services') }}
    where slo_ms is not null
),

-- Only whom a rule protects: elsewhere the objective is a figure beside the plan.
final as (
    select
        service_sets.plan_id,
        service_sets.service_id,
        service_sets.set_mask,
        latency.region_id,
        latency.bucket_number,
        max(latency.utilisation_above) as utilisation_above,
        max(latency.utilisation_up_to) as utilisation_up_to,
        {{ exact_sum(
            'case when (latency.network_weight * routes.rtt_ms + latency.inside_p95_ms)'
            ~ ' * (latency.residual_factor * latency.p95_hi_factor) <= services.slo_ms'
            ~ ' then routes.routed_share * clients.mean_rps else 0 end', 18) }} as within_slo_rps
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
    group by
        service_sets.plan_id,
        service_sets.service_id,
        service_sets.set_mask,
        latency.region_id,
        latency.bucket_number
)

select * from final
