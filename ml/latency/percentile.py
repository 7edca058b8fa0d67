"""The p95: a mixture over callers of times inside with a mean and a variance, and trees on top.

Percentiles are never averaged; everything is fitted on daily percentiles of single rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from ml.latency.conformal import conformal_quantile, service_widths
from ml.latency.graph import FloatArray
from ml.latency.lasting import Placements, lasting_quantile, lasting_scale, placement_errors
from ml.latency.model import Data, Rows
from ml.latency.p95_data import P95Rows, own_time_ms, physics_log_ratio
from ml.latency.physics import Physics
from ml.latency.residual import correction, fit_trees, matrix
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split
from ml.latency.variation import Variations, fit_variations

# Three times the physics, or a third of it: what trees say beyond that rests on nothing.
MAX_LOG_CORRECTION = float(np.log(3.0))


@dataclass(frozen=True)
class Percentile:
    """p95 over predicted mean, in logs.

    Attributes:
        variation: Coefficient of variation of the own time of each service, (S,).
        calls_variance_ms2: Variance of the waiting for calls in the history, ms², (S, R, D).
        trees: Correction of the mixture.
        width: Scale of the error of each service, (S,).
        quantile: One-sided conformal quantile of the scores of single days, at the stated level.
        lasting: The same of the mean scores of placements; None where too few were seen.
    """

    variation: FloatArray
    calls_variance_ms2: FloatArray
    trees: xgb.Booster
    width: FloatArray
    quantile: float
    lasting: float | None

    def own_sd_ms(self, rows: Rows, service: NDArray[np.int64]) -> FloatArray:
        """Return the standard deviation of the own time of a request, ms, (N,).

        Args:
            rows: Rows in the terms of the model.
            service: Service of each row.
        """
        spread: FloatArray = self.variation[service] * own_time_ms(rows)
        return spread

    def log_correction(self, rows: Rows) -> FloatArray:
        """Return the logarithm of what the p95 of the physics is multiplied by, (N,)."""
        return _log_correction(self.trees, rows)

    def physics_log_factor(self, p95: P95Rows) -> FloatArray:
        """Return ln(p95 / mean) of the physics alone, rows of the history, (N,)."""
        calls = self.calls_variance_ms2[p95.service, p95.region, p95.day]
        return physics_log_ratio(p95, self.variation[p95.service], calls)

    def log_factor(self, p95: P95Rows) -> FloatArray:
        """Return ln(p95 / mean), rows of the history, (N,)."""
        return self.physics_log_factor(p95) + self.log_correction(p95.rows)

    def log_upper(self, service: NDArray[np.int64]) -> FloatArray:
        """Return what to add to :meth:`log_factor` for the upper bound of one day."""
        upper: FloatArray = self.quantile * self.width[service]
        return upper

    def log_lasting_upper(self, service: NDArray[np.int64]) -> FloatArray:
        """Return what to add to :meth:`log_factor` for the upper bound over weeks.

        Where too few placements were seen, what holds for a day stands in: it is wider.
        """
        if self.lasting is None:
            return self.log_upper(service)
        upper: FloatArray = self.lasting * lasting_scale(self.width)[service]
        return upper


def _log_correction(trees: xgb.Booster, rows: Rows) -> FloatArray:
    found = correction(trees, matrix(rows.features, "p95"))
    return np.clip(found, -MAX_LOG_CORRECTION, MAX_LOG_CORRECTION)


def fit_percentile(
    data: Data, physics: Physics, p95: P95Rows, split: Split, settings: LatencySettings
) -> Percentile | None:
    """Fit on training days, size the bound on calibration days; None with too few rows."""
    train, held = np.flatnonzero(split.train(p95.day)), np.flatnonzero(split.calibration(p95.day))
    if len(train) < settings.min_train_rows or len(held) < settings.min_group_rows:
        return None
    varies: Variations = fit_variations(data, physics, p95, train)
    calls = varies.calls_ms2[p95.service, p95.region, p95.day]
    start = physics_log_ratio(p95, varies.own[p95.service], calls)
    target = (p95.log_observed_ratio - start)[train]
    trees = fit_trees(matrix(p95.rows.features, "p95", train), target, "p95", settings)
    error = p95.log_observed_ratio - start - _log_correction(trees, p95.rows)
    services = len(data.fleet.services)
    widths = service_widths(error, p95.service, split.train(p95.day), services, settings)
    scores = error[held] / widths.service[p95.service[held]]
    quantile = max(0.0, conformal_quantile(scores, settings.level))
    # The margin in service follows all days that the model did not learn from, as far as their
    # labels are known: more placements, and errors as old as those that it will meet.
    recent = ~split.train(p95.day) & (p95.day < split.days - settings.label_delay_days)
    seen = placements_of(p95, error, recent, settings)
    lasting = lasting_quantile(seen, widths.service, settings.level)
    known = lasting if np.isfinite(lasting) else None
    return Percentile(varies.own, varies.calls_ms2, trees, widths.service, quantile, known)


def placements_of(
    p95: P95Rows, error: FloatArray, keep: NDArray[np.bool_], settings: LatencySettings
) -> Placements:
    """Return the mean errors of placements over some days.

    Args:
        p95: Rows with a p95.
        error: Log of observed over predicted p95, one per row of ``p95``.
        keep: Rows to use.
        settings: Fewest days of a placement.
    """
    service, region = p95.service[keep], p95.region[keep]
    return placement_errors(error[keep], service, region, settings.lasting_days)


def service_ratio(p95: P95Rows, train: NDArray[np.bool_], services: int) -> FloatArray:
    """Return the plain answer: the median log ratio of each service on training days."""
    frame = pd.DataFrame({"service": p95.service[train], "ratio": p95.log_observed_ratio[train]})
    own = frame.groupby("service")["ratio"].median().reindex(range(services))
    fleet = float(frame["ratio"].median())
    return own.fillna(fleet).to_numpy(np.float64)
