"""The experiment: results, checks, units and calibration."""

from __future__ import annotations

from ml.contract.model import DESIGNS, EXPERIMENT_STATUSES, Table, column, share

EXPERIMENT_RESULTS = Table(
    "experiment_results",
    ("experiment_id", "mode", "metric", "role", "segment", "segment_value"),
    "Effect of the treatment on every metric, by evidence layer.",
    (
        column("experiment_id", "text", "Experiment."),
        column("mode", "text", "Evidence layer.", values=DESIGNS),
        column("metric", "text", "Metric of the catalogue."),
        column("role", "text", "Role.", values=("success", "guardrail", "diagnostic", "segment")),
        column("segment", "text", "`all`, or the dimension it is cut by."),
        column("segment_value", "text", "`all`, or the value of the dimension."),
        column("unit", "text", "Unit of the two arms."),
        column("control", "double", "Control arm.", required=False),
        column("treatment", "double", "Treatment arm.", required=False),
        column("abs_effect", "double", "Treatment minus control.", required=False),
        column("abs_lo", "double", "Lower end.", required=False),
        column("abs_hi", "double", "Upper end.", required=False),
        column("rel_effect", "double", "Relative effect, a share.", required=False),
        column("rel_lo", "double", "Lower end.", required=False),
        column("rel_hi", "double", "Upper end.", required=False),
        column("interval_level", "double", "Level of the interval.", required=False, low=0, high=1),
        column(
            "p_value",
            "double",
            "Sign-flip p; null where nothing was randomised.",
            required=False,
            low=0,
            high=1,
        ),
        column("p_adjusted", "double", "Holm-adjusted p.", required=False, low=0, high=1),
        column(
            "plausible_lo", "double", "Lower end over uncertain inputs, relative.", required=False
        ),
        column(
            "plausible_hi", "double", "Upper end over uncertain inputs, relative.", required=False
        ),
        column("mde80", "double", "Relative effect found with 80 % power.", required=False),
        column("margin", "double", "Guard-rail margin.", required=False),
        column("margin_kind", "text", "relative, absolute, maximum, exact.", required=False),
        column("blocks", "bigint", "Blocks, or replications.", required=False, low=0),
        column(
            "effective_units",
            "double",
            "Equal units that say as much as the weighted ones; of cross-checks only.",
            required=False,
            low=0,
        ),
        column("method", "text", "Estimator and interval.", required=False),
        column(
            "status",
            "text",
            "Whether the row can be read.",
            values=EXPERIMENT_STATUSES,
        ),
        column(
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
        column("reason", "text", "Why it was refused or judged so.", required=False),
    ),
)

EXPERIMENT_METRICS = Table(
    "experiment_metrics",
    ("experiment_id", "metric", "role"),
    "What is measured, in which role, and what is asked of it, as registered.",
    (
        column("experiment_id", "text", "Experiment."),
        column("metric", "text", "Metric of the catalogue."),
        column("role", "text", "Role.", values=("success", "guardrail", "diagnostic")),
        column("kind", "text", "Kind.", values=("ratio", "quantile", "share", "count")),
        column("quantile_share", "double", "Which quantile.", required=False, low=0, high=1),
        column("numerator", "text", "What is summed."),
        column("denominator", "text", "What it is divided by."),
        column("unit", "text", "Unit."),
        column("is_lower_better", "boolean", "Whether less is better."),
        column("margin", "double", "Margin of a guard rail.", required=False),
        column(
            "margin_kind",
            "text",
            "Kind of the margin; null where there is none.",
            required=False,
            values=("relative", "absolute", "maximum", "exact"),
        ),
        share("smallest_effect_share", "Smallest effect worth finding, relative."),
        column("alpha", "double", "Level of the test.", required=False, low=0, high=1),
        column(
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
        column("experiment_id", "text", "Experiment."),
        column("check_name", "text", "What was checked."),
        column("scope", "text", "Layer or slice."),
        column("observed", "text", "What was seen."),
        column("expected", "text", "What had to hold."),
        column("status", "text", "Result.", values=("green", "red", "not_testable")),
    ),
)

EXPERIMENT_UNITS = Table(
    "experiment_units",
    ("experiment_id", "metric", "block_id", "observed_on"),
    "Switchback days: the arm of the day and the metric.",
    (
        column("experiment_id", "text", "Experiment."),
        column("metric", "text", "Metric of the catalogue."),
        column("block_id", "bigint", "Pair of neighbouring days.", low=0),
        column("observed_on", "date", "Day."),
        column("arm", "text", "Arm of the day.", values=("control", "treatment")),
        column("value", "double", "Metric of the day.", required=False),
        column("unit", "text", "Unit of the value."),
        column(
            "covariate",
            "double",
            "What the test takes off the logarithm of the value; null without a covariate.",
            required=False,
        ),
        column("offered_requests", "bigint", "Demand of the day.", low=0),
    ),
    may_be_empty=True,
)

EXPERIMENT_CLASSIC = Table(
    "experiment_classic_report",
    ("experiment_id", "line"),
    "The lines readers expect, both arms, on all demand.",
    (
        column("experiment_id", "text", "Experiment."),
        column("line", "text", "Name of the line."),
        column("line_order", "bigint", "Order of printing.", low=1),
        column("unit", "text", "Unit."),
        column("control", "double", "Control arm.", required=False),
        column("treatment", "double", "Treatment arm.", required=False),
        column("change_abs", "double", "Treatment minus control.", required=False),
        column("change_share", "double", "Relative change.", required=False),
        column("definition", "text", "How it is computed."),
        column("label", "text", "Warning or note that belongs to the line.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_BASELINES = Table(
    "experiment_baselines",
    ("experiment_id", "plan_name"),
    "The treatment among random plans of equal budget and simple rules, on the same demand.",
    (
        column("experiment_id", "text", "Experiment."),
        column("plan_name", "text", "Plan."),
        column(
            "family",
            "text",
            "Family.",
            values=("treatment", "control", "random_matched", "greedy_nearest", "cheapest"),
        ),
        column("mean_latency_ms", "double", "Request-weighted mean latency.", low=0),
        column("cost_usd_per_million", "double", "Cost per million requests.", low=0),
        column("redundancy", "double", "Mean number of regions per service.", low=0),
        column("instance_hours", "double", "Instance hours.", low=0),
        column("objective_usd_per_hour", "double", "Cost plus priced waiting, per hour.", low=0),
        column("latency_rank", "bigint", "1 is fastest.", low=1),
        column(
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
        column("form", "text", "Of every build, or the long form.", values=("short", "long")),
        column("source", "text", "Where the worlds come from."),
        column("design", "text", "Design."),
        column("metric", "text", "Metric."),
        column("estimator", "text", "Estimator."),
        column("scenario", "text", "Scenario."),
        column("runs", "bigint", "Runs.", low=1),
        column(
            "false_positive_rate", "double", "Share of p <= 0.05.", required=False, low=0, high=1
        ),
        column("rate_lo", "double", "Wilson interval.", required=False, low=0, high=1),
        column("rate_hi", "double", "Wilson interval.", required=False, low=0, high=1),
        share("coverage", "Share of intervals that hold the truth."),
        share("coverage_lo", "Wilson interval."),
        share("coverage_hi", "Wilson interval."),
        share("power", "Share of p <= 0.05 where something differs."),
        column(
            "bias_points", "double", "Mean estimate minus truth, percentage points.", required=False
        ),
        share("ks_p_uniform", "Kolmogorov-Smirnov p of the p-values against the uniform."),
        column("is_canary", "boolean", "A bad method that must be caught."),
        column("status", "text", "Result.", values=("green", "red")),
    ),
    may_be_empty=True,
)

EXPERIMENT_REJECTIONS = Table(
    "experiment_rejections",
    ("form", "source", "design", "metric", "estimator", "scenario", "nominal_level"),
    "How many p-values lie at or below each level when nothing differs: as many as the level says.",
    (
        column("form", "text", "Of every build, or the long form.", values=("short", "long")),
        column("source", "text", "Where the worlds come from."),
        column("design", "text", "Design."),
        column("metric", "text", "Metric."),
        column("estimator", "text", "Estimator."),
        column("scenario", "text", "Scenario."),
        column("nominal_level", "double", "Level of the test.", low=0, high=1),
        column("runs", "bigint", "Runs.", low=1),
        column("rejected_share", "double", "Share of p at or below the level.", low=0, high=1),
        column("rejected_lo", "double", "Wilson interval, this level alone.", low=0, high=1),
        column("rejected_hi", "double", "Wilson interval, this level alone.", low=0, high=1),
        column(
            "band_lo",
            "double",
            "Least share of uniform p-values, 95 %, all levels at once.",
            low=0,
            high=1,
        ),
        column(
            "band_hi",
            "double",
            "Largest share of uniform p-values, 95 %, all levels at once.",
            low=0,
            high=1,
        ),
        column("is_canary", "boolean", "A bad method that must be caught."),
    ),
    may_be_empty=True,
)

EXPERIMENT_VERDICT = Table(
    "experiment_verdict",
    ("experiment_id",),
    "The decision of the experiment.",
    (
        column("experiment_id", "text", "Experiment."),
        column(
            "verdict", "text", "Decision.", values=("ship", "no_ship", "inconclusive", "invalid")
        ),
        column("reasons", "text", "Reasons, joined by `; `."),
        column("config_sha256", "text", "Hash registered before the run."),
        column("control_plan_id", "text", "Control plan."),
        column("treatment_plan_id", "text", "Treatment plan.", required=False),
        column("train_through_on", "date", "Last day the plan may know."),
        column("evaluate_from_on", "date", "First day of the evaluation.", required=False),
        column("evaluate_days", "bigint", "Days of the evaluation.", low=0),
        column("in_sample_gain_share", "double", "Gain on days the plan knew.", required=False),
        column("out_of_sample_gain_share", "double", "Gain on later days.", required=False),
        column(
            "coin_redraws_significant_share",
            "double",
            "Other coin sequences with p < 0.05.",
            required=False,
            low=0,
            high=1,
        ),
    ),
)

TABLES = (
    EXPERIMENT_RESULTS,
    EXPERIMENT_METRICS,
    EXPERIMENT_CHECKS,
    EXPERIMENT_UNITS,
    EXPERIMENT_CLASSIC,
    EXPERIMENT_BASELINES,
    EXPERIMENT_CALIBRATION,
    EXPERIMENT_REJECTIONS,
    EXPERIMENT_VERDICT,
)
