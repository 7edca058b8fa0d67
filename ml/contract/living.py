"""Living with the plan: what rules cost, in which order to move, how far to trust it."""

from __future__ import annotations

from ml.contract.model import BLOCKERS, REGION, SERVICE, Table, column

PRICED_RULES = (
    *("MOVE_BUDGET", "NO_CAPACITY", "MEMORY", "COST_CAP", "RESIDENCY", "REGION_BANNED"),
    *("MIN_REGIONS", "MAX_REGIONS", "SLO_MISSED", "N1_LOSS", "KEEP_SURVIVAL", "SLOWER_THAN_TODAY"),
)

PLACEMENT_CONSTRAINT_PRICES = Table(
    "placement_constraint_prices",
    ("constraint_code", "scope", "service_id", "region_id"),
    "What each rule costs: the best plan with it against the best plan without it.",
    (
        column("constraint_code", "text", "Rule.", values=PRICED_RULES),
        column(
            "scope", "text", "Whom the rule is lifted for.", values=("fleet", "region", "service")
        ),
        column("service_id", "text", "Service; `*` for all."),
        column("region_id", "text", "Region; `*` for all."),
        column("is_binding", "boolean", "The rule keeps the plan from being better."),
        column("price_usd_per_month", "usd", "Objective gained by lifting it.", low=0),
        column("price_lower_usd_per_month", "usd", "Lower end.", low=0),
        column("price_upper_usd_per_month", "usd", "Upper end.", low=0),
        column("bill_price_usd_per_month", "usd", "The part that is billed.", required=False),
        column("latency_price_ms", "double", "Mean latency gained by lifting it.", required=False),
        column(
            "price_method",
            "text",
            "exact: the ends meet within the gap; resolved: solved again; bounded: ends only.",
            values=("exact", "resolved", "bounded"),
        ),
        column("lower_bound_usd_per_hour", "usd", "Bound of the re-solve.", required=False),
        column("upper_bound_usd_per_hour", "usd", "Objective of the re-solve.", required=False),
        column(
            "dual_usd_per_unit_hour", "double", "Forecast for one more unit.", required=False, low=0
        ),
        column("sentence", "text", "The price in words."),
    ),
    may_be_empty=True,
)

PLACEMENT_FRONTIER = Table(
    "placement_frontier",
    ("point_kind", "point_name"),
    "Cost against latency: plans for several worths of a millisecond, and the plan kinds.",
    (
        column("point_kind", "text", "How the point was found.", values=("weight", "plan")),
        column("point_name", "text", "The factor on the worth of a millisecond, or the plan kind."),
        column(
            "waiting_factor", "double", "The factor; null for plan kinds.", required=False, low=0
        ),
        column("cost_usd_per_month", "usd", "Instances and transfer.", low=0),
        column("mean_latency_ms", "double", "Mean over all requests.", low=0),
        column("moves", "bigint", "Regions added against the current plan.", low=0),
        column("gap_share", "double", "Certified gap at its own weights.", required=False),
        column("services_not_feasible", "bigint", "Services that break a rule.", low=0),
        column("is_efficient", "boolean", "No other point is both cheaper and faster."),
    ),
)

PLACEMENT_MOVES = Table(
    "placement_moves",
    ("service_id", "region_id", "step"),
    "Every region a service gains or gives up, in the wave that makes every state legal.",
    (
        SERVICE,
        REGION,
        column("step", "bigint", "Which change of the service there, from 1.", low=1),
        column("change", "text", "What happens there.", values=("add", "remove")),
        column("wave", "bigint", "Wave, from 1; null for a deadlock.", required=False, low=1),
        column("unit", "text", "Service that names the group moving together."),
        column("is_deadlock", "boolean", "No order makes room for it."),
        column("reason", "text", "Why in this wave, or what stands in its way."),
        column("instances", "bigint", "Instances there after (or, if removed, before).", low=0),
        column("migration_usd", "usd", "One-off transfer of state.", low=0),
        column("payback_days", "double", "Until the saving has paid it.", required=False, low=0),
        column("is_reversible", "boolean", "Undoing it copies no state."),
        column("is_temporary", "boolean", "Begins or ends a stay elsewhere that makes room."),
        column("until_wave", "bigint", "Wave that ends the stay.", required=False, low=1),
        column(
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
        column("wave", "bigint", "Wave, from 1; 0 is today.", low=0),
        column("services", "bigint", "Services that move in it.", low=0),
        column("regions_added", "bigint", "Regions added in it.", low=0),
        column("cost_usd_per_month", "usd", "Instances and transfer after it.", low=0),
        column("mean_latency_ms", "double", "Mean latency after it.", low=0),
        column(
            "n1_served_share", "double", "Served after the worst loss, after it.", low=0, high=1
        ),
        column(
            "peak_capacity_share",
            "double",
            "Fullest region while old and new run side by side; null without a limit.",
            required=False,
            low=0,
        ),
        column("fullest_region_id", "text", "That region.", required=False),
        column(
            "newly_broken_services", "bigint", "Services whose rules it breaks on the way.", low=0
        ),
        column("temporary_services", "bigint", "Services that stay elsewhere for a while.", low=0),
        column("temporary_usd_per_month", "usd", "What their stays add to the bill."),
    ),
    may_be_empty=True,
)

PLACEMENT_STABILITY = Table(
    "placement_stability",
    ("service_id",),
    "Whether the recommendation would be another one at the ends of the latency's interval.",
    (
        SERVICE,
        column(
            "is_stable", "boolean", "The same regions at both ends; false without a plan there."
        ),
        column(
            "regions_at_lower",
            "text",
            "Regions with all latencies at their lower ends, or `no plan found`.",
        ),
        column(
            "regions_at_upper",
            "text",
            "Regions with all latencies at their upper ends, or `no plan found`.",
        ),
        column("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
    ),
)

PLACEMENT_EXCEPTIONS = Table(
    "placement_exceptions",
    ("rule", "service_id", "region_id"),
    "Rules declared elastic that the recommended plan breaks, with what that costs.",
    (
        column("rule", "text", "Rule.", values=("NO_CAPACITY", "MOVE_BUDGET", "SLO_MISSED")),
        column("service_id", "text", "Service; `*` for all."),
        column("region_id", "text", "Region; `*` for all."),
        column("amount", "double", "By how much.", low=0),
        column("unit", "text", "Unit of the amount."),
        column("usd_per_unit_hour", "double", "Price, $ per unit and hour.", low=0),
        column("usd_per_month", "usd", "What it costs.", low=0),
    ),
    may_be_empty=True,
)

PLACEMENT_BLOCKERS = Table(
    "placement_blockers",
    ("service_id", "rule"),
    "Region sets of each service that survive the rules one after another.",
    (
        SERVICE,
        column("rule", "text", "Rule.", values=BLOCKERS),
        column("rule_order", "bigint", "Place in the fixed order of rules, from 1.", low=1),
        column("sets_before", "bigint", "Sets that keep all rules before it.", low=0),
        column("sets_after", "bigint", "Sets that keep it too.", low=0),
        column("sets_without_rule", "bigint", "Sets that keep all other rules.", low=0),
        column(
            "is_decisive", "boolean", "No set keeps all rules, and some would without this one."
        ),
    ),
)
PLACEMENT_REGRET = Table(
    "placement_regret",
    ("decision",),
    "Decisions in the world whose truth is known: what wrong predictions cost.",
    (
        column(
            "decision",
            "text",
            "The recommended plan; what the same search finds from each other's end, with "
            "predictions and with true latencies; today.",
            values=("recommended", "with_predictions", "with_truth", "current"),
        ),
        column("days", "bigint", "Days simulated, after the history.", low=1),
        column("cost_usd_per_month", "usd", "True bill and priced waiting.", low=0),
        column("bill_usd_per_month", "usd", "True bill: compute, transfer, storage.", low=0),
        column("mean_latency_ms", "double", "True mean latency.", low=0),
        column("cost_regret_share", "double", "Cost against the decision with the truth."),
        column("priced_regret_share", "double", "The same with missed requests at their price."),
        column(
            "prediction_regret_share",
            "double",
            "What wrong predictions alone cost: of the best plan they lead to from either end.",
            required=False,
        ),
        column("critical_services", "bigint", "Services with a hard objective.", low=0),
        column(
            "critical_misses",
            "bigint",
            "Those that truly miss it: more than one request in twenty is late.",
            low=0,
        ),
        column(
            "critical_misses_foreseen",
            "bigint",
            "Of these, those that the decision itself counted on: it knew no set that keeps them.",
            low=0,
        ),
        column(
            "critical_misses_by_origin",
            "bigint",
            "Read more strictly: too little of their demand comes from places served in time each.",
            low=0,
        ),
        column("critical_miss_share", "double", "The misses as a share.", low=0, high=1),
        column(
            "missed_requests_share", "double", "Their requests above the allowance.", low=0, high=1
        ),
        column("usd_per_missed_request", "double", "Price of a missed request.", low=0),
        column(
            "sets_judged",
            "bigint",
            "Region sets of critical services that break no other rule.",
            required=False,
            low=0,
        ),
        column(
            "sets_wrongly_blocked_share",
            "double",
            "Sets that truly keep the objective and that the predicted bound closes.",
            required=False,
            low=0,
            high=1,
        ),
        column(
            "sets_wrongly_allowed_share",
            "double",
            "Sets that the predicted bound lets through and that truly miss the objective.",
            required=False,
            low=0,
            high=1,
        ),
        column(
            "status",
            "text",
            "Against the goals: misses at most 2 %, priced regret at most 0.5 %.",
            values=("met", "missed", "reported"),
        ),
    ),
    may_be_empty=True,
)

# -- inputs of the certificate in SQL -------------------------------------------------------------

TABLES = (
    PLACEMENT_CONSTRAINT_PRICES,
    PLACEMENT_FRONTIER,
    PLACEMENT_MOVES,
    PLACEMENT_WAVES,
    PLACEMENT_STABILITY,
    PLACEMENT_EXCEPTIONS,
    PLACEMENT_BLOCKERS,
    PLACEMENT_REGRET,
)
