with

problem as (
    select * from {{ ref('int_certificate__problem') }}
    where skipped_because is null
),

pairs as (
    select * from {{ ref('feat_placement__region_pairs') }}
),

clients as (
    select distinct
        client_id,
        is_caller
    from {{ ref('int_certificate__clients') }}
),

numbered as (
    select
        client_id,
        is_caller,
        row_number() over (order by is_caller, client_id) - 1 as client_number
    from clients
),

-- A pair that nobody measured is as far as the optimiser assumes: a second, so that it is avoided.
ways as (
    select
        set_regions.set_mask,
        set_regions.set_size,
        set_regions.region_id,
        numbered.client_id,
        numbered.is_caller,
        cast(power(2, numbered.client_number) as bigint) as client_bit,
        coalesce(pairs.rtt_ms, 1000.0) as rtt_ms,
        case when numbered.is_caller then problem.misroute_share_calls else problem.misroute_share end
            as astray_share,
        problem.near_tie_share,
        problem.is_near_tie_split
    from {{ ref('int_certificate__set_regions') }} as set_regions
    cross join numbered
    cross join problem
    left join pairs
        on numbered.client_id = pairs.client_id
        and set_regions.region_id = pairs.region_id
        and (pairs.client_is_region or not numbered.is_caller)
),

ranked as (
    select
        *,
        min(rtt_ms) over (partition by set_mask, client_id, is_caller) as nearest_rtt_ms,
        row_number() over (
            partition by set_mask, client_id, is_caller
            order by rtt_ms, region_id
        ) as nearness
    from ways
),

weighed as (
    select
        *,
        case
            when nearness = 1 then 1.0
            when is_near_tie_split and near_tie_share > 0
                then greatest(
                    0.0, 1.0 - (rtt_ms / greatest(nearest_rtt_ms, 1e-9) - 1.0) / near_tie_share
                )
            else 0.0
        end as nearness_weight
    from ranked
),

final as (
    select
        set_mask,
        region_id,
        client_id,
        is_caller,
        set_size,
        client_bit,
        rtt_ms,
        astray_share,
        astray_share / set_size
        + (1.0 - astray_share) * nearness_weight
        / sum(nearness_weight) over (partition by set_mask, client_id, is_caller) as routed_share,
        -- Whoever may be the nearest tomorrow is sized for all of it.
        rtt_ms <= nearest_rtt_ms * (1.0 + near_tie_share) as is_near
    from weighed
)

select * from final
