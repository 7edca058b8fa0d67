"""The whole calibration on a data folder: rates, coverage, goals, and the bad methods beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.experiment import tables
from ml.experiment.calibrate import Calibration, calibrate
from ml.experiment.calibrate_covariate import long_rows as long_covariate_rows
from ml.experiment.calibrate_long import Say, calibrate_long, ever_stops, own_power
from ml.experiment.calibrate_past import heavy_rows, past_rows
from ml.experiment.config import ExperimentSettings
from ml.experiment.fleet import FeatureReader, read_fleet
from ml.experiment.goals import Goal, goal_rows, method_goals
from ml.experiment.goals_data import data_goals
from ml.experiment.goals_measured import (
    cross_check_goal,
    forecast_goal,
    guard_rail_goals,
    shadow_goal,
)
from ml.experiment.grid import Sizes
from ml.experiment.metrics import Floats, daily_values, reduce_outcomes
from ml.experiment.plans import consecutive, read_plans
from ml.experiment.result_rows import frame
from ml.experiment.rng import generator
from ml.experiment.world import World
from ml.io import Writer

STAGE = "calibrate"
METRICS = (
    *("latency_mean", "latency_p50", "latency_p95", "latency_p99"),
    *("latency_served_mean", "cost_per_1m"),
)


@dataclass(frozen=True)
class CalibrationResult:
    """Every row and every goal of one calibration."""

    rows: tuple[Calibration, ...]
    goals: tuple[Goal, ...]


def calibrate_all(
    settings: ExperimentSettings,
    daily: Mapping[str, Floats],
    sizes: Sizes,
    say: Say,
) -> CalibrationResult:
    """Measure everything that needs no data folder.

    Args:
        settings: Registered configuration.
        daily: Daily values per metric of one plan in the world of the data; may be empty.
        sizes: Runs of each kind.
        say: Told what is being done and how much of it is done.
    """
    with threadpool_limits(limits=1):
        rows = calibrate_long(settings, sizes, lambda what, part: say(what, 0.6 * (part or 0.0)))
        say("past moves", 0.62)
        rows += long_covariate_rows(settings, sizes)
        rows += past_rows(settings, max(20, sizes.wedge // 2))
        rows += heavy_rows(settings, max(2, sizes.wedge // 6))
        say("daily values of this world, bad methods", 0.7)
        rows += [r for r in calibrate(settings, daily) if not _is_repeated(r)]
        rows += own_power(settings, daily, sizes.size)
        say("looks", 0.8)
        rng = generator(settings.experiment_id, settings.seed, "long", "looks")
        stops = (
            ever_stops(0.0, sizes.monitor, 28, rng),
            ever_stops(-0.10, sizes.monitor, 14, rng),
        )
        say("guard rails, forecast, cross-checks", 0.9)
        goals = [
            *method_goals(rows, stops, sizes.monitor),
            *guard_rail_goals(settings, sizes.size),
            forecast_goal(settings, max(10, sizes.wedge // 5), 200),
            cross_check_goal(settings),
            shadow_goal(settings, sizes.wedge),
        ]
    return CalibrationResult(tuple(rows), tuple(sorted(goals, key=_order)))


def _is_repeated(row: Calibration) -> bool:
    """The long form has its own size of the registered test, from as many distinct worlds."""
    return row.source == "noise_world" and row.estimator == "sign_flip"


def _order(goal: Goal) -> tuple[int, str]:
    digits = "".join(c for c in goal.goal_id if c.isdigit())
    return int(digits), goal.goal_id


def own_daily(
    features: FeatureReader, writer: Writer, world: World | None, settings: ExperimentSettings
) -> dict[str, Floats]:
    """Return the control's daily values of six metrics on the last days its plan knew."""
    plans = read_plans(writer, features, settings, read_fleet(features))
    if world is None or plans.missing:
        return {}
    known = (plans.trained_through - world.history_first_on).days + 1
    count = min(settings.pre_period.days, known)
    days = consecutive(plans.trained_through - timedelta(days=count - 1), count)
    with threadpool_limits(limits=1):
        arm = reduce_outcomes(world.run(plans.bare("control"), days))
        return {name: daily_values(arm, name, warm=True) for name in METRICS}


def write_calibration(
    writer: Writer, found: CalibrationResult, more: tuple[Goal, ...] = ()
) -> tuple[Goal, ...]:
    """Write rates, levels and goals; those of the data folder and of the front desk beside."""
    goals = tuple(sorted([*found.goals, *data_goals(writer), *more], key=_order))
    rows = tables.calibration_rows(found.rows, "long")
    writer.write("experiment_calibration", frame("experiment_calibration", rows), STAGE)
    levels = tables.rejection_rows(found.rows, "long")
    writer.write("experiment_rejections", frame("experiment_rejections", levels), STAGE)
    writer.write("experiment_goals", frame("experiment_goals", goal_rows(goals)), STAGE)
    return goals
