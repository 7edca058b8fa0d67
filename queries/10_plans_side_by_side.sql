-- Question: what does the recommended plan give up against the cheapest and the fastest one?
-- Grain:    one row per plan, dearest last.
-- Columns:  cost by term a month, saving and latency against today, redundancy, moves, and how far from the
--           best possible plan it can be.
select
    plan_kind,
    monthly_cost_usd,
    monthly_compute_usd,
    monthly_egress_usd,
    monthly_open_usd,
    monthly_saving_usd,
    round(mean_latency_ms, 2) as mean_latency_ms,
    round(mean_latency_delta_ms, 2) as mean_latency_delta_ms,
    round(n1_covered_share, 3) as n1_covered_share,
    services_changed,
    moves,
    gap_share
from fct_plan_totals
order by monthly_cost_usd, plan_kind
