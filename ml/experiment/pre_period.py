"""Days the plans knew: what the gain looked like in hindsight, and how noisy days are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from ml.experiment.baselines import objective
from ml.experiment.config import ExperimentSettings
from ml.experiment.covariate import METRICS, Covariate, fit
from ml.experiment.metrics import Arm, Floats, daily_values, reduce_outcomes, total_value
from ml.experiment.plans import PlanSet, consecutive
from ml.experiment.world import World


@dataclass(frozen=True)
class Gains:
    """Gain (a positive share is better) by name, on days the plan knew and on later days."""

    in_sample: Mapping[str, float]
    out_of_sample: Mapping[str, float]

    def ratio(self, name: str) -> float:
        """Return in-sample over out-of-sample gain; NaN where the latter is 0."""
        later = self.out_of_sample.get(name, math.nan)
        known = self.in_sample.get(name, math.nan)
        return known / later if later and np.isfinite(later) else math.nan


@dataclass(frozen=True)
class PrePeriod:
    """Days the plans knew: the control's daily values, and the gains in hindsight.

    ``covariates`` hold what was fitted on these days, where a covariate is registered; ``control``
    its outcomes on them.
    """

    daily: dict[str, Floats]
    gains: dict[str, float]
    covariates: dict[str, Covariate] = field(default_factory=dict)
    control: Arm | None = None

    @property
    def tested(self) -> dict[str, Floats]:
        """Return the daily values as the registered test would see them."""
        return self.daily | adjusted_days(self.covariates)


def gains_of(control: Arm, treatment: Arm, prices: Floats) -> dict[str, float]:
    """Return the share saved in latency, cost and objective; positive is better."""

    def gain(after: float, before: float) -> float:
        return 1 - after / before if before else math.nan

    return {
        "latency_mean": gain(
            total_value(treatment, "latency_mean"), total_value(control, "latency_mean")
        ),
        "cost_per_1m": gain(
            total_value(treatment, "cost_per_1m"), total_value(control, "cost_per_1m")
        ),
        "objective": gain(objective(treatment, prices), objective(control, prices)),
    }


def run_pre_period(
    world: World, plans: PlanSet, settings: ExperimentSettings, prices: Floats
) -> PrePeriod:
    """Run both plans on the last days the plans knew; histograms for the control only."""
    known = (plans.trained_through - world.history_first_on).days + 1
    count = min(settings.pre_period.days, known)
    if count < 2:
        return PrePeriod({}, {})
    days = consecutive(plans.trained_through - timedelta(days=count - 1), count)
    control = reduce_outcomes(world.run(plans.bare("control"), days))
    treatment = reduce_outcomes(world.run(plans.bare("treatment"), days, detail=False))
    names = {*settings.metrics.success, "latency_p99"}
    daily = {name: daily_values(control, name, warm=True) for name in sorted(names)}
    covariates = fit_covariates(settings, control)
    return PrePeriod(daily, gains_of(control, treatment, prices), covariates, control)


def fit_covariates(settings: ExperimentSettings, control: Arm) -> dict[str, Covariate]:
    """Return the registered covariates by metric, fitted on days before the experiment."""
    if settings.switchback.covariate is None:
        return {}
    found = {name: fit(control, name) for name in METRICS if name in settings.metrics.success}
    return {name: covariate for name, covariate in found.items() if covariate is not None}


def adjusted_days(covariates: Mapping[str, Covariate]) -> dict[str, Floats]:
    """Return the control's days before, less what covariates take off that did not know them."""
    return {name: covariate.before for name, covariate in covariates.items()}
