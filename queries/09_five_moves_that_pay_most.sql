-- Question: which five changes save the most, how sure is that, and how laborious are they?
-- Grain:    one row per service, at most five, largest saving first.
-- Columns:  service, team, action, regions; monthly saving and latency change with their intervals and level;
--           payback, risk, effort and first reason.
select
    recommendations.service_id,
    services.service_name,
    services.team,
    recommendations.action,
    recommendations.from_regions,
    recommendations.to_regions,
    recommendations.monthly_saving_usd,
    recommendations.monthly_saving_lo_usd,
    recommendations.monthly_saving_hi_usd,
    round(recommendations.mean_latency_delta_ms, 1) as mean_latency_delta_ms,
    round(recommendations.mean_latency_delta_lo_ms, 1) as mean_latency_delta_lo_ms,
    round(recommendations.mean_latency_delta_hi_ms, 1) as mean_latency_delta_hi_ms,
    recommendations.interval_level,
    round(recommendations.payback_days, 1) as payback_days,
    recommendations.risk_level,
    recommendations.effort,
    recommendations.primary_reason_code
from fct_recommendations as recommendations
inner join dim_services as services
    on recommendations.service_id = services.service_id
where recommendations.action <> 'keep'
order by recommendations.monthly_saving_usd desc, recommendations.service_id asc
limit 5
