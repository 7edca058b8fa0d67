{{ config(materialized='view') }}
-- A view: one multiplication on a table that is already there.

with

nearest as (
    select * from {{ ref('int_load__nearest') }}
),

misroute as (
    select * from {{ ref('int_load__misroute') }}
),

final as (
    select
        nearest.service_id,
        nearest.client_id,
        nearest.region_id,
        nearest.placed_on,
        nearest.n_regions,
        nearest.rtt_ms,
        nearest.is_nearest,
        case when nearest.is_nearest then 1 - misroute.misroute_share else 0 end
        + misroute.misroute_share / nearest.n_regions as share
    from nearest
    cross join misroute
)

select * from final
