"""The tables that ``ml/`` hands over: one place for their columns, types, keys and meaning.

The writer in :mod:`ml.io` refuses a frame that breaks this contract, the expectation suites judge
the same columns as wholes, and dbt reads the files back as the source ``ml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "bigint", "double", "boolean", "date", "usd"]


@dataclass(frozen=True)
class Column:
    """One column of a prediction table; ``low`` and ``high`` bound a sane value, inclusive."""

    name: str
    type: ColumnType
    description: str
    required: bool = True
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One prediction table; ``key`` names the columns that identify a row."""

    name: str
    key: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]
    may_be_empty: bool = False


def _c(
    name: str,
    type_: ColumnType,
    description: str,
    *,
    required: bool = True,
    low: float | None = None,
    high: float | None = None,
    values: tuple[str, ...] = (),
) -> Column:
    return Column(name, type_, description, required, low, high, values)


def _share(name: str, description: str) -> Column:
    return _c(name, "double", description, required=False, low=0, high=1)


SPLITS = ("train", "calibration", "test")
PLAN_KINDS = (
    *("current", "recommended", "least_cost", "best_latency"),
    *("least_change", "best_region_recovery", "greedy", "random"),
)
ROW_KINDS = ("capacity_vcpu", "capacity_memory_gb", "bill", "moves")
PRICED_RULES = (
    *("MOVE_BUDGET", "NO_CAPACITY", "MEMORY", "COST_CAP", "RESIDENCY", "REGION_BANNED"),
    *("MIN_REGIONS", "MAX_REGIONS", "SLO_MISSED", "N1_LOSS", "KEEP_SURVIVAL", "SLOWER_THAN_TODAY"),
)
BLOCKERS = (
    "NOT_OFFERED",
    "REGION_BANNED",
    "RESIDENCY",
    "INCOMPLETE_DATA",
    "MAX_REGIONS",
    "MIN_REGIONS",
    "SLO_MISSED",
    "N1_LOSS",
    "NO_CAPACITY",
    "SLOWER_THAN_TODAY",
)

_SERVICE = _c("service_id", "text", "Service; one row of dim_services.")
_REGION = _c("region_id", "text", "Region; one row of dim_regions.")
_MODEL = _c("model_id", "text", "Content hash of the fitted model that produced the row.")

LATENCY_PREDICTIONS = Table(
    "latency_predictions",
    ("service_id", "region_id", "placed_on"),
    "Mean latency predicted for every service, region and day of the history.",
    (
        _SERVICE,
        _REGION,
        _c("placed_on", "date", "Day on which the service ran there."),
        _MODEL,
        _c("split", "text", "Which part of the history the row belongs to.", values=SPLITS),
        _c("observed_ms", "double", "Observed caller-side mean latency.", low=0),
        _c("predicted_ms", "double", "Predicted caller-side mean latency.", low=0),
        _c("predicted_lo_ms", "double", "Lower end of the prediction interval.", low=0),
        _c("predicted_hi_ms", "double", "Upper end of the prediction interval.", low=0),
        _c("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
        _c("physics_ms", "double", "Physics estimate the residual model starts from.", low=0),
        _c("network_ms", "double", "Part of the physics estimate due to the network.", low=0),
        _c("dependency_ms", "double", "Part due to calls of other services.", low=0),
        _c("cpu_ms", "double", "Part due to CPU work.", low=0),
        _c("queue_ms", "double", "Part due to waiting for a worker.", low=0),
        _c("base_ms", "double", "Part that the physics does not explain.", low=0),
        _c("utilization", "double", "Request-weighted utilisation rho.", required=False, low=0),
    ),
)

LATENCY_CANDIDATES = Table(
    "latency_candidates",
    ("service_id", "region_id", "utilization_bucket"),
    "What a service would add in a region at a load, before the way from the caller is added.",
    (
        _SERVICE,
        _REGION,
        _c("utilization_bucket", "double", "Utilisation the row holds for.", low=0, high=1),
        _MODEL,
        _c("internal_ms", "double", "Own work, queue and calls to other services.", low=0),
        _c("network_weight", "double", "Round trips per request, times RTT.", low=0),
        _c("residual_factor", "double", "Learned correction of the physics sum.", low=0),
        _c("mean_lo_factor", "double", "Lower interval end over the mean.", low=0),
        _c("mean_hi_factor", "double", "Upper interval end over the mean.", low=0),
        _c("p95_factor", "double", "p95 over the mean.", required=False, low=0),
        _c("p95_hi_factor", "double", "Upper bound of p95 over the mean.", required=False, low=0),
        _c("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
        _c("is_extrapolated", "boolean", "The service never ran in this region."),
    ),
)

MODEL_METRICS = Table(
    "model_metrics",
    ("model_name", "variant", "split", "slice", "metric"),
    "How good each model and each baseline is, on the same rows.",
    (
        _c("model_name", "text", "Which model.", values=("latency", "latency_p95", "strategy")),
        _c("variant", "text", "`model`, or the name of the baseline measured beside it."),
        _c("split", "text", "forward, unseen_service, unseen_region, new_placement_set, grouped."),
        _c("slice", "text", "`all`, or the rows it was measured on."),
        _c("metric", "text", "r2, within_r2, mae_ms, rmse_ms, mape, coverage, accuracy, ..."),
        _c("value", "double", "Measured value.", required=False),
        _c("goal_low", "double", "Smallest value that meets the goal.", required=False),
        _c("goal_high", "double", "Largest value that meets the goal.", required=False),
        _c(
            "status",
            "text",
            "Whether the goal was met.",
            values=("met", "missed", "reported", "insufficient"),
        ),
        _c("rows", "bigint", "Rows measured on.", low=0),
        _MODEL,
    ),
)

FEATURE_IMPORTANCES = Table(
    "feature_importances",
    ("model_name", "method", "slice", "feature"),
    "What the predictions rest on.",
    (
        _c("model_name", "text", "Which model.", values=("latency", "strategy")),
        _c(
            "method",
            "text",
            "How it was measured.",
            values=("grouped_permutation", "shap", "component_share", "permutation"),
        ),
        _c("slice", "text", "`all`, or the rows it was measured on."),
        _c("feature", "text", "Feature or group of features."),
        _c("importance", "double", "Measured importance."),
        _c("unit", "text", "Unit of the importance."),
        _c("importance_rank", "bigint", "1 is the most important.", low=1),
        _MODEL,
    ),
    may_be_empty=True,
)

STRATEGY_PREDICTIONS = Table(
    "strategy_predictions",
    ("service_id", "cut_on"),
    "Number of regions a service is expected to need, by the random forest.",
    (
        _SERVICE,
        _c("cut_on", "date", "Last day the features may know."),
        _MODEL,
        _c("split", "text", "train, test, or current (no label yet)."),
        _c("predicted_class", "text", "Predicted class.", values=("single", "dual", "multi")),
        _c("single_probability", "double", "Probability of one region.", low=0, high=1),
        _c("dual_probability", "double", "Probability of two regions.", low=0, high=1),
        _c("multi_probability", "double", "Probability of three or more.", low=0, high=1),
        _c(
            "optimal_class",
            "text",
            "What the optimiser chose on the next 14 days.",
            required=False,
            values=("single", "dual", "multi"),
        ),
        _c("cost_regret_share", "double", "Extra cost of the predicted class.", required=False),
    ),
    may_be_empty=True,
)

PLACEMENT_RUNS = Table(
    "placement_runs",
    ("plan_id",),
    "One row per plan: what was solved, how far from the best possible answer it can be.",
    (
        _c("plan_id", "text", "Hash of inputs, configuration and plan kind."),
        _c("plan_kind", "text", "What the plan is for.", values=PLAN_KINDS),
        _c("trained_through", "date", "Last day the plan may know."),
        _c("upper_bound_usd_per_hour", "usd", "Objective of the plan.", required=False),
        _c("lower_bound_usd_per_hour", "usd", "Certified lower bound.", required=False),
        _c("gap_share", "double", "(upper - lower) / |lower|.", required=False),
        _c("gap_scope", "text", "What the bound is about, in words.", required=False),
        _c(
            "joint_lower_bound_usd_per_hour",
            "usd",
            "Certified lower bound over joint changes of callers and callees too.",
            required=False,
        ),
        _c("joint_gap_share", "double", "(upper - joint lower) / |joint lower|.", required=False),
        _c("joint_gap_scope", "text", "What the joint bound is about, in words.", required=False),
        _c(
            "end_state",
            "text",
            "How the solve ended.",
            values=("feasible", "evaluated", "infeasible", "unknown"),
        ),
        _c("stop_reason", "text", "Why the solve stopped."),
        _c("checker_status", "text", "Verdict of the independent checker.", values=("ok", "none")),
        _c("moves", "bigint", "Regions added against the current plan.", low=0),
        _c("services_not_feasible", "bigint", "Services without a feasible plan.", low=0),
        _c("candidate_plans", "bigint", "Region sets priced.", low=0),
        _c("input_hash", "text", "SHA-256 of the inputs."),
        _c("config_hash", "text", "SHA-256 of the parameters."),
    ),
)

PLACEMENT_SERVICES = Table(
    "placement_services",
    ("plan_id", "service_id"),
    "What a plan means for one service.",
    (
        _c("plan_id", "text", "Plan; one row of placement_runs."),
        _SERVICE,
        _c("compute_usd_per_hour", "usd", "Instances times price book.", low=0),
        _c("egress_usd_per_hour", "usd", "Transfer to users and callers.", low=0),
        _c("open_usd_per_hour", "usd", "Fixed cost of each open region.", low=0),
        _c("waiting_usd_per_hour", "usd", "Priced waiting time of users.", low=0),
        _c("moving_usd_per_hour", "usd", "Amortised cost of moving, and stickiness.", low=0),
        _c("carbon_usd_per_hour", "usd", "Priced carbon.", required=False, low=0),
        _c("elastic_usd_per_hour", "usd", "Price of broken rules.", required=False, low=0),
        _c(
            "carbon_kg_per_hour",
            "double",
            "Carbon of the instances; null where a region's grid is unknown.",
            required=False,
            low=0,
        ),
        _c("mean_latency_ms", "double", "Predicted request-weighted mean.", required=False, low=0),
        _c("mean_latency_lo_ms", "double", "Lower interval end.", required=False, low=0),
        _c("mean_latency_hi_ms", "double", "Upper interval end.", required=False, low=0),
        _c("p95_latency_ms", "double", "Predicted p95; never averaged.", required=False, low=0),
        _c(
            "slo_met_share",
            "double",
            "Demand whose p95 bound is met.",
            required=False,
            low=0,
            high=1,
        ),
        _c("n1_served_share", "double", "Served share after the worst loss.", low=0, high=1),
        _c("is_n1_covered", "boolean", "Any one region may be lost without dropping demand."),
        _c("is_feasible", "boolean", "Every hard rule holds."),
        _c("broken_rule", "text", "First rule the plan breaks.", required=False),
        _c("mean_rps", "double", "Forecast mean demand.", low=0),
        _c("migration_usd", "usd", "One-off transfer of state against today.", low=0),
        _c("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
    ),
)

PLACEMENT_PLANS = Table(
    "placement_plans",
    ("plan_id", "service_id", "region_id"),
    "Where a plan runs each service: one row per plan, service and region.",
    (
        _c("plan_id", "text", "Plan; one row of placement_runs."),
        _SERVICE,
        _REGION,
        _c("instances", "bigint", "Running copies at the peak hour.", low=1),
        _c("traffic_share", "double", "Share of the service's requests.", low=0, high=1),
        _c("compute_usd_per_hour", "usd", "Instances times price book.", low=0),
        _c("peak_utilization", "double", "Utilisation at the peak hour.", required=False, low=0),
        _c(
            "mean_latency_ms",
            "double",
            "Predicted mean of the requests served here.",
            required=False,
            low=0,
        ),
    ),
)

PLACEMENT_ALTERNATIVES = Table(
    "placement_alternatives",
    ("service_id", "region_id"),
    "Every region for every service: feasible with its gap, or the rule that blocks it.",
    (
        _SERVICE,
        _REGION,
        _c("is_chosen", "boolean", "In the recommended plan."),
        _c("is_current", "boolean", "In the current plan."),
        _c("is_feasible", "boolean", "Some feasible plan of the service uses the region."),
        _c("is_complete", "boolean", "All data needed to rank it were there."),
        _c(
            "blocking_constraint", "text", "Rule that excludes it.", required=False, values=BLOCKERS
        ),
        _c("blocking_evidence", "text", "The numbers behind the rule.", required=False),
        _c(
            "best_region_set",
            "text",
            "Best set with it (or, if chosen, without it).",
            required=False,
        ),
        _c("gap_usd_per_month", "usd", "Extra money if forced in (or banned).", required=False),
        _c("gap_ms", "double", "Extra mean latency if forced in (or banned).", required=False),
        _c(
            "gap_objective_usd_per_month",
            "usd",
            "Extra objective; never negative.",
            required=False,
            low=0,
        ),
        _c(
            "gap_lower_usd_per_month",
            "usd",
            "Least that forcing it in (or banning it) costs the fleet, one service at a time.",
            required=False,
            low=0,
        ),
        _c(
            "gap_upper_usd_per_month",
            "usd",
            "Most that it costs; null where the rest of the fleet would have to make room.",
            required=False,
            low=0,
        ),
        _c(
            "gap_method",
            "text",
            "exact: the ends meet within the certified gap; resolved: the fleet was solved again "
            "with it; bounded: neither; indispensable: no plan of the service lacks it.",
            required=False,
            values=("exact", "resolved", "bounded", "indispensable"),
        ),
    ),
)

PLACEMENT_DUALS = Table(
    "placement_duals",
    ("plan_id", "row_kind", "region_id"),
    "Prices of the shared rows, from which the lower bound can be derived again.",
    (
        _c("plan_id", "text", "Plan; one row of placement_runs."),
        _c("row_kind", "text", "Shared row.", values=ROW_KINDS),
        _c("region_id", "text", "Region of the row; `*` for the fleet."),
        _c("dual", "double", "Price of one more unit, $ per hour.", low=0),
        _c("limit_value", "double", "Right-hand side of the row.", low=0),
        _c("used_value", "double", "What the plan uses.", low=0),
        _c("is_binding", "boolean", "The dual is positive."),
    ),
    may_be_empty=True,
)

# -- living with the plan --------------------------------------------------------------------------
PLACEMENT_CONSTRAINT_PRICES = Table(
    "placement_constraint_prices",
    ("constraint_code", "scope", "service_id", "region_id"),
    "What each rule costs: the best plan with it against the best plan without it.",
    (
        _c("constraint_code", "text", "Rule.", values=PRICED_RULES),
        _c("scope", "text", "Whom the rule is lifted for.", values=("fleet", "region", "service")),
        _c("service_id", "text", "Service; `*` for all."),
        _c("region_id", "text", "Region; `*` for all."),
        _c("is_binding", "boolean", "The rule keeps the plan from being better."),
        _c("price_usd_per_month", "usd", "Objective gained by lifting it.", low=0),
        _c("price_lower_usd_per_month", "usd", "Lower end.", low=0),
        _c("price_upper_usd_per_month", "usd", "Upper end.", low=0),
        _c("bill_price_usd_per_month", "usd", "The part that is billed.", required=False),
        _c("latency_price_ms", "double", "Mean latency gained by lifting it.", required=False),
        _c(
            "price_method",
            "text",
            "exact: the ends meet within the gap; resolved: solved again; bounded: ends only.",
            values=("exact", "resolved", "bounded"),
        ),
        _c("lower_bound_usd_per_hour", "usd", "Bound of the re-solve.", required=False),
        _c("upper_bound_usd_per_hour", "usd", "Objective of the re-solve.", required=False),
        _c(
            "dual_usd_per_unit_hour", "double", "Forecast for one more unit.", required=False, low=0
        ),
        _c("sentence", "text", "The price in words."),
    ),
    may_be_empty=True,
)

PLACEMENT_FRONTIER = Table(
    "placement_frontier",
    ("point_kind", "point_name"),
    "Cost against latency: plans for several worths of a millisecond, and the plan kinds.",
    (
        _c("point_kind", "text", "How the point was found.", values=("weight", "plan")),
        _c("point_name", "text", "The factor on the worth of a millisecond, or the plan kind."),
        _c("waiting_factor", "double", "The factor; null for plan kinds.", required=False, low=0),
        _c("cost_usd_per_month", "usd", "Instances and transfer.", low=0),
        _c("mean_latency_ms", "double", "Mean over all requests.", low=0),
        _c("moves", "bigint", "Regions added against the current plan.", low=0),
        _c("gap_share", "double", "Certified gap at its own weights.", required=False),
        _c("services_not_feasible", "bigint", "Services that break a rule.", low=0),
        _c("is_efficient", "boolean", "No other point is both cheaper and faster."),
    ),
)

PLACEMENT_MOVES = Table(
    "placement_moves",
    ("service_id", "region_id", "step"),
    "Every region a service gains or gives up, in the wave that makes every state legal.",
    (
        _SERVICE,
        _REGION,
        _c("step", "bigint", "Which change of the service there, from 1.", low=1),
        _c("change", "text", "What happens there.", values=("add", "remove")),
        _c("wave", "bigint", "Wave, from 1; null for a deadlock.", required=False, low=1),
        _c("unit", "text", "Service that names the group moving together."),
        _c("is_deadlock", "boolean", "No order makes room for it."),
        _c("reason", "text", "Why in this wave, or what stands in its way."),
        _c("instances", "bigint", "Instances there after (or, if removed, before).", low=0),
        _c("migration_usd", "usd", "One-off transfer of state.", low=0),
        _c("payback_days", "double", "Until the saving has paid it.", required=False, low=0),
        _c("is_reversible", "boolean", "Undoing it copies no state."),
        _c("is_temporary", "boolean", "Begins or ends a stay elsewhere that makes room."),
        _c("until_wave", "bigint", "Wave that ends the stay.", required=False, low=1),
        _c(
            "stay_usd_per_month",
            "usd",
            "What the stay adds to the bill while it lasts, on its first row.",
            required=False,
        ),
    ),
    may_be_empty=True,
)

PLACEMENT_WAVES = Table(
    "placement_waves",
    ("wave",),
    "The state after each wave of moves, evaluated like any plan; wave 0 is today.",
    (
        _c("wave", "bigint", "Wave, from 1; 0 is today.", low=0),
        _c("services", "bigint", "Services that move in it.", low=0),
        _c("regions_added", "bigint", "Regions added in it.", low=0),
        _c("cost_usd_per_month", "usd", "Instances and transfer after it.", low=0),
        _c("mean_latency_ms", "double", "Mean latency after it.", low=0),
        _c("n1_served_share", "double", "Served after the worst loss, after it.", low=0, high=1),
        _c(
            "peak_capacity_share",
            "double",
            "Fullest region while old and new run side by side; null without a limit.",
            required=False,
            low=0,
        ),
        _c("fullest_region_id", "text", "That region.", required=False),
        _c("newly_broken_services", "bigint", "Services whose rules it breaks on the way.", low=0),
        _c("temporary_services", "bigint", "Services that stay elsewhere for a while.", low=0),
        _c("temporary_usd_per_month", "usd", "What their stays add to the bill."),
    ),
    may_be_empty=True,
)

PLACEMENT_STABILITY = Table(
    "placement_stability",
    ("service_id",),
    "Whether the recommendation would be another one at the ends of the latency's interval.",
    (
        _SERVICE,
        _c("is_stable", "boolean", "The same regions at both ends; false without a plan there."),
        _c(
            "regions_at_lower",
            "text",
            "Regions with all latencies at their lower ends, or `no plan found`.",
        ),
        _c(
            "regions_at_upper",
            "text",
            "Regions with all latencies at their upper ends, or `no plan found`.",
        ),
        _c("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
    ),
)

PLACEMENT_EXCEPTIONS = Table(
    "placement_exceptions",
    ("rule", "service_id", "region_id"),
    "Rules declared elastic that the recommended plan breaks, with what that costs.",
    (
        _c("rule", "text", "Rule.", values=("NO_CAPACITY", "MOVE_BUDGET", "SLO_MISSED")),
        _c("service_id", "text", "Service; `*` for all."),
        _c("region_id", "text", "Region; `*` for all."),
        _c("amount", "double", "By how much.", low=0),
        _c("unit", "text", "Unit of the amount."),
        _c("usd_per_unit_hour", "double", "Price, $ per unit and hour.", low=0),
        _c("usd_per_month", "usd", "What it costs.", low=0),
    ),
    may_be_empty=True,
)

PLACEMENT_BLOCKERS = Table(
    "placement_blockers",
    ("service_id", "rule"),
    "Region sets of each service that survive the rules one after another.",
    (
        _SERVICE,
        _c("rule", "text", "Rule.", values=BLOCKERS),
        _c("rule_order", "bigint", "Place in the fixed order of rules, from 1.", low=1),
        _c("sets_before", "bigint", "Sets that keep all rules before it.", low=0),
        _c("sets_after", "bigint", "Sets that keep it too.", low=0),
        _c("sets_without_rule", "bigint", "Sets that keep all other rules.", low=0),
        _c("is_decisive", "boolean", "No set keeps all rules, and some would without this one."),
    ),
)
PLACEMENT_REGRET = Table(
    "placement_regret",
    ("decision",),
    "Decisions in the world whose truth is known: what wrong predictions cost.",
    (
        _c(
            "decision",
            "text",
            "The recommended plan; what the same search finds from each other's end, with "
            "predictions and with true latencies; today.",
            values=("recommended", "with_predictions", "with_truth", "current"),
        ),
        _c("days", "bigint", "Days simulated, after the history.", low=1),
        _c("cost_usd_per_month", "usd", "True bill and priced waiting.", low=0),
        _c("bill_usd_per_month", "usd", "True bill: compute, transfer, storage.", low=0),
        _c("mean_latency_ms", "double", "True mean latency.", low=0),
        _c("cost_regret_share", "double", "Cost against the decision with the truth."),
        _c("priced_regret_share", "double", "The same with missed requests at their price."),
        _c(
            "prediction_regret_share",
            "double",
            "What wrong predictions alone cost: of the best plan they lead to from either end.",
            required=False,
        ),
        _c("critical_services", "bigint", "Services with a hard objective.", low=0),
        _c(
            "critical_misses",
            "bigint",
            "Those that truly miss it: more than one request in twenty is late.",
            low=0,
        ),
        _c(
            "critical_misses_foreseen",
            "bigint",
            "Of these, those that the decision itself counted on: it knew no set that keeps them.",
            low=0,
        ),
        _c(
            "critical_misses_by_origin",
            "bigint",
            "Read more strictly: too little of their demand comes from places served in time each.",
            low=0,
        ),
        _c("critical_miss_share", "double", "The misses as a share.", low=0, high=1),
        _c("missed_requests_share", "double", "Their requests above the allowance.", low=0, high=1),
        _c("usd_per_missed_request", "double", "Price of a missed request.", low=0),
        _c(
            "sets_judged",
            "bigint",
            "Region sets of critical services that break no other rule.",
            required=False,
            low=0,
        ),
        _c(
            "sets_wrongly_blocked_share",
            "double",
            "Sets that truly keep the objective and that the predicted bound closes.",
            required=False,
            low=0,
            high=1,
        ),
        _c(
            "sets_wrongly_allowed_share",
            "double",
            "Sets that the predicted bound lets through and that truly miss the objective.",
            required=False,
            low=0,
            high=1,
        ),
        _c(
            "status",
            "text",
            "Against the goals: misses at most 2 %, priced regret at most 0.5 %.",
            values=("met", "missed", "reported"),
        ),
    ),
    may_be_empty=True,
)
# -- end of living with the plan -------------------------------------------------------------------

# -- inputs of the certificate in SQL -------------------------------------------------------------
PLACEMENT_CERTIFICATE_PARAMETERS = Table(
    "placement_certificate_parameters",
    ("plan_id", "name", "scope"),
    "The policy of the recommended plan as numbers, for deriving its bounds again.",
    (
        _c("plan_id", "text", "The recommended plan; one row of placement_runs."),
        _c("name", "text", "Name in the policy; or a list of services that a rule spares."),
        _c("scope", "text", "Member of a list; `*` for a plain value."),
        _c("value", "double", "The value; 1 for a member of a list.", required=False),
    ),
)

PLACEMENT_CERTIFICATE_CLIENTS = Table(
    "placement_certificate_clients",
    ("plan_id", "service_id", "region_id"),
    "Calls that reach each service from each region in which its callers run.",
    (
        _c("plan_id", "text", "Plan; one row of placement_runs."),
        _SERVICE,
        _c("region_id", "text", "Region that calls."),
        _c("calls_rps", "double", "Mean calls per second.", low=0),
        _c("awaited_rps", "double", "Those of them that the caller waits for.", low=0),
        _c("request_kb_per_second", "double", "Sent to the service.", low=0),
        _c("response_kb_per_second", "double", "Sent back.", low=0),
        _c(
            "callers_usd_per_ms",
            "double",
            "What a ms costs the clients of the callers, $ per hour.",
            required=False,
            low=0,
        ),
    ),
    may_be_empty=True,
)

PLACEMENT_CERTIFICATE_CLIENT_HOURS = Table(
    "placement_certificate_client_hours",
    ("plan_id", "service_id", "region_id", "hour_bin"),
    "The same calls at their upper quantile, by hour of the week.",
    (
        _c("plan_id", "text", "Plan; one row of placement_runs."),
        _SERVICE,
        _c("region_id", "text", "Region that calls."),
        _c("hour_bin", "bigint", "Bin of hours of the week, from 0.", low=0, high=167),
        _c("peak_rps", "double", "Calls per second to size for.", low=0),
    ),
    may_be_empty=True,
)

PLACEMENT_CERTIFICATE_ONWARD = Table(
    "placement_certificate_onward",
    ("plan_id", "service_id", "region_id"),
    "What a request leads to that a service serves in a region, its callees staying put.",
    (
        _c("plan_id", "text", "Plan; one row of placement_runs."),
        _SERVICE,
        _REGION,
        _c("calls_ms", "double", "Time it spends on calls.", low=0),
        _c(
            "onward_usd_per_rps",
            "double",
            "Waiting, transfer and instances that one request per second causes, $ per hour.",
            required=False,
            low=0,
        ),
    ),
    may_be_empty=True,
)

PLACEMENT_CERTIFICATE_ELSEWHERE = Table(
    "placement_certificate_elsewhere",
    ("plan_id", "service_id", "set_number", "region_id"),
    "What a region set leads to at other services if its service alone moves there.",
    (
        _c("plan_id", "text", "The recommended plan; one row of placement_runs."),
        _SERVICE,
        _c("set_number", "bigint", "Tells sets of one service apart.", low=0),
        _c("region_id", "text", "Region of the set."),
        _c("is_closed", "boolean", "Left out of the bound: another service's rule would break."),
        _c(
            "elsewhere_micro_usd",
            "bigint",
            "Cost per hour beyond the set's price to first order, millionths of a dollar.",
        ),
    ),
    may_be_empty=True,
)
# -- end of the certificate's inputs --------------------------------------------------------------

DESIGNS = (
    *("twin", "switchback", "cluster_switchback"),
    *("stepped_wedge", "observational", "shadow"),
)
EXPERIMENT_STATUSES = ("ok", "insufficient", "invalid", "refused", "biased_by_interference")

EXPERIMENT_RESULTS = Table(
    "experiment_results",
    ("experiment_id", "mode", "metric", "role", "segment", "segment_value"),
    "Effect of the treatment on every metric, by evidence layer.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("mode", "text", "Evidence layer.", values=DESIGNS),
        _c("metric", "text", "Metric of the catalogue."),
        _c("role", "text", "Role.", values=("success", "guardrail", "diagnostic", "segment")),
        _c("segment", "text", "`all`, or the dimension it is cut by."),
        _c("segment_value", "text", "`all`, or the value of the dimension."),
        _c("unit", "text", "Unit of the two arms."),
        _c("control", "double", "Control arm.", required=False),
        _c("treatment", "double", "Treatment arm.", required=False),
        _c("abs_effect", "double", "Treatment minus control.", required=False),
        _c("abs_lo", "double", "Lower end.", required=False),
        _c("abs_hi", "double", "Upper end.", required=False),
        _c("rel_effect", "double", "Relative effect, a share.", required=False),
        _c("rel_lo", "double", "Lower end.", required=False),
        _c("rel_hi", "double", "Upper end.", required=False),
        _c("interval_level", "double", "Level of the interval.", required=False, low=0, high=1),
        _c(
            "p_value",
            "double",
            "Sign-flip p; null where nothing was randomised.",
            required=False,
            low=0,
            high=1,
        ),
        _c("p_adjusted", "double", "Holm-adjusted p.", required=False, low=0, high=1),
        _c("plausible_lo", "double", "Lower end over uncertain inputs, relative.", required=False),
        _c("plausible_hi", "double", "Upper end over uncertain inputs, relative.", required=False),
        _c("mde80", "double", "Relative effect found with 80 % power.", required=False),
        _c("margin", "double", "Guard-rail margin.", required=False),
        _c("margin_kind", "text", "relative, absolute, maximum, exact.", required=False),
        _c("blocks", "bigint", "Blocks, or replications.", required=False, low=0),
        _c(
            "effective_units",
            "double",
            "Equal units that say as much as the weighted ones; of cross-checks only.",
            required=False,
            low=0,
        ),
        _c("method", "text", "Estimator and interval.", required=False),
        _c(
            "status",
            "text",
            "Whether the row can be read.",
            values=EXPERIMENT_STATUSES,
        ),
        _c(
            "verdict",
            "text",
            "superior, inferior, passed, violated, inconclusive, reported, not_judged.",
            values=(
                "superior",
                "inferior",
                "passed",
                "violated",
                "inconclusive",
                "reported",
                "not_judged",
            ),
        ),
        _c("reason", "text", "Why it was refused or judged so.", required=False),
    ),
)

EXPERIMENT_METRICS = Table(
    "experiment_metrics",
    ("experiment_id", "metric", "role"),
    "What is measured, in which role, and what is asked of it, as registered.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("metric", "text", "Metric of the catalogue."),
        _c("role", "text", "Role.", values=("success", "guardrail", "diagnostic")),
        _c("kind", "text", "Kind.", values=("ratio", "quantile", "share", "count")),
        _c("quantile_share", "double", "Which quantile.", required=False, low=0, high=1),
        _c("numerator", "text", "What is summed."),
        _c("denominator", "text", "What it is divided by."),
        _c("unit", "text", "Unit."),
        _c("is_lower_better", "boolean", "Whether less is better."),
        _c("margin", "double", "Margin of a guard rail.", required=False),
        _c(
            "margin_kind",
            "text",
            "Kind of the margin; null where there is none.",
            required=False,
            values=("relative", "absolute", "maximum", "exact"),
        ),
        _share("smallest_effect_share", "Smallest effect worth finding, relative."),
        _c("alpha", "double", "Level of the test.", required=False, low=0, high=1),
        _c(
            "family",
            "text",
            "How several tests are told together.",
            values=("holm", "all_must_pass", "none"),
        ),
    ),
)

EXPERIMENT_CHECKS = Table(
    "experiment_checks",
    ("experiment_id", "check_name", "scope"),
    "Validity checks of the experiment.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("check_name", "text", "What was checked."),
        _c("scope", "text", "Layer or slice."),
        _c("observed", "text", "What was seen."),
        _c("expected", "text", "What had to hold."),
        _c("status", "text", "Result.", values=("green", "red", "not_testable")),
    ),
)

EXPERIMENT_UNITS = Table(
    "experiment_units",
    ("experiment_id", "metric", "block_id", "observed_on"),
    "Switchback days: the arm of the day and the metric.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("metric", "text", "Metric of the catalogue."),
        _c("block_id", "bigint", "Pair of neighbouring days.", low=0),
        _c("observed_on", "date", "Day."),
        _c("arm", "text", "Arm of the day.", values=("control", "treatment")),
        _c("value", "double", "Metric of the day.", required=False),
        _c("unit", "text", "Unit of the value."),
        _c(
            "covariate",
            "double",
            "What the test takes off the logarithm of the value; null without a covariate.",
            required=False,
        ),
        _c("offered_requests", "bigint", "Demand of the day.", low=0),
    ),
    may_be_empty=True,
)

EXPERIMENT_CLASSIC = Table(
    "experiment_classic_report",
    ("experiment_id", "line"),
    "The lines readers expect, both arms, on all demand.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("line", "text", "Name of the line."),
        _c("line_order", "bigint", "Order of printing.", low=1),
        _c("unit", "text", "Unit."),
        _c("control", "double", "Control arm.", required=False),
        _c("treatment", "double", "Treatment arm.", required=False),
        _c("change_abs", "double", "Treatment minus control.", required=False),
        _c("change_share", "double", "Relative change.", required=False),
        _c("definition", "text", "How it is computed."),
        _c("label", "text", "Warning or note that belongs to the line.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_BASELINES = Table(
    "experiment_baselines",
    ("experiment_id", "plan_name"),
    "The treatment among random plans of equal budget and simple rules, on the same demand.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("plan_name", "text", "Plan."),
        _c(
            "family",
            "text",
            "Family.",
            values=("treatment", "control", "random_matched", "greedy_nearest", "cheapest"),
        ),
        _c("mean_latency_ms", "double", "Request-weighted mean latency.", low=0),
        _c("cost_usd_per_million", "double", "Cost per million requests.", low=0),
        _c("redundancy", "double", "Mean number of regions per service.", low=0),
        _c("instance_hours", "double", "Instance hours.", low=0),
        _c("objective_usd_per_hour", "double", "Cost plus priced waiting, per hour.", low=0),
        _c("latency_rank", "bigint", "1 is fastest.", low=1),
        _c(
            "p_plan",
            "double",
            "(1 + random plans at least as good) / (1 + random plans).",
            required=False,
            low=0,
            high=1,
        ),
    ),
    may_be_empty=True,
)

EXPERIMENT_CALIBRATION = Table(
    "experiment_calibration",
    ("form", "source", "design", "metric", "estimator", "scenario"),
    "How often the method cries wolf when nothing differs, and whether bad methods are caught.",
    (
        _c("form", "text", "Of every build, or the long form.", values=("short", "long")),
        _c("source", "text", "Where the worlds come from."),
        _c("design", "text", "Design."),
        _c("metric", "text", "Metric."),
        _c("estimator", "text", "Estimator."),
        _c("scenario", "text", "Scenario."),
        _c("runs", "bigint", "Runs.", low=1),
        _c("false_positive_rate", "double", "Share of p <= 0.05.", required=False, low=0, high=1),
        _c("rate_lo", "double", "Wilson interval.", required=False, low=0, high=1),
        _c("rate_hi", "double", "Wilson interval.", required=False, low=0, high=1),
        _share("coverage", "Share of intervals that hold the truth."),
        _share("coverage_lo", "Wilson interval."),
        _share("coverage_hi", "Wilson interval."),
        _share("power", "Share of p <= 0.05 where something differs."),
        _c(
            "bias_points", "double", "Mean estimate minus truth, percentage points.", required=False
        ),
        _share("ks_p_uniform", "Kolmogorov-Smirnov p of the p-values against the uniform."),
        _c("is_canary", "boolean", "A bad method that must be caught."),
        _c("status", "text", "Result.", values=("green", "red")),
    ),
    may_be_empty=True,
)

EXPERIMENT_REJECTIONS = Table(
    "experiment_rejections",
    ("form", "source", "design", "metric", "estimator", "scenario", "nominal_level"),
    "How many p-values lie at or below each level when nothing differs: as many as the level says.",
    (
        _c("form", "text", "Of every build, or the long form.", values=("short", "long")),
        _c("source", "text", "Where the worlds come from."),
        _c("design", "text", "Design."),
        _c("metric", "text", "Metric."),
        _c("estimator", "text", "Estimator."),
        _c("scenario", "text", "Scenario."),
        _c("nominal_level", "double", "Level of the test.", low=0, high=1),
        _c("runs", "bigint", "Runs.", low=1),
        _c("rejected_share", "double", "Share of p at or below the level.", low=0, high=1),
        _c("rejected_lo", "double", "Wilson interval, this level alone.", low=0, high=1),
        _c("rejected_hi", "double", "Wilson interval, this level alone.", low=0, high=1),
        _c(
            "band_lo",
            "double",
            "Least share of uniform p-values, 95 %, all levels at once.",
            low=0,
            high=1,
        ),
        _c(
            "band_hi",
            "double",
            "Largest share of uniform p-values, 95 %, all levels at once.",
            low=0,
            high=1,
        ),
        _c("is_canary", "boolean", "A bad method that must be caught."),
    ),
    may_be_empty=True,
)

EXPERIMENT_VERDICT = Table(
    "experiment_verdict",
    ("experiment_id",),
    "The decision of the experiment.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("verdict", "text", "Decision.", values=("ship", "no_ship", "inconclusive", "invalid")),
        _c("reasons", "text", "Reasons, joined by `; `."),
        _c("config_sha256", "text", "Hash registered before the run."),
        _c("control_plan_id", "text", "Control plan."),
        _c("treatment_plan_id", "text", "Treatment plan.", required=False),
        _c("train_through_on", "date", "Last day the plan may know."),
        _c("evaluate_from_on", "date", "First day of the evaluation.", required=False),
        _c("evaluate_days", "bigint", "Days of the evaluation.", low=0),
        _c("in_sample_gain_share", "double", "Gain on days the plan knew.", required=False),
        _c("out_of_sample_gain_share", "double", "Gain on later days.", required=False),
        _c(
            "coin_redraws_significant_share",
            "double",
            "Other coin sequences with p < 0.05.",
            required=False,
            low=0,
            high=1,
        ),
    ),
)

# --- experiment: designs, power, looks, moves and what became of advice ---

EXPERIMENT_ASSIGNMENTS = Table(
    "experiment_assignments",
    ("experiment_id", "mode", "unit_id", "period_start_on"),
    "Who runs what when, drawn from the registered seed before anything is looked at.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("mode", "text", "Design.", values=DESIGNS),
        _c("unit_id", "text", "`fleet`, or a community of the call graph."),
        _c("period_start_on", "date", "First day of the period."),
        _c("period_end_on", "date", "Last day of the period."),
        _c("community_id", "bigint", "Community.", required=False, low=0),
        _c("block_id", "bigint", "Block of days, or wave.", required=False, low=0),
        _c("arm", "text", "Arm of the period.", values=("control", "treatment")),
        _c("warmup_hours", "bigint", "First hours of each day that are left out.", low=0),
        _c("coin_seed", "text", "Registered seed of the coins."),
    ),
    may_be_empty=True,
)

EXPERIMENT_COMMUNITIES = Table(
    "experiment_communities",
    ("experiment_id", "service_id"),
    "Communities of the call graph: services that change together.",
    (
        _c("experiment_id", "text", "Experiment."),
        _SERVICE,
        _c("community_id", "bigint", "Community, 0 carries the most traffic.", low=0),
        _c(
            "traffic_share", "double", "Share of all requests before the experiment.", low=0, high=1
        ),
    ),
    may_be_empty=True,
)

EXPERIMENT_SERVICE_EFFECTS = Table(
    "experiment_service_effects",
    ("experiment_id", "service_id"),
    "Effect on each service, pulled towards the fleet's by how noisy it is.",
    (
        _c("experiment_id", "text", "Experiment."),
        _SERVICE,
        _share("traffic_share", "Share of all requests."),
        _c("control_ms", "double", "Mean latency, control.", required=False, low=0),
        _c("treatment_ms", "double", "Mean latency, treatment.", required=False, low=0),
        _c("rel_effect", "double", "Relative effect of the service alone.", required=False),
        _c("rel_lo", "double", "Lower end, 95 %.", required=False),
        _c("rel_hi", "double", "Upper end, 95 %.", required=False),
        _c("shrunk_effect", "double", "Relative effect after shrinking.", required=False),
        _share("p_adjusted", "Benjamini-Hochberg p; null without a randomised layer."),
        _c("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        _c("reason", "text", "Why there is no effect.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_MONITOR = Table(
    "experiment_monitor",
    ("experiment_id", "metric", "blocks"),
    "What may be read before the end: an e-process, valid whenever one stops.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("metric", "text", "Metric of the catalogue."),
        _c("blocks", "bigint", "Blocks seen so far.", low=1),
        _c("log_e", "double", "Natural logarithm of the e-value; log 20 stops."),
        _c("always_valid_p", "double", "1 over the largest e-value so far.", low=0, high=1),
        _c("rel_lo", "double", "Lower end, valid at every look.", required=False),
        _c("rel_hi", "double", "Upper end, valid at every look.", required=False),
        _c("decision", "text", "What may be done.", values=("continue", "stop")),
    ),
    may_be_empty=True,
)

EXPERIMENT_POWER = Table(
    "experiment_power",
    ("experiment_id", "design", "metric", "days", "effect_share"),
    "What each design would find, simulated on days before the experiment.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("design", "text", "Design.", values=DESIGNS),
        _c("metric", "text", "Metric of the catalogue."),
        _c("days", "bigint", "Length of the experiment.", low=1),
        _c("effect_share", "double", "True improvement, relative and positive.", low=0, high=1),
        _c("alpha", "double", "Level that Holm uses first.", required=False, low=0, high=1),
        _share("power", "Share of runs that find it."),
        _share("mde80", "Smallest improvement found with 80 % power."),
        _c("runs", "bigint", "Simulated experiments.", low=0),
        _c("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        _c("reason", "text", "Why the design was refused.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_GOALS = Table(
    "experiment_goals",
    ("goal_id",),
    "Goals of the method, each measured and met, missed or not measured.",
    (
        _c("goal_id", "text", "Goal, G1 to G15 and their parts."),
        _c("goal_order", "bigint", "Order of printing.", low=1),
        _c("meaning", "text", "What is asked."),
        _c("target", "text", "The number that had to be reached."),
        _c("observed", "text", "What was measured."),
        _c("status", "text", "Result.", values=("met", "missed", "not_measured")),
    ),
    may_be_empty=True,
)

EXPERIMENT_MOVES = Table(
    "experiment_moves",
    ("experiment_id", "service_id", "moved_on", "estimator"),
    "Past moves of services, every estimator side by side, graded by how far one may trust them.",
    (
        _c("experiment_id", "text", "Experiment."),
        _SERVICE,
        _c("moved_on", "date", "First day under the new regions."),
        _c(
            "estimator",
            "text",
            "How the counterfactual was made.",
            values=(
                *("before_after", "did", "gap_did", "matched_did"),
                *("synthetic_control", "sdid"),
            ),
        ),
        _c("from_regions", "text", "Regions before."),
        _c("to_regions", "text", "Regions after."),
        _c("rel_effect", "double", "Relative effect on mean latency.", required=False),
        _c("rel_lo", "double", "Lower end of the placebo band.", required=False),
        _c("rel_hi", "double", "Upper end of the placebo band.", required=False),
        _share("placebo_p", "Share of fake moves at least as large, ours counted."),
        _c("placebos", "bigint", "Fake moves.", low=0),
        _c(
            "grade",
            "text",
            "A to D; null where refused.",
            required=False,
            values=("A", "B", "C", "D"),
        ),
        _c("move_reason", "text", "Recorded reason of the move, or unknown."),
        _share("traffic_share", "Share of all requests."),
        _c("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        _c("reason", "text", "Why it was refused or graded so.", required=False),
        _c(
            "sentence",
            "text",
            "What may be said in words; null for grades C and D.",
            required=False,
        ),
    ),
    may_be_empty=True,
)

EXPERIMENT_MOVE_DIAGNOSTICS = Table(
    "experiment_move_diagnostics",
    ("experiment_id", "move_id", "diagnostic"),
    "What speaks against reading a past move as an effect, held against fake moves.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("move_id", "text", "Service and day of the move; `all` for all readable moves."),
        _c("service_id", "text", "Service; null for all.", required=False),
        _c("moved_on", "date", "First day under the new regions; null for all.", required=False),
        _c(
            "diagnostic",
            "text",
            "What was looked at.",
            values=("lead", "spike", "spread", "neighbour_spill"),
        ),
        _c("rel_value", "double", "Its size, a relative change of latency.", required=False),
        _c(
            "rel_band",
            "double",
            "What 95 % of fake moves stay within, on the same side.",
            required=False,
        ),
        _share("placebo_p", "Share of fake moves at least as large, ours counted."),
        _c("is_unusual", "boolean", "Whether fewer than 5 % of fake moves do.", required=False),
        _c("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        _c("reason", "text", "Why it cannot be told.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_EVENT_STUDY = Table(
    "experiment_event_study",
    ("experiment_id", "move_id", "days_from_move"),
    "Latency round past moves, less that of services that stayed, day by day.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("move_id", "text", "Service and day of the move; `all` for the mean of all."),
        _c("service_id", "text", "Service; null for all.", required=False),
        _c("moved_on", "date", "First day under the new regions; null for all.", required=False),
        _c("days_from_move", "bigint", "Day, 0 is the first under the new regions.", low=-366),
        _c("moves", "bigint", "Moves that tell this day.", low=1),
        _c("rel_gap", "double", "Relative gap to services that stayed, 0 on average before."),
        _c("rel_lo", "double", "Lower end of the pointwise placebo band.", required=False),
        _c("rel_hi", "double", "Upper end of the pointwise placebo band.", required=False),
        _c("grade", "text", "A to D, of the move or of all.", values=("A", "B", "C", "D")),
    ),
    may_be_empty=True,
)

EXPERIMENT_DEMAND = Table(
    "experiment_demand",
    ("experiment_id", "arm", "outcome"),
    "What became of every request offered to each arm, all hours of the full run.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("arm", "text", "Arm.", values=("control", "treatment")),
        _c("outcome", "text", "What became of them.", values=("served", "errored", "dropped")),
        _c("requests", "bigint", "Requests.", low=0),
        _c("offered_requests", "bigint", "Requests offered to the arm.", low=0),
        _share("offered_share", "Share of the requests offered; the three sum to 1."),
    ),
    may_be_empty=True,
)

EXPERIMENT_QUANTILES = Table(
    "experiment_quantiles",
    ("experiment_id", "mode", "quantile_share"),
    "The effect at every percentile of the fleet's latency; pointwise bands, no p-values.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("mode", "text", "Evidence layer.", values=("twin", "switchback")),
        _c("quantile_share", "double", "Share of requests that are faster.", low=0, high=1),
        _c("control_ms", "double", "Quantile of the control.", required=False, low=0),
        _c("treatment_ms", "double", "Quantile of the treatment.", required=False, low=0),
        _c("rel_effect", "double", "Relative effect.", required=False),
        _c("rel_lo", "double", "Lower end, for this quantile alone.", required=False),
        _c("rel_hi", "double", "Upper end, for this quantile alone.", required=False),
        _c("interval_level", "double", "Level of the band.", low=0, high=1),
    ),
    may_be_empty=True,
)

RECOMMENDATION_OUTCOMES = Table(
    "recommendation_outcomes",
    ("recommendation_id",),
    "What became of advice that was followed: predicted against realised.",
    (
        _c("recommendation_id", "text", "Recommendation of an earlier build."),
        _c("plan_id", "text", "Plan that it belongs to."),
        _SERVICE,
        _c("advised_through_on", "date", "Last day that the advice knew."),
        _c("moved_on", "date", "First day under the advised regions.", required=False),
        _c("from_regions", "text", "Regions before."),
        _c("to_regions", "text", "Regions advised."),
        _c(
            "predicted_effect",
            "double",
            "Predicted relative change of mean latency.",
            required=False,
        ),
        _c("predicted_lo", "double", "Lower end.", required=False),
        _c("predicted_hi", "double", "Upper end.", required=False),
        _c("interval_level", "double", "Level of that interval.", required=False, low=0, high=1),
        _c("realised_effect", "double", "Matched before-and-after change.", required=False),
        _c("realised_lo", "double", "Lower end of the placebo band.", required=False),
        _c("realised_hi", "double", "Upper end of the placebo band.", required=False),
        _c("is_covered", "boolean", "Whether the predicted interval holds it.", required=False),
        _c(
            "grade",
            "text",
            "A to D; null where refused.",
            required=False,
            values=("A", "B", "C", "D"),
        ),
        _c(
            "error_ratio",
            "double",
            "Error over half the predicted interval.",
            required=False,
            low=0,
        ),
        _c("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        _c("reason", "text", "Why nothing was realised or may be read.", required=False),
    ),
    may_be_empty=True,
)

SIM_OUTCOMES = Table(
    "sim_outcomes",
    ("experiment_id", "arm", "service_id", "origin_id", "hour_index"),
    "What happened to every request of the full run; written on request only, read by the gate.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("arm", "text", "Arm.", values=("control", "treatment")),
        _SERVICE,
        _c("origin_id", "text", "Origin of the users."),
        _c("hour_index", "bigint", "Hours since the first evaluation day began, UTC.", low=0),
        _c("placed_on", "date", "Day of the hour."),
        _c("plan_id", "text", "Plan of the arm."),
        _c("offered_requests", "bigint", "Offered.", low=0),
        _c("served_requests", "bigint", "Answered in time.", low=0),
        _c("errored_requests", "bigint", "Answered with an error.", low=0),
        _c("dropped_requests", "bigint", "Never answered.", low=0),
        _c("latency_sum_us", "bigint", "Latency of served requests, microseconds.", low=0),
        _c("imputed_sum_us", "bigint", "The same, others at the time-out, microseconds.", low=0),
        _c("slo_violations", "bigint", "Requests above the objective.", low=0),
    ),
    may_be_empty=True,
)

SIM_LATENCY_HIST = Table(
    "sim_latency_hist",
    ("experiment_id", "arm", "placed_on", "in_warmup", "bin"),
    "Fleet latency of the full run by day in bins that add up; written on request only.",
    (
        _c("experiment_id", "text", "Experiment."),
        _c("arm", "text", "Arm.", values=("control", "treatment")),
        _c("placed_on", "date", "Day."),
        _c("in_warmup", "boolean", "First hours of the day, left out of the switchback."),
        _c("bin", "bigint", "Bin, 0 is below 0.5 ms, 2 % wide, the last above 60 s.", low=0),
        _c("requests", "double", "Requests in the bin.", low=0),
    ),
    may_be_empty=True,
)

# --- end of experiment ---

RUN_DEGRADATIONS = Table(
    "run_degradations",
    ("code", "scope"),
    "What the computation could not do with these data, beside what dbt sees in them.",
    (
        _c("code", "text", "Reason code, upper case."),
        _c("scope", "text", "fleet, or the service or region concerned."),
        _c("detail", "text", "In words, with numbers."),
    ),
    may_be_empty=True,
)

TABLES: tuple[Table, ...] = (
    LATENCY_PREDICTIONS,
    LATENCY_CANDIDATES,
    MODEL_METRICS,
    FEATURE_IMPORTANCES,
    STRATEGY_PREDICTIONS,
    PLACEMENT_RUNS,
    PLACEMENT_SERVICES,
    PLACEMENT_PLANS,
    PLACEMENT_ALTERNATIVES,
    PLACEMENT_DUALS,
    PLACEMENT_CONSTRAINT_PRICES,
    PLACEMENT_FRONTIER,
    PLACEMENT_MOVES,
    PLACEMENT_WAVES,
    PLACEMENT_STABILITY,
    PLACEMENT_EXCEPTIONS,
    PLACEMENT_BLOCKERS,
    PLACEMENT_REGRET,
    PLACEMENT_CERTIFICATE_PARAMETERS,
    PLACEMENT_CERTIFICATE_CLIENTS,
    PLACEMENT_CERTIFICATE_CLIENT_HOURS,
    PLACEMENT_CERTIFICATE_ONWARD,
    PLACEMENT_CERTIFICATE_ELSEWHERE,
    EXPERIMENT_RESULTS,
    EXPERIMENT_METRICS,
    EXPERIMENT_CHECKS,
    EXPERIMENT_UNITS,
    EXPERIMENT_CLASSIC,
    EXPERIMENT_BASELINES,
    EXPERIMENT_CALIBRATION,
    EXPERIMENT_REJECTIONS,
    EXPERIMENT_VERDICT,
    EXPERIMENT_ASSIGNMENTS,
    EXPERIMENT_COMMUNITIES,
    EXPERIMENT_SERVICE_EFFECTS,
    EXPERIMENT_MONITOR,
    EXPERIMENT_POWER,
    EXPERIMENT_GOALS,
    EXPERIMENT_MOVES,
    EXPERIMENT_MOVE_DIAGNOSTICS,
    EXPERIMENT_EVENT_STUDY,
    EXPERIMENT_DEMAND,
    EXPERIMENT_QUANTILES,
    RECOMMENDATION_OUTCOMES,
    SIM_OUTCOMES,
    SIM_LATENCY_HIST,
    RUN_DEGRADATIONS,
)
