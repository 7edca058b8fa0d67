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

known as (
    select distinct utilization_bucket from {{ ref('stg_ml__latency_candidates') }}
),

buckets as (
    select
        utilization_bucket,
        row_number() over (order by utilization_bucket) as bucket_number
    from known
),

-- Up to two steps more, each a bucket of utilisation quieter, where that answers soon enough.
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

sized as (
    select
        least.plan_id,
        least.service_id,
        least.set_mask,
        least.region_id,
        reasons.is_loss_sized,
        least.set_size,
        least.region_bit,
        least.full_rate_rps,
        least.slo_ms,
        least.peak_rps,
        case
            when reasons.is_loss_sized then greatest(least.least_instances, least.loss_instances)
            else least.least_instances
        end as instances
    from least
    cross join reasons
),

ranked as (
    select
        sized.*,
        least(
            (select max(every_bucket.bucket_number) from buckets as every_bucket),
            1 + (
                select count(*)
                from buckets as below
                where
                    below.utilization_bucket
                    < sized.peak_rps / (sized.full_rate_rps * sized.instances) - 1e-9
            )
        ) as bucket_number
    from sized
),

final as (
    select
        ranked.plan_id,
        ranked.service_id,
        ranked.set_mask,
        ranked.region_id,
        ranked.is_loss_sized,
        steps.step,
        ranked.set_size,
        ranked.region_bit,
        ranked.full_rate_rps,
        case
            when steps.step = 0 then ranked.instances
            else
                greatest(
                    ranked.instances,
                    ceil(
                        ranked.peak_rps / (ranked.full_rate_rps * quieter.utilization_bucket) - 1e-9
                    )
                )
        end as instances
    from ranked
    cross join steps
    inner join buckets as quieter
        on greatest(1, ranked.bucket_number - steps.step) = quieter.bucket_number
    where steps.step = 0 or ranked.slo_ms is not null
)

select * from final
