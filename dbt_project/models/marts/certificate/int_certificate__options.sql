with

problem as (
    select * from {{ ref('int_certificate__problem') }}
),

services as (
    select * from {{ ref('int_certificate__services') }}
),

slots as (
    select * from {{ ref('int_certificate__slots') }}
),

sizes as (
    select * from {{ ref('int_certificate__slot_sizes') }}
),

-- One load decides how slow a region is on average, its peak whether the objective holds.
filled as (
    select
        sizes.plan_id,
        sizes.service_id,
        sizes.set_mask,
        sizes.is_loss_sized,
        sizes.step,
        sizes.set_size,
        sizes.instances,
        services.cpu_cores,
        slots.mean_rps,
        slots.egress_usd,
        regions.capacity_vcpu,
        regions.capacity_dual,
        sizes.instances * coalesce(
            services.cpu_cores * regions.vcpu_usd + services.memory_gb * regions.memory_usd, 0
        ) as compute_usd,
        latency.residual_factor
        * (latency.network_weight * slots.mean_rps_rtt + latency.inside_ms * slots.mean_rps)
            as waited_ms_rps,
        3600.0 * services.usd_per_request_ms * latency.residual_factor * (
            latency.network_weight * slots.awaited_rps_rtt + latency.inside_ms * slots.awaited_rps
        ) as waiting_usd,
        latency.residual_factor * (
            latency.network_weight * slots.callers_usd_per_ms_rtt
            + latency.inside_ms * slots.callers_usd_per_ms
        ) + slots.mean_rps * coalesce(onward.onward_usd_per_rps, 0) as others_usd,
        objectives.within_slo_rps
    from sizes
    inner join slots
        on sizes.plan_id = slots.plan_id
        and sizes.service_id = slots.service_id
        and sizes.set_mask = slots.set_mask
        and sizes.region_id = slots.region_id
    inner join services
        on sizes.service_id = services.service_id
    inner join {{ ref('int_certificate__regions') }} as regions
        on sizes.region_id = regions.region_id
    inner join {{ ref('int_certificate__latency') }} as latency
        on sizes.plan_id = latency.plan_id
        and sizes.service_id = latency.service_id
        and sizes.region_id = latency.region_id
        and slots.mean_rps / (sizes.full_rate_rps * sizes.instances) - 1e-9
        > latency.utilisation_above
        and slots.mean_rps / (sizes.full_rate_rps * sizes.instances) - 1e-9
        <= latency.utilisation_up_to
    left join {{ ref('int_certificate__slot_objectives') }} as objectives
        on sizes.plan_id = objectives.plan_id
        and sizes.service_id = objectives.service_id
        and sizes.set_mask = objectives.set_mask
        and sizes.region_id = objectives.region_id
        and slots.peak_rps / (sizes.full_rate_rps * sizes.instances) - 1e-9
        > objectives.utilisation_above
        and slots.peak_rps / (sizes.full_rate_rps * sizes.instances) - 1e-9
        <= objectives.utilisation_up_to
    left join {{ ref('stg_ml__placement_certificate_onward') }} as onward
        on sizes.plan_id = onward.plan_id
        and sizes.service_id = onward.service_id
        and sizes.region_id = onward.region_id
),

summed as (
    select
        plan_id,
        service_id,
        set_mask,
        is_loss_sized,
        step,
        set_size,
        {{ exact_sum('mean_rps', 15) }} as mean_rps,
        {{ exact_sum('compute_usd', 15) }} as compute_usd,
        {{ exact_sum('egress_usd', 15) }} as egress_usd,
        {{ exact_sum('waiting_usd', 15) }} as waiting_usd,
        {{ exact_sum('others_usd', 15) }} as others_usd,
        {{ exact_sum('waited_ms_rps', 15) }} as waited_ms_rps,
        {{ exact_sum('within_slo_rps', 15) }} as within_slo_rps,
        {{ exact_sum('instances * cpu_cores * capacity_dual', 15) }} as rent_usd,
        max(case when instances * cpu_cores > capacity_vcpu + 1e-9 then 1 else 0 end)
            as is_over_capacity
    from filled
    group by
        plan_id,
        service_id,
        set_mask,
        is_loss_sized,
        step,
        set_size
),

judged as (
    select
        summed.*,
        summed.waited_ms_rps / nullif(summed.mean_rps, 0) as mean_ms,
        case
            when summed.set_size = 1 and summed.mean_rps > 0 then 0.0
            else coalesce(losses.served_share, 1.0)
        end as served_share,
        services.slo_ms is null
        or summed.mean_rps = 0
        or summed.within_slo_rps / nullif(summed.mean_rps, 0) >= problem.slo_demand_share - 1e-9
            as is_slo_met
    from summed
    cross join problem
    inner join services
        on summed.service_id = services.service_id
    left join {{ ref('int_certificate__losses') }} as losses
        on summed.plan_id = losses.plan_id
        and summed.service_id = losses.service_id
        and summed.set_mask = losses.set_mask
        and summed.is_loss_sized = losses.is_loss_sized
        and summed.step = losses.step
),

final as (
    select
        plan_id,
        service_id,
        set_mask,
        is_loss_sized,
        step,
        set_size,
        mean_rps,
        compute_usd,
        egress_usd,
        waiting_usd,
        others_usd,
        mean_ms,
        served_share,
        rent_usd,
        is_slo_met,
        is_over_capacity = 1 as is_over_capacity,
        -- The first step that meets the objective; where none does, none is paid for.
        row_number() over (
            partition by plan_id, service_id, set_mask, is_loss_sized
            order by case when is_slo_met then step else step + 3 end
        ) = 1 as is_step_taken
    from judged
)

select * from final
