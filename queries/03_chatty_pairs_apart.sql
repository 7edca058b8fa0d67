-- Question: which services talk across regions today, and what does their transfer cost a month?
-- Grain:    one row per caller and callee that leave their region for at least one call in ten.
-- Columns:  caller and callee; calls_rps; share of calls that leave their region and monthly transfer,
--           today and as recommended; the transfer saved.
select
    caller_service_id,
    callee_service_id,
    round(calls_rps, 1) as calls_rps,
    round(cross_region_share_before, 3) as cross_region_share_before,
    round(cross_region_share_after, 3) as cross_region_share_after,
    monthly_transfer_before_usd,
    monthly_transfer_after_usd,
    monthly_transfer_before_usd - monthly_transfer_after_usd as monthly_transfer_saved_usd
from fct_service_calls
where cross_region_share_before >= 0.1
order by monthly_transfer_before_usd desc, calls_rps desc, caller_service_id asc, callee_service_id asc
