with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

chosen as (
    select
        plans.plan_id,
        plans.service_id,
        plans.set_mask,
        options.is_loss_sized,
        options.step
    from {{ ref('int_certificate__plans') }} as plans
    cross join problem
    inner join {{ ref('int_certificate__options') }} as options
        on plans.plan_id = options.plan_id
        and plans.service_id = options.service_id
        and plans.set_mask = options.set_mask
        and plans.is_loss_sized = options.is_loss_sized
    where plans.is_chosen and options.is_step_taken
),

slots as (
    select
        slots.*,
        sizes.instances,
        latency.residual_factor,
        latency.network_weight,
        latency.inside_ms,
        latency.inside_variance_ms2,
        cast(
            sum(cast(slots.mean_rps as decimal(38, 15))) over (
                partition by slots.plan_id, slots.service_id
            ) as double
        ) as service_rps,
        cast(
            sum(cast(sizes.instances as bigint)) over (
                partition by slots.plan_id, slots.service_id
            ) as double
        ) as all_instances
    from chosen
    inner join {{ ref('int_certificate__slot_sizes') }} as sizes
        on chosen.plan_id = sizes.plan_id
        and chosen.service_id = sizes.service_id
        and chosen.set_mask = sizes.set_mask
        and chosen.is_loss_sized = sizes.is_loss_sized
        and chosen.step = sizes.step
    inner join {{ ref('int_certificate__slots') }} as slots
        on sizes.plan_id = slots.plan_id
        and sizes.service_id = slots.service_id
        and sizes.set_mask = slots.set_mask
        and sizes.region_id = slots.region_id
    inner join {{ ref('int_certificate__latency') }} as latency
        on slots.plan_id = latency.plan_id
        and slots.service_id = latency.service_id
        and slots.region_id = latency.region_id
        and slots.mean_rps / (sizes.full_rate_rps * sizes.instances) - 1e-9
        > latency.utilisation_above
        and slots.mean_rps / (sizes.full_rate_rps * sizes.instances) - 1e-9
        <= latency.utilisation_up_to
),

-- One region's answers to a caller in each region.
answers as (
    select
        slots.plan_id,
        slots.service_id,
        routes.client_id as region_id,
        routes.routed_share,
        slots.residual_factor * (slots.network_weight * routes.rtt_ms + slots.inside_ms) as took_ms,
        slots.residual_factor * slots.residual_factor * slots.inside_variance_ms2 as variance_ms2
    from slots
    inner join {{ ref('int_certificate__routes') }} as routes
        on slots.set_mask = routes.set_mask
        and slots.region_id = routes.region_id
        and routes.is_caller
),

means as (
    select
        plan_id,
        service_id,
        region_id,
        {{ exact_sum('routed_share * took_ms', 15) }} as answer_ms
    from answers
    group by
        plan_id,
        service_id,
        region_id
),

-- Regions differ in how long they take, and each answer varies around its region's mean.
times as (
    select
        means.plan_id,
        means.service_id,
        means.region_id,
        max(means.answer_ms) as answer_ms,
        {{ exact_sum('answers.routed_share * (answers.variance_ms2'
            ~ ' + (answers.took_ms - means.answer_ms) * (answers.took_ms - means.answer_ms))', 15) }}
            as answer_variance_ms2
    from means
    inner join answers
        on means.plan_id = answers.plan_id
        and means.service_id = answers.service_id
        and means.region_id = answers.region_id
    group by
        means.plan_id,
        means.service_id,
        means.region_id
),

-- One answer of a service to a caller in each region, and what it pays and leads to.
final as (
    select
        slots.plan_id,
        slots.service_id,
        routes.client_id as region_id,
        max(times.answer_ms) as answer_ms,
        max(times.answer_variance_ms2) as answer_variance_ms2,
        max(
            case
                when routes.client_id = slots.region_id
                    then
                        slots.residual_factor * (
                            3600.0 * services.usd_per_request_ms * slots.awaited_rps
                            + slots.callers_usd_per_ms
                        )
            end
        ) as waiting_usd_per_ms,
        {{ exact_sum('routes.routed_share * coalesce(sent.egress_usd_per_gb, 0)', 15) }}
            as sent_usd_per_gb,
        {{ exact_sum('routes.routed_share * coalesce(returned.egress_usd_per_gb, 0)', 15) }}
            as returned_usd_per_gb,
        {{ exact_sum('routes.routed_share * (coalesce(onward.onward_usd_per_rps, 0)'
            ~ ' + coalesce(services.cpu_cores * regions.vcpu_usd'
            ~ ' + services.memory_gb * regions.memory_usd, 0) * slots.all_instances'
            ~ ' / case when slots.service_rps > 0 then slots.service_rps else 1.0 end)', 15) }}
            as served_usd_per_rps
    from slots
    inner join {{ ref('int_certificate__services') }} as services
        on slots.service_id = services.service_id
    inner join {{ ref('int_certificate__regions') }} as regions
        on slots.region_id = regions.region_id
    inner join {{ ref('int_certificate__routes') }} as routes
        on slots.set_mask = routes.set_mask
        and slots.region_id = routes.region_id
        and routes.is_caller
    inner join times
        on slots.plan_id = times.plan_id
        and slots.service_id = times.service_id
        and routes.client_id = times.region_id
    left join {{ ref('feat_placement__region_pairs') }} as sent
        on routes.client_id = sent.region_id
        and slots.region_id = sent.client_id
        and sent.client_is_region
    left join {{ ref('feat_placement__region_pairs') }} as returned
        on slots.region_id = returned.region_id
        and routes.client_id = returned.client_id
        and returned.client_is_region
    left join {{ ref('stg_ml__placement_certificate_onward') }} as onward
        on slots.plan_id = onward.plan_id
        and slots.service_id = onward.service_id
        and slots.region_id = onward.region_id
    group by
        slots.plan_id,
        slots.service_id,
        routes.client_id
)

select * from final
