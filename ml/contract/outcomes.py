"""Past moves, simulated outcomes, what became of advice, and what could not be done."""

from __future__ import annotations

from ml.contract.model import EXPERIMENT_STATUSES, SERVICE, Table, column, share

EXPERIMENT_MOVES = Table(
    "experiment_moves",
    ("experiment_id", "service_id", "moved_on", "estimator"),
    "Past moves of services, every estimator side by side, graded by how far one may trust them.",
    (
        column("experiment_id", "text", "Experiment."),
        SERVICE,
        column("moved_on", "date", "First day under the new regions."),
        column(
            "estimator",
            "text",
            "How the counterfactual was made.",
            values=(
                *("before_after", "did", "gap_did", "matched_did"),
                *("synthetic_control", "sdid"),
            ),
        ),
        column("from_regions", "text", "Regions before."),
        column("to_regions", "text", "Regions after."),
        column("rel_effect", "double", "Relative effect on mean latency.", required=False),
        column("rel_lo", "double", "Lower end of the placebo band.", required=False),
        column("rel_hi", "double", "Upper end of the placebo band.", required=False),
        share("placebo_p", "Share of fake moves at least as large, ours counted."),
        column("placebos", "bigint", "Fake moves.", low=0),
        column(
            "grade",
            "text",
            "A to D; null where refused.",
            required=False,
            values=("A", "B", "C", "D"),
        ),
        column("move_reason", "text", "Recorded reason of the move, or unknown."),
        share("traffic_share", "Share of all requests."),
        column("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        column("reason", "text", "Why it was refused or graded so.", required=False),
        column(
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
        column("experiment_id", "text", "Experiment."),
        column("move_id", "text", "Service and day of the move; `all` for all readable moves."),
        column("service_id", "text", "Service; null for all.", required=False),
        column(
            "moved_on", "date", "First day under the new regions; null for all.", required=False
        ),
        column(
            "diagnostic",
            "text",
            "What was looked at.",
            values=("lead", "spike", "spread", "neighbour_spill"),
        ),
        column("rel_value", "double", "Its size, a relative change of latency.", required=False),
        column(
            "rel_band",
            "double",
            "What 95 % of fake moves stay within, on the same side.",
            required=False,
        ),
        share("placebo_p", "Share of fake moves at least as large, ours counted."),
        column("is_unusual", "boolean", "Whether fewer than 5 % of fake moves do.", required=False),
        column("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        column("reason", "text", "Why it cannot be told.", required=False),
    ),
    may_be_empty=True,
)

EXPERIMENT_EVENT_STUDY = Table(
    "experiment_event_study",
    ("experiment_id", "move_id", "days_from_move"),
    "Latency round past moves, less that of services that stayed, day by day.",
    (
        column("experiment_id", "text", "Experiment."),
        column("move_id", "text", "Service and day of the move; `all` for the mean of all."),
        column("service_id", "text", "Service; null for all.", required=False),
        column(
            "moved_on", "date", "First day under the new regions; null for all.", required=False
        ),
        column("days_from_move", "bigint", "Day, 0 is the first under the new regions.", low=-366),
        column("moves", "bigint", "Moves that tell this day.", low=1),
        column("rel_gap", "double", "Relative gap to services that stayed, 0 on average before."),
        column("rel_lo", "double", "Lower end of the pointwise placebo band.", required=False),
        column("rel_hi", "double", "Upper end of the pointwise placebo band.", required=False),
        column("grade", "text", "A to D, of the move or of all.", values=("A", "B", "C", "D")),
    ),
    may_be_empty=True,
)

EXPERIMENT_DEMAND = Table(
    "experiment_demand",
    ("experiment_id", "arm", "outcome"),
    "What became of every request offered to each arm, all hours of the full run.",
    (
        column("experiment_id", "text", "Experiment."),
        column("arm", "text", "Arm.", values=("control", "treatment")),
        column("outcome", "text", "What became of them.", values=("served", "errored", "dropped")),
        column("requests", "bigint", "Requests.", low=0),
        column("offered_requests", "bigint", "Requests offered to the arm.", low=0),
        share("offered_share", "Share of the requests offered; the three sum to 1."),
    ),
    may_be_empty=True,
)

EXPERIMENT_QUANTILES = Table(
    "experiment_quantiles",
    ("experiment_id", "mode", "quantile_share"),
    "The effect at every percentile of the fleet's latency; pointwise bands, no p-values.",
    (
        column("experiment_id", "text", "Experiment."),
        column("mode", "text", "Evidence layer.", values=("twin", "switchback")),
        column("quantile_share", "double", "Share of requests that are faster.", low=0, high=1),
        column("control_ms", "double", "Quantile of the control.", required=False, low=0),
        column("treatment_ms", "double", "Quantile of the treatment.", required=False, low=0),
        column("rel_effect", "double", "Relative effect.", required=False),
        column("rel_lo", "double", "Lower end, for this quantile alone.", required=False),
        column("rel_hi", "double", "Upper end, for this quantile alone.", required=False),
        column("interval_level", "double", "Level of the band.", low=0, high=1),
    ),
    may_be_empty=True,
)

RECOMMENDATION_OUTCOMES = Table(
    "recommendation_outcomes",
    ("recommendation_id",),
    "What became of advice that was followed: predicted against realised.",
    (
        column("recommendation_id", "text", "Recommendation of an earlier build."),
        column("plan_id", "text", "Plan that it belongs to."),
        SERVICE,
        column("advised_through_on", "date", "Last day that the advice knew."),
        column("moved_on", "date", "First day under the advised regions.", required=False),
        column("from_regions", "text", "Regions before."),
        column("to_regions", "text", "Regions advised."),
        column(
            "predicted_effect",
            "double",
            "Predicted relative change of mean latency.",
            required=False,
        ),
        column("predicted_lo", "double", "Lower end.", required=False),
        column("predicted_hi", "double", "Upper end.", required=False),
        column(
            "interval_level", "double", "Level of that interval.", required=False, low=0, high=1
        ),
        column("realised_effect", "double", "Matched before-and-after change.", required=False),
        column("realised_lo", "double", "Lower end of the placebo band.", required=False),
        column("realised_hi", "double", "Upper end of the placebo band.", required=False),
        column("is_covered", "boolean", "Whether the predicted interval holds it.", required=False),
        column(
            "grade",
            "text",
            "A to D; null where refused.",
            required=False,
            values=("A", "B", "C", "D"),
        ),
        column(
            "error_ratio",
            "double",
            "Error over half the predicted interval.",
            required=False,
            low=0,
        ),
        column("status", "text", "Whether the row can be read.", values=EXPERIMENT_STATUSES),
        column("reason", "text", "Why nothing was realised or may be read.", required=False),
    ),
    may_be_empty=True,
)

SIM_OUTCOMES = Table(
    "sim_outcomes",
    ("experiment_id", "arm", "service_id", "origin_id", "hour_index"),
    "What happened to every request of the full run; written on request only, read by the gate.",
    (
        column("experiment_id", "text", "Experiment."),
        column("arm", "text", "Arm.", values=("control", "treatment")),
        SERVICE,
        column("origin_id", "text", "Origin of the users."),
        column("hour_index", "bigint", "Hours since the first evaluation day began, UTC.", low=0),
        column("placed_on", "date", "Day of the hour."),
        column("plan_id", "text", "Plan of the arm."),
        column("offered_requests", "bigint", "Offered.", low=0),
        column("served_requests", "bigint", "Answered in time.", low=0),
        column("errored_requests", "bigint", "Answered with an error.", low=0),
        column("dropped_requests", "bigint", "Never answered.", low=0),
        column("latency_sum_us", "bigint", "Latency of served requests, microseconds.", low=0),
        column(
            "imputed_sum_us", "bigint", "The same, others at the time-out, microseconds.", low=0
        ),
        column("slo_violations", "bigint", "Requests above the objective.", low=0),
    ),
    may_be_empty=True,
)

SIM_LATENCY_HIST = Table(
    "sim_latency_hist",
    ("experiment_id", "arm", "placed_on", "in_warmup", "bin"),
    "Fleet latency of the full run by day in bins that add up; written on request only.",
    (
        column("experiment_id", "text", "Experiment."),
        column("arm", "text", "Arm.", values=("control", "treatment")),
        column("placed_on", "date", "Day."),
        column("in_warmup", "boolean", "First hours of the day, left out of the switchback."),
        column("bin", "bigint", "Bin, 0 is below 0.5 ms, 2 % wide, the last above 60 s.", low=0),
        column("requests", "double", "Requests in the bin.", low=0),
    ),
    may_be_empty=True,
)


RUN_DEGRADATIONS = Table(
    "run_degradations",
    ("code", "scope"),
    "What the computation could not do with these data, beside what dbt sees in them.",
    (
        column("code", "text", "Reason code, upper case."),
        column("scope", "text", "fleet, or the service or region concerned."),
        column("detail", "text", "In words, with numbers."),
    ),
    may_be_empty=True,
)

TABLES = (
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
