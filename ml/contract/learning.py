"""Predictions of latency and of the number of regions, and how good they are."""

from __future__ import annotations

from ml.contract.model import MODEL, REGION, SERVICE, Table, column

SPLITS = ("train", "calibration", "test")

LATENCY_PREDICTIONS = Table(
    "latency_predictions",
    ("service_id", "region_id", "placed_on"),
    "Mean latency predicted for every service, region and day of the history.",
    (
        SERVICE,
        REGION,
        column("placed_on", "date", "Day on which the service ran there."),
        MODEL,
        column("split", "text", "Which part of the history the row belongs to.", values=SPLITS),
        column("observed_ms", "double", "Observed caller-side mean latency.", low=0),
        column("predicted_ms", "double", "Predicted caller-side mean latency.", low=0),
        column("predicted_lo_ms", "double", "Lower end of the prediction interval.", low=0),
        column("predicted_hi_ms", "double", "Upper end of the prediction interval.", low=0),
        column("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
        column("physics_ms", "double", "Physics estimate the residual model starts from.", low=0),
        column("network_ms", "double", "Part of the physics estimate due to the network.", low=0),
        column("dependency_ms", "double", "Part due to calls of other services.", low=0),
        column("cpu_ms", "double", "Part due to CPU work.", low=0),
        column("queue_ms", "double", "Part due to waiting for a worker.", low=0),
        column("base_ms", "double", "Part that the physics does not explain.", low=0),
        column("utilization", "double", "Request-weighted utilisation rho.", required=False, low=0),
    ),
)

LATENCY_CANDIDATES = Table(
    "latency_candidates",
    ("service_id", "region_id", "utilization_bucket"),
    "What a service would add in a region at a load, before the way from the caller is added.",
    (
        SERVICE,
        REGION,
        column("utilization_bucket", "double", "Utilisation the row holds for.", low=0, high=1),
        MODEL,
        column("internal_ms", "double", "Own work, queue and calls to other services.", low=0),
        column(
            "calls_ms",
            "double",
            "Part of internal_ms that waits for calls, as the model sees today's plan.",
            low=0,
        ),
        column("network_weight", "double", "Round trips per request, times RTT.", low=0),
        column("residual_factor", "double", "Learned correction of the physics sum.", low=0),
        column(
            "own_sd_ms",
            "double",
            "Standard deviation of the own time of a request; null without a p95 model.",
            required=False,
            low=0,
        ),
        column("mean_lo_factor", "double", "Lower interval end over the mean.", low=0),
        column("mean_hi_factor", "double", "Upper interval end over the mean.", low=0),
        column(
            "p95_factor",
            "double",
            "Factor on the p95 that mean and variance give; p95 over the mean where own_sd_ms is "
            "null.",
            required=False,
            low=0,
        ),
        column("p95_hi_factor", "double", "Its upper bound.", required=False, low=0),
        column("interval_level", "double", "Stated coverage of the interval.", low=0.5, high=0.999),
        column("is_extrapolated", "boolean", "The service never ran in this region."),
    ),
)

LATENCY_CALLS = Table(
    "latency_calls",
    ("caller_service_id", "callee_service_id"),
    "Synchronous calls the model knows, with what one request of the caller waits for them.",
    (
        column("caller_service_id", "text", "Service that calls; one row of dim_services."),
        column("callee_service_id", "text", "Service that is called; one row of dim_services."),
        MODEL,
        column(
            "latency_factor",
            "double",
            "Answer times of the callee that one request of the caller waits for, as its history "
            "says.",
            low=0,
        ),
        column("traced_factor", "double", "The same as tracing shows it.", low=0),
    ),
    may_be_empty=True,
)

MODEL_METRICS = Table(
    "model_metrics",
    ("model_name", "variant", "split", "slice", "metric"),
    "How good each model and each baseline is, on the same rows.",
    (
        column("model_name", "text", "Which model.", values=("latency", "latency_p95", "strategy")),
        column("variant", "text", "`model`, or the name of the baseline measured beside it."),
        column(
            "split", "text", "forward, unseen_service, unseen_region, new_placement_set, grouped."
        ),
        column("slice", "text", "`all`, or the rows it was measured on."),
        column("metric", "text", "r2, within_r2, mae_ms, rmse_ms, mape, coverage, accuracy, ..."),
        column("value", "double", "Measured value.", required=False),
        column("goal_low", "double", "Smallest value that meets the goal.", required=False),
        column("goal_high", "double", "Largest value that meets the goal.", required=False),
        column(
            "status",
            "text",
            "Whether the goal was met.",
            values=("met", "missed", "reported", "insufficient"),
        ),
        column("rows", "bigint", "Rows measured on.", low=0),
        MODEL,
    ),
)

FEATURE_IMPORTANCES = Table(
    "feature_importances",
    ("model_name", "method", "slice", "feature"),
    "What the predictions rest on.",
    (
        column("model_name", "text", "Which model.", values=("latency", "strategy")),
        column(
            "method",
            "text",
            "How it was measured.",
            values=("grouped_permutation", "shap", "component_share", "permutation"),
        ),
        column("slice", "text", "`all`, or the rows it was measured on."),
        column("feature", "text", "Feature or group of features."),
        column("importance", "double", "Measured importance."),
        column("unit", "text", "Unit of the importance."),
        column("importance_rank", "bigint", "1 is the most important.", low=1),
        MODEL,
    ),
    may_be_empty=True,
)

STRATEGY_PREDICTIONS = Table(
    "strategy_predictions",
    ("service_id", "cut_on"),
    "Number of regions a service is expected to need, by the random forest.",
    (
        SERVICE,
        column("cut_on", "date", "Last day the features may know."),
        MODEL,
        column("split", "text", "train, test, or current (no label yet)."),
        column("predicted_class", "text", "Predicted class.", values=("single", "dual", "multi")),
        column("single_probability", "double", "Probability of one region.", low=0, high=1),
        column("dual_probability", "double", "Probability of two regions.", low=0, high=1),
        column("multi_probability", "double", "Probability of three or more.", low=0, high=1),
        column(
            "optimal_class",
            "text",
            "What the optimiser chose on the next 14 days.",
            required=False,
            values=("single", "dual", "multi"),
        ),
        column("cost_regret_share", "double", "Extra cost of the predicted class.", required=False),
    ),
    may_be_empty=True,
)

TABLES = (
    LATENCY_PREDICTIONS,
    LATENCY_CANDIDATES,
    LATENCY_CALLS,
    MODEL_METRICS,
    FEATURE_IMPORTANCES,
    STRATEGY_PREDICTIONS,
)
