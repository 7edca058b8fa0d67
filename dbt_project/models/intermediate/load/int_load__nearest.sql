with

active as (
    select
        placed.service_id,
        placed.region_id,
        placed.placed_on,
        count(*) over (partition by placed.service_id, placed.placed_on) as n_regions
    from {{ ref('int_placement__service_region_days') }} as placed
    inner join {{ ref('int_placement__window') }} as the_window
        on placed.placed_on between the_window.first_on and the_window.last_on
),

pairs as (
    select * from {{ ref('int_network__pairs') }}
),

rtt_days as (
    select * from {{ ref('int_network__rtt_days') }}
),

placed_days as (
    select distinct placed_on from active
),

-- The round trip of the day where it was measured, the usual one where it was not.
pair_days as (
    select
        pairs.client_id,
        pairs.region_id,
        placed_days.placed_on,
        coalesce(rtt_days.rtt_ms, pairs.rtt_ms) as rtt_ms
    from pairs
    cross join placed_days
    left join rtt_days
        on pairs.client_id = rtt_days.client_id
        and pairs.region_id = rtt_days.region_id
        and placed_days.placed_on = rtt_days.observed_on
),

final as (
    select
        active.service_id,
        pair_days.client_id,
        active.region_id,
        active.placed_on,
        active.n_regions,
        pair_days.rtt_ms,
        -- region_id ends the order: of two regions at one distance the smaller id serves.
        row_number() over (
            partition by active.service_id, pair_days.client_id, active.placed_on
            order by pair_days.rtt_ms, active.region_id
        ) = 1 as is_nearest
    from active
    inner join pair_days
        on active.region_id = pair_days.region_id
        and active.placed_on = pair_days.placed_on
)

select * from final
