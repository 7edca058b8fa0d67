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

-- A pair that nobody measured is as far as the optimiser assumes: a second, so that it is avoided.
ways as (
    select
        set_regions.set_mask,
        set_regions.set_size,
        set_regions.region_id,
        clients.client_id,
        clients.is_caller,
        coalesce(pairs.rtt_ms, 1000.0) as rtt_ms,
        case when clients.is_caller then problem.misroute_share_calls else problem.misroute_share end
            as astray_share,
        problem.near_tie_share
    from {{ ref('int_certificate__set_regions') }} as set_regions
    cross join clients
    cross join problem
    left join pairs
        on clients.client_id = pairs.client_id
        and set_regions.region_id = pairs.region_id
        and (pairs.client_is_region or not clients.is_caller)
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

final as (
    select
        set_mask,
        region_id,
        client_id,
        is_caller,
        rtt_ms,
        astray_share / set_size
        + case when nearness = 1 then 1.0 - astray_share else 0.0 end as routed_share,
        -- Whoever may be the nearest tomorrow is sized for all of it.
        astray_share / set_size
        + case
            when rtt_ms <= nearest_rtt_ms * (1.0 + near_tie_share) then 1.0 - astray_share
            else 0.0
        end as sized_share
    from ranked
)

select * from final
