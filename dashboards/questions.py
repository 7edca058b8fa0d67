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
    (select sum(requests) from fct_traffic_days) as requests,
    (select count(distinct observed_on) from fct_traffic_days) as days
"""

SERVICES_BY_MEMORY = """
select memory_band_gb, count(*) as services
from dim_services group by memory_band_gb order by min(memory_gb)
"""

SERVICES_BY_CPU = """
select cpu_band, count(*) as services
from dim_services group by cpu_band order by min(cpu_cores)
"""

SERVICES_BY_SENSITIVITY = """
select latency_sensitivity, count(*) as services
from dim_services group by latency_sensitivity order by latency_sensitivity
"""

TRAFFIC_BY_ORIGIN = """
select origin_id, sum(requests) as requests
from fct_traffic_days
group by origin_id
order by requests desc, origin_id
"""

TRAFFIC_BY_REGION = """
select region_id, sum(requests_served) as requests_served
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
    case metric when 'latency_mean' then 1 when 'latency_p95' then 2 when 'cost_per_1m' then 3
        else 4 end,
    metric, mode desc, segment, segment_value
"""
METRICS = """
select * from fct_experiment_metrics
order by
    case role when 'success' then 1 when 'guardrail' then 2 else 3 end, metric
"""
CLASSIC = "select * from fct_experiment_classic_report order by line_order"
BASELINES = "select * from fct_experiment_baselines order by latency_rank, plan_name"
UNITS = """
select metric, block_id, observed_on, arm, value, unit, offered_requests
from fct_experiment_units order by metric, observed_on
"""
MONITOR = "select * from fct_experiment_monitor order by metric, blocks"
POWER = "select * from fct_experiment_power order by design, metric, days, effect_share"
GOALS = "select * from fct_experiment_goals order by goal_order"
SERVICE_EFFECTS = """
select * from fct_experiment_service_effects order by traffic_share desc, service_id
"""
PAST_MOVES = """
select * from fct_experiment_moves order by moved_on desc, service_id, estimator
"""
EVENT_STUDY = "select * from fct_experiment_event_study order by move_id, days_from_move"
MOVE_DIAGNOSTICS = """
select * from fct_experiment_move_diagnostics
order by moved_on desc nulls first, move_id, diagnostic
"""
DEMAND = "select * from fct_experiment_demand order by arm, outcome"
QUANTILES = "select * from fct_experiment_quantiles order by mode, quantile_share"
OUTCOMES = """
select * from fct_recommendation_outcomes order by status, service_id, recommendation_id
"""
CALIBRATION = """
select * from fct_experiment_calibration
order by form, is_canary, source, design, metric, estimator, scenario
"""
REJECTIONS = """
select * from fct_experiment_rejections
order by form, is_canary, source, design, metric, estimator, scenario, nominal_level
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
select origin_id, 'user origin', display_name, latitude, longitude
from dim_origins where not is_region
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
order by cost_usd desc nulls last, region_id
"""
PLAN_REGIONS = """
select * from rpt_plan_regions where plan_kind in ('current', 'recommended')
order by region_id, plan_kind
"""

# -- Service Details ------------------------------------------------------------------------------
SERVICE_LIST = "select service_id, service_name, team from dim_services order by service_name"
SERVICE = "select * from dim_services where service_id = ?"
SERVICE_DAYS = """
select * from fct_service_region_days where service_id = ? order by placed_on, region_id
"""
SERVICE_ORIGINS = """
with sent as (
    select origin_id, sum(requests) as requests
    from fct_traffic_days where service_id = ? group by origin_id
),
here as (
    select distinct region_id from fct_service_region_days
    where service_id = ? and placed_on = (
        select max(placed_on) from fct_service_region_days where service_id = ?
    )
),
ways as (
    select
        p.client_id, p.region_id, p.used_rtt_ms, p.rtt_source,
        row_number() over (
            partition by p.client_id order by p.used_rtt_ms, p.region_id
        ) as nearest
    from rpt_region_pairs as p inner join here on p.region_id = here.region_id
)
select sent.origin_id, sent.requests, ways.region_id, ways.used_rtt_ms, ways.rtt_source
from sent left join ways on sent.origin_id = ways.client_id and ways.nearest = 1
order by sent.requests desc, sent.origin_id
"""
SERVICE_CALLS = """
select * from fct_service_calls
where caller_service_id = ? or callee_service_id = ?
order by caller_service_id, callee_service_id
"""

SERVICE_PLANS = """
select * from fct_plan_services
where service_id = ? and plan_kind in ('current', 'recommended')
order by plan_kind
"""

# -- Data quality ---------------------------------------------------------------------------------
QUALITY = "select * from fct_data_quality order by table_name, is_whole_table desc, rule_id"
DEGRADATIONS = "select * from fct_degradations order by reason_code, scope"
DEGRADATION_KINDS = """
select reason_code, scope_kind, effect, confidence_cap, count(*) as places
from fct_degradations
group by reason_code, scope_kind, effect, confidence_cap
order by (scope_kind <> 'fleet'), places desc, reason_code
"""
MODEL_METRICS = """
select model_name, variant, split, metric, value, goal_low, goal_high, status, row_count
from fct_model_metrics where slice_name = 'all'
order by (status not in ('met', 'missed')), model_name, split, metric, (variant <> 'model'), variant
"""
"""Only what is measured on all rows: slices belong to the model's own page."""

# -- Living with the plan --------------------------------------------------------------------------
FRONTIER = """
select * from fct_placement_frontier order by point_kind, mean_latency_ms, point_name
"""

WAVES = "select * from fct_migration_waves order by wave"

MOVES = """
select * from fct_migration_moves order by coalesce(wave, 999999), service_id, region_id
"""

STABILITY = "select * from fct_recommendation_stability where service_id = ?"

PRICES = """
select * from fct_constraint_prices
order by monthly_price_usd desc, constraint_code, scope, service_id, region_id
"""

EXCEPTIONS = "select * from fct_placement_exceptions order by rule, service_id, region_id"

REGION_IDS = "select region_id from dim_regions order by region_id"

SERVICE_NAMES = "select service_id, service_name from dim_services order by service_id"

REGRET = "select * from fct_decision_regret order by monthly_cost_usd"
