"""The plans, and why not others."""

from __future__ import annotations

from ml.contract.model import BLOCKERS, REGION, SERVICE, Table, column

PLAN_KINDS = (
    *("current", "recommended", "least_cost", "best_latency"),
    *("least_change", "best_region_recovery", "greedy", "random"),
)
ROW_KINDS = ("capacity_vcpu", "capacity_memory_gb", "bill", "moves")

PLACEMENT_RUNS = Table(
    "placement_runs",
    ("plan_id",),
    "One row per plan: what was solved, how far from the best possible answer it can be.",
    (
        column("plan_id", "text", "Hash of inputs, configuration and plan kind."),
        column("plan_kind", "text", "What the plan is for.", values=PLAN_KINDS),
        column("trained_through", "date", "Last day the plan may know."),
        column("upper_bound_usd_per_hour", "usd", "Objective of the plan.", required=False),
        column("lower_bound_usd_per_hour", "usd", "Certified lower bound.", required=False),
        column("gap_share", "double", "(upper - lower) / |lower|.", required=False),
        column("gap_scope", "text", "What the bound is about, in words.", required=False),
        column(
            "joint_lower_bound_usd_per_hour",
            "usd",
            "Certified lower bound over joint changes of callers and callees too.",
            required=False,
        ),
        column(
            "joint_gap_share", "double", "(upper - joint lower) / |joint lower|.", required=False
        ),
        column(
            "joint_gap_scope", "text", "What the joint bound is about, in words.", required=False
        ),
        column(
            "end_state",
            "text",
            "How the solve ended.",
            values=("feasible", "evaluated", "infeasible", "unknown"),
        ),
        column("stop_reason", "text", "Why the solve stopped."),
        column(
            "checker_status", "text", "Verdict of the independent checker.", values=("ok", "none")
        ),
        column("moves", "bigint", "Regions added against the current plan.", low=0),
        column("services_not_feasible", "bigint", "Services without a feasible plan.", low=0),
        column("candidate_plans", "bigint", "Region sets priced.", low=0),
        column("input_hash", "text", "SHA-256 of the inputs."),
        column("config_hash", "text", "SHA-256 of the parameters."),
    ),
)

PLACEMENT_SERVICES = Table(
    "placement_services",
    ("plan_id", "service_id"),
    "What a plan means for one service.",
    (
        column("plan_id", "text", "Plan; one row of placement_runs."),
        SERVICE,
        column("compute_usd_per_hour", "usd", "Instances times price book.", low=0),
        column("egress_usd_per_hour", "usd", "Transfer to users and callers.", low=0),
        column("open_usd_per_hour", "usd", "Fixed cost of each open region.", low=0),
        column("waiting_usd_per_hour", "usd", "Priced waiting time of users.", low=0),
        column("moving_usd_per_hour", "usd", "Amortised cost of moving, and stickiness.", low=0),
        column("carbon_usd_per_hour", "usd", "Priced carbon.", required=False, low=0),
        column("elastic_usd_per_hour", "usd", "Price of broken rules.", required=False, low=0),
        column(
            "carbon_kg_per_hour",
            "double",
            "Carbon of the instances; null where a region's grid is unknown.",
            required=False,
            low=0,
        ),
        column(
            "mean_latency_ms", "double", "Predicted request-weighted mean.", required=False, low=0
        ),
        column("mean_latency_lo_ms", "double", "Lower interval end.", required=False, low=0),
        column("mean_latency_hi_ms", "double", "Upper interval end.", required=False, low=0),
        column("p95_latency_ms", "double", "Predicted p95; never averaged.", required=False, low=0),
        column(
            "slo_met_share",
            "double",
            "Requests within the objective, times at the upper bound of the p95.",
            required=False,
            low=0,
            high=1,
        ),
        column("n1_served_share", "double", "Served share after the worst loss.", low=0, high=1),
        column("is_n1_covered", "boolean", "Any one region may be lost without dropping demand."),
        column("is_feasible", "boolean", "Every hard rule holds."),
        column("broken_rule", "text", "First rule the plan breaks.", required=False),
        column("mean_rps", "double", "Forecast mean demand.", low=0),
        column("migration_usd", "usd", "One-off transfer of state against today.", low=0),
        column("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
    ),
)

PLACEMENT_PLANS = Table(
    "placement_plans",
    ("plan_id", "service_id", "region_id"),
    "Where a plan runs each service: one row per plan, service and region.",
    (
        column("plan_id", "text", "Plan; one row of placement_runs."),
        SERVICE,
        REGION,
        column("instances", "bigint", "Running copies at the peak hour.", low=1),
        column("traffic_share", "double", "Share of the service's requests.", low=0, high=1),
        column("compute_usd_per_hour", "usd", "Instances times price book.", low=0),
        column(
            "peak_utilization", "double", "Utilisation at the peak hour.", required=False, low=0
        ),
        column(
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
        SERVICE,
        REGION,
        column("is_chosen", "boolean", "In the recommended plan."),
        column("is_current", "boolean", "In the current plan."),
        column("is_feasible", "boolean", "Some feasible plan of the service uses the region."),
        column("is_complete", "boolean", "All data needed to rank it were there."),
        column(
            "blocking_constraint", "text", "Rule that excludes it.", required=False, values=BLOCKERS
        ),
        column("blocking_evidence", "text", "The numbers behind the rule.", required=False),
        column(
            "best_region_set",
            "text",
            "Best set with it (or, if chosen, without it).",
            required=False,
        ),
        column("gap_usd_per_month", "usd", "Extra money if forced in (or banned).", required=False),
        column("gap_ms", "double", "Extra mean latency if forced in (or banned).", required=False),
        column(
            "gap_objective_usd_per_month",
            "usd",
            "Extra objective; never negative.",
            required=False,
            low=0,
        ),
        column(
            "gap_lower_usd_per_month",
            "usd",
            "Least that forcing it in (or banning it) costs the fleet, one service at a time.",
            required=False,
            low=0,
        ),
        column(
            "gap_upper_usd_per_month",
            "usd",
            "Most that it costs; null where the rest of the fleet would have to make room.",
            required=False,
            low=0,
        ),
        column(
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
        column("plan_id", "text", "Plan; one row of placement_runs."),
        column("row_kind", "text", "Shared row.", values=ROW_KINDS),
        column("region_id", "text", "Region of the row; `*` for the fleet."),
        column("dual", "double", "Price of one more unit, $ per hour.", low=0),
        column("limit_value", "double", "Right-hand side of the row.", low=0),
        column("used_value", "double", "What the plan uses.", low=0),
        column("is_binding", "boolean", "The dual is positive."),
    ),
    may_be_empty=True,
)

# -- living with the plan --------------------------------------------------------------------------

TABLES = (
    PLACEMENT_RUNS,
    PLACEMENT_SERVICES,
    PLACEMENT_PLANS,
    PLACEMENT_ALTERNATIVES,
    PLACEMENT_DUALS,
)
