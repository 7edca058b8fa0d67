"""Every question the pages ask: SQL over published marts, so each number is one query away.

Pages add, count and sort what marts define; a measure that no mart defines is not made here.
"""

from __future__ import annotations

RUN = "select * from meta_runs"

# -- Overview -------------------------------------------------------------------------------------
PLAN_TOTALS = """
select * from fct_plan_totals
order by case plan_kind when 'current' then 1 when 'recommended' then 2 else 3 end, plan_kind
"""

ACTIONS = """
select action, outcome, count(*) as services
from fct_recommendations
group by action, outcome
order by services desc, action, outcome
"""

FLEET = """
select
    (select count(*) from dim_services) as services,
    (select count(*) from dim_regions) as regions,
    (select count(*) from dim_origins) as origins,
    (select sum(requests) from fct_traffic_hours) as requests,
    (select count(*) from dim_services where is_latency_critical) as critical_services
"""

SERVICES_BY_MEMORY = """
select
    case
        when memory_mb <= 512 then 'up to 0.5 GB'
        when memory_mb <= 1024 then '0.5 to 1 GB'
        when memory_mb <= 2048 then '1 to 2 GB'
        when memory_mb <= 4096 then '2 to 4 GB'
        when memory_mb <= 8192 then '4 to 8 GB'
        else 'over 8 GB'
    end as memory_class,
    count(*) as services,
    min(memory_mb) as from_mb
from dim_services
group by memory_class
order by from_mb
"""

SERVICES_BY_CPU = """
select
    case
        when cpu_cores <= 0.5 then 'up to 0.5'
        when cpu_cores <= 1 then '0.5 to 1'
        when cpu_cores <= 2 then '1 to 2'
        when cpu_cores <= 4 then '2 to 4'
        else 'over 4'
    end as cpu_class,
    count(*) as services,
    min(cpu_cores) as from_cores
from dim_services
group by cpu_class
order by from_cores
"""

SERVICES_BY_SENSITIVITY = """
select
    case when is_latency_critical then 'latency-critical' else 'not critical' end as sensitivity,
    count(*) as services
from dim_services
group by sensitivity
order by sensitivity
"""

TRAFFIC_BY_ORIGIN = """
select origin_id, sum(requests) as requests
from fct_traffic_hours
group by origin_id
order by requests desc, origin_id
"""

TRAFFIC_BY_REGION = """
select
    region_id,
    sum(requests_served) as requests_served,
    sum(requests_served) / nullif(sum(sum(requests_served)) over (), 0) as requests_share
from fct_service_region_days
group by region_id
order by requests_served desc, region_id
"""

# -- Recommendations ------------------------------------------------------------------------------
RECOMMENDATIONS = """
select r.*, s.service_name, s.team, s.tier, s.is_latency_critical
from fct_recommendations as r
left join dim_services as s on r.service_id = s.service_id
order by (r.action = 'keep'), r.monthly_saving_usd desc, r.service_id
"""

RECOMMENDATION = """
select r.*, s.service_name, s.team, s.tier, s.is_latency_critical
from fct_recommendations as r
left join dim_services as s on r.service_id = s.service_id
where r.service_id = ?
"""

REASONS = """
select * from fct_recommendation_reasons
where recommendation_id = ?
order by reason_rank, reason_code
"""

RECOMMENDED_REGIONS = """
select * from fct_recommendation_regions
where recommendation_id = ?
order by case role when 'stay' then 1 when 'added' then 2 else 3 end, region_id
"""

ALTERNATIVES = """
select * from fct_recommendation_alternatives
where service_id = ?
order by is_chosen desc, is_feasible desc, alternative_rank nulls last, region_id
"""

# -- A/B Test Results -----------------------------------------------------------------------------
VERDICT = "select * from fct_experiment_verdict order by experiment_id"
CHECKS = """
select check_name, scope, observed, expected, status from fct_experiment_checks
order by case status when 'red' then 1 when 'not_testable' then 2 else 3 end, check_name, scope
"""
RESULTS = """
select * from fct_experiment_results
order by
    case role when 'success' then 1 when 'guardrail' then 2 when 'diagnostic' then 3 else 4 end,
    metric, mode desc, segment, segment_value
"""
CLASSIC = "select * from fct_experiment_classic_report order by line_order"
BASELINES = "select * from fct_experiment_baselines order by latency_rank, plan_name"
UNITS = """
select metric, block_id, observed_on, arm, value, unit, offered_requests
from fct_experiment_units order by metric, observed_on
"""
CALIBRATION = """
select * from fct_experiment_calibration
order by is_canary, source, design, metric, estimator, scenario
"""
CRITICAL_SERVICES = """
select service_id, service_name, team, tier from dim_services
where is_latency_critical order by tier nulls last, service_id
"""
PLACEMENTS = """
select p.plan_kind, p.service_id, s.service_name, s.tier, p.region_id, p.instances, p.traffic_share
from fct_plan_placements as p
left join dim_services as s on p.service_id = s.service_id
where p.plan_kind in ('current', 'recommended')
order by p.plan_kind, p.service_id, p.region_id
"""

# -- Regional Analysis ----------------------------------------------------------------------------
REGION_PAIRS = "select * from rpt_region_pairs order by client_id, region_id"
PLACES = """
select region_id as place_id, 'region' as place_kind, display_name as label, latitude, longitude
from dim_regions
union all
select origin_id, 'user origin', origin_id, latitude, longitude from dim_origins
order by place_kind, place_id
"""
REGIONS = "select * from dim_regions order by region_id"
REGION_LOAD = """
select
    region_id,
    sum(requests_served) as requests_served,
    sum(requests_served) / nullif(sum(sum(requests_served)) over (), 0) as requests_share,
    sum(cost_usd) as cost_usd,
    sum(cost_usd) / nullif(sum(sum(cost_usd)) over (), 0) as cost_share,
    count(distinct service_id) as services
from fct_service_region_days
group by region_id
order by cost_usd desc, region_id
"""

# -- Service Details ------------------------------------------------------------------------------
SERVICE_LIST = "select service_id, service_name, team from dim_services order by service_name"
SERVICE = "select * from dim_services where service_id = ?"
SERVICE_DAYS = """
select * from fct_service_region_days where service_id = ? order by placed_on, region_id
"""
SERVICE_ORIGINS = """
select origin_id, sum(requests) as requests
from fct_traffic_hours where service_id = ?
group by origin_id order by requests desc, origin_id
"""
SERVICE_CALLS = """
select * from fct_service_calls
where caller_service_id = ? or callee_service_id = ?
order by caller_service_id, callee_service_id
"""

# -- Data quality ---------------------------------------------------------------------------------
QUALITY = "select * from fct_data_quality order by table_name"
QUARANTINE = """
select table_name, rule_id, count(*) as quarantined_rows
from fct_quarantined_rows group by table_name, rule_id
order by quarantined_rows desc, table_name, rule_id
"""
DEGRADATIONS = "select * from fct_degradations order by code, scope"
MODEL_METRICS = (
    "select * from fct_model_metrics where slice = 'all' order by model_name, split, metric"
)
"""Only what is measured on all rows: slices belong to the model's own page."""
