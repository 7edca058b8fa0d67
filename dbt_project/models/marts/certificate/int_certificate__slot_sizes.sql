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

-- Losing a region leaves a smaller set, whose loads are known already.
losses as (
    select
        kept.plan_id,
        kept.service_id,
        kept.set_mask,
        kept.region_id,
        max(remaining.peak_rps) as worst_peak_rps
    from slots as kept
    inner join {{ ref('int_certificate__set_regions') }} as lost
        on kept.set_mask = lost.set_mask
    inner join slots as remaining
        on kept.plan_id = remaining.plan_id
        and kept.service_id = remaining.service_id
        and kept.region_id = remaining.region_id
        and lost.set_mask - lost.region_bit = remaining.set_mask
    where kept.region_id <> lost.region_id
    group by
        kept.plan_id,
        kept.service_id,
        kept.set_mask,
        kept.region_id
),

-- 1e-9 absorbs the last bits of a sum before rounding up, where one bit would cost an instance.
least as (
    select
        slots.*,
        services.full_rate_rps,
        services.slo_ms,
        greatest(
            problem.min_instances,
            ceil(slots.peak_rps / (services.full_rate_rps * problem.utilisation_target) - 1e-9)
        ) as least_instances,
        ceil(
            coalesce(losses.worst_peak_rps, 0)
            / (services.full_rate_rps * problem.utilisation_after_loss) - 1e-9
        ) as loss_instances
    from slots
    cross join problem
    inner join services
        on slots.service_id = services.service_id
    left join losses
        on slots.plan_id = losses.plan_id
        and slots.service_id = losses.service_id
        and slots.set_mask = losses.set_mask
        and slots.region_id = losses.region_id
),

-- Up to two steps more, where a quieter region answers soon enough.
steps as (
    select 0 as step
    union all
    select 1 as step
    union all
    select 2 as step
),

reasons as (
    select false as is_loss_sized
    union all
    select true as is_loss_sized
),

final as (
    select
        least.plan_id,
        least.service_id,
        least.set_mask,
        least.region_id,
        reasons.is_loss_sized,
        steps.step,
        least.set_size,
        least.region_bit,
        least.full_rate_rps,
        steps.step + case
            when reasons.is_loss_sized then greatest(least.least_instances, least.loss_instances)
            else least.least_instances
        end as instances
    from least
    cross join reasons
    cross join steps
    where steps.step = 0 or least.slo_ms is not null
)

select * from final
