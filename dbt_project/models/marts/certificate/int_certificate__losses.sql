with

problem as (
    select * from {{ ref('int_certificate__problem') }}
),

sizes as (
    select * from {{ ref('int_certificate__slot_sizes') }}
),

losses as (
    select
        sizes.plan_id,
        sizes.service_id,
        sizes.set_mask,
        sizes.is_loss_sized,
        sizes.step,
        lost.region_id as lost_region_id,
        {{ exact_sum('remaining.peak_rps', 15) }} as asked_rps,
        {{ exact_sum(
            'least(remaining.peak_rps, sizes.instances * (sizes.full_rate_rps'
            ~ ' * problem.saturation))', 15) }} as served_rps
    from sizes
    cross join problem
    inner join {{ ref('int_certificate__set_regions') }} as lost
        on sizes.set_mask = lost.set_mask
    inner join {{ ref('int_certificate__slots') }} as remaining
        on sizes.plan_id = remaining.plan_id
        and sizes.service_id = remaining.service_id
        and sizes.region_id = remaining.region_id
        and lost.set_mask - lost.region_bit = remaining.set_mask
    where sizes.region_id <> lost.region_id
    group by
        sizes.plan_id,
        sizes.service_id,
        sizes.set_mask,
        sizes.is_loss_sized,
        sizes.step,
        lost.region_id
),

final as (
    select
        plan_id,
        service_id,
        set_mask,
        is_loss_sized,
        step,
        min(case when asked_rps > 0 then served_rps / asked_rps else 1.0 end) as served_share
    from losses
    group by
        plan_id,
        service_id,
        set_mask,
        is_loss_sized,
        step
)

select * from final
