"""The experiment: who ran what, looks, power, effects by service, goals."""

from __future__ import annotations

from ml.contract.model import DESIGNS, EXPERIMENT_STATUSES, SERVICE, Table, column, share

EXPERIMENT_ASSIGNMENTS = Table(
    "experiment_assignments",
    ("experiment_id", "mode", "unit_id", "period_start_on"),
    "Who runs what when, drawn from the registered seed before anything is looked at.",
    (
        column("experiment_id", "text", "Experiment."),
        column("mode", "text", "Design.", values=DESIGNS),
        column("unit_id", "text", "`fleet`, or a community of the call graph."),
        column("period_start_on", "date", "First day of the period."),
        column("period_end_on", "date", "Last day of the period."),
        column("community_id", "bigint", "Community.", required=False, low=0),
        column("block_id", "bigint", "Block of days, or wave.", required=False, low=0),
        column("arm", "text", "Arm of the period.", values=("control", "treatment")),
        column("warmup_hours", "bigint", "First hours of each day that are left out.", low=0),
        column("coin_seed", "text", "Registered seed of the coins."),
    ),
    may_be_empty=True,
)

EXPERIMENT_COMMUNITIES = Table(
    "experiment_communities",
    ("experiment_id", "service_id"),
    "Communities of the call graph: services that change together.",
    (
        column("experiment_id", "text", "Experiment."),
        SERVICE,
        column("community_id", "bigint", "Community, 0 carries the most traffic.", low=0),
        column(
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
        column("experiment_id", "text", "Experiment."),
        SERVICE,
        share("traffic_share", "Share of all requests."),
        column("control_ms", "double", "Mean latency, control.", required=False, low=0),
        column("treatment_ms", "double", "Mean latency, treatment.", required=False, low=0),
        column("rel_effect", "double", "Relative effect of the service alone.", required=False),
        column("rel_lo", "double", "Lower end, 95 %.", required=False),
        column("rel_hi", "double", "Upper end, 95 %.", required=False),
        column("shrunk_effect", "double", "Relative effect after shrinking.", required=False),
        share("p_adjusted", "Benjamini-Hochberg p; null without a randomised layer."),
        column("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        column("reason", "text", "Why there is no effect.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_MONITOR = Table(
    "experiment_monitor",
    ("experiment_id", "metric", "blocks"),
    "What may be read before the end: an e-process, valid whenever one stops.",
    (
        column("experiment_id", "text", "Experiment."),
        column("metric", "text", "Metric of the catalogue."),
        column("blocks", "bigint", "Blocks seen so far.", low=1),
        column("log_e", "double", "Natural logarithm of the e-value; log 20 stops."),
        column("always_valid_p", "double", "1 over the largest e-value so far.", low=0, high=1),
        column("rel_lo", "double", "Lower end, valid at every look.", required=False),
        column("rel_hi", "double", "Upper end, valid at every look.", required=False),
        column("decision", "text", "What may be done.", values=("continue", "stop")),
    ),
    may_be_empty=True,
)

EXPERIMENT_POWER = Table(
    "experiment_power",
    ("experiment_id", "design", "metric", "days", "effect_share"),
    "What each design would find, simulated on days before the experiment.",
    (
        column("experiment_id", "text", "Experiment."),
        column("design", "text", "Design.", values=DESIGNS),
        column("metric", "text", "Metric of the catalogue."),
        column("days", "bigint", "Length of the experiment.", low=1),
        column("effect_share", "double", "True improvement, relative and positive.", low=0, high=1),
        column("alpha", "double", "Level that Holm uses first.", required=False, low=0, high=1),
        share("power", "Share of runs that find it."),
        share("mde80", "Smallest improvement found with 80 % power."),
        column("runs", "bigint", "Simulated experiments.", low=0),
        column("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        column("reason", "text", "Why the design was refused.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_GOALS = Table(
    "experiment_goals",
    ("goal_id",),
    "Goals of the method, each measured and met, missed or not measured.",
    (
        column("goal_id", "text", "Goal, G1 to G15 and their parts."),
        column("goal_order", "bigint", "Order of printing.", low=1),
        column("meaning", "text", "What is asked."),
        column("target", "text", "The number that had to be reached."),
        column("observed", "text", "What was measured."),
        column("status", "text", "Result.", values=("met", "missed", "not_measured")),
    ),
    may_be_empty=True,
)

TABLES = (
    EXPERIMENT_ASSIGNMENTS,
    EXPERIMENT_COMMUNITIES,
    EXPERIMENT_SERVICE_EFFECTS,
    EXPERIMENT_MONITOR,
    EXPERIMENT_POWER,
    EXPERIMENT_GOALS,
)
