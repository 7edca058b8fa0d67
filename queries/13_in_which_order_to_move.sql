-- Question: in which order does everybody move, which steps are only temporary, and what do those cost?
-- Grain:    one row per wave with a move; the moves that found no place in any order come last, without a number.
-- Columns:  wave, services and regions in it, temporary steps that begin or end in it and their services, what the stays in force
--           add to the bill, bill and mean latency after it.
with

moves as (
    select
        wave,
        count(distinct service_id) as services,
        sum(case when change = 'add' then 1 else 0 end) as regions_added,
        sum(case when change = 'remove' then 1 else 0 end) as regions_removed,
        sum(case when is_temporary then 1 else 0 end) as temporary_steps,
        string_agg(distinct case when is_temporary then service_id end, ', ') as temporary_service_ids
    from fct_migration_moves
    group by wave
)

select
    moves.wave,
    moves.services,
    moves.regions_added,
    moves.regions_removed,
    moves.temporary_steps,
    moves.temporary_service_ids,
    waves.temporary_monthly_cost_usd,
    waves.monthly_cost_usd,
    round(waves.mean_latency_ms, 1) as mean_latency_ms
from moves
left join fct_migration_waves as waves
    on moves.wave = waves.wave
order by moves.wave asc nulls last
