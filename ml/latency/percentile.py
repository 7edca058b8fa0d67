"""The p95: a mixture over callers, with a variation per service, and trees on what is left.

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
from ml.latency.mixture import Callers, callers_of, mixture_p95, single_caller_p95
from ml.latency.model import Core, Data, Rows, thin
from ml.latency.residual import correction, fit_trees, matrix
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split

# Coefficients of variation tried for each service: from a constant to a very long tail.
VARIATIONS = (0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.9, 1.15, 1.5, 2.0, 2.8)
MAX_LOG_RATIO = 5.0
# A median over sixty days tells neighbouring variations apart; more rows only cost time.
_ROWS_PER_SERVICE = 60


@dataclass(frozen=True)
class Percentile:
    """p95 over predicted mean, in logs.

    Attributes:
        variation: Coefficient of variation of the time inside each service, (S,).
        trees: Correction of the mixture.
        width: Scale of the error of each service, (S,).
        quantile: One-sided conformal quantile of the scores of single days, at the stated level.
        lasting: The same of the mean scores of placements; None where too few were seen.
    """

    variation: FloatArray
    trees: xgb.Booster
    width: FloatArray
    quantile: float
    lasting: float | None

    def log_factor(
        self,
        rows: Rows,
        service: NDArray[np.int64],
        trips: FloatArray,
        callers: Callers | None,
    ) -> FloatArray:
        """Return ln(p95 / mean) of every row, at least 0: a p95 is no smaller than the mean.

        Args:
            rows: Rows in the terms of the model.
            service: Service of each row.
            trips: Round trips per request.
            callers: Who calls; None for one caller at the row's mean round trip.
        """
        start = log_ratio(rows, trips, callers, self.variation[service])
        learned = start + correction(self.trees, matrix(rows.features, "p95"))
        return np.clip(learned, 0.0, MAX_LOG_RATIO)

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


def log_ratio(
    rows: Rows, trips: FloatArray, callers: Callers | None, variation: FloatArray
) -> FloatArray:
    """Return ln(p95 / mean) of the physics alone."""
    inside = np.maximum(rows.phys_ms - rows.parts["network_ms"], 0.0)
    if callers is None:
        p95 = single_caller_p95(rows.parts["network_ms"], inside, variation)
    else:
        p95 = mixture_p95(callers, trips, inside, variation)
    ratio: FloatArray = np.log(np.maximum(p95, 1e-6) / rows.phys_ms)
    return ratio


@dataclass(frozen=True)
class P95Rows:
    """The rows that the p95 is fitted and judged on: labelled, thinned, with their callers."""

    at: NDArray[np.int64]
    rows: Rows
    service: NDArray[np.int64]
    trips: FloatArray
    callers: Callers
    observed_ms: FloatArray
    log_observed_ratio: FloatArray


def p95_rows_of(
    data: Data, core: Core, rows: Rows, predicted_ms: FloatArray, settings: LatencySettings
) -> P95Rows:
    """Return the rows with a p95; every k-th where there are more than ``fold_rows``."""
    p95 = pd.to_numeric(data.inputs.rows["p95_ms"], errors="coerce")
    values = p95.to_numpy(np.float64, na_value=np.nan)
    known = data.columns.is_labelled & (np.nan_to_num(values) > 0)
    at = thin(np.flatnonzero(known), settings.fold_rows)
    flows = data.inputs.flows
    callers = callers_of(
        flows["row"].to_numpy(np.int64),
        flows["share"].to_numpy(np.float64),
        flows["rtt_ms"].to_numpy(np.float64),
        at,
    )
    service = data.columns.service[at]
    ratio = np.log(values[at] / predicted_ms[at])
    trips = core.physics.own.trips[service]
    return P95Rows(at, rows.take(at), service, trips, callers, values[at], ratio)


def fit_percentile(
    data: Data, p95: P95Rows, split: Split, settings: LatencySettings
) -> Percentile | None:
    """Fit on training days, size the bound on calibration days; None with too few rows."""
    day = data.day[p95.at]
    train, held = np.flatnonzero(split.train(day)), np.flatnonzero(split.calibration(day))
    if len(train) < settings.min_train_rows or len(held) < settings.min_group_rows:
        return None
    variation = _fit_variation(data, p95, train)
    start = log_ratio(p95.rows, p95.trips, p95.callers, variation[p95.service])
    target = (p95.log_observed_ratio - start)[train]
    features = p95.rows.features
    trees = fit_trees(matrix(features, "p95", train), target, "p95", settings)
    fitted = np.clip(start + correction(trees, matrix(features, "p95")), 0.0, MAX_LOG_RATIO)
    error = p95.log_observed_ratio - fitted
    services = len(data.fleet.services)
    widths = service_widths(error, p95.service, split.train(day), services, settings)
    scores = error[held] / widths.service[p95.service[held]]
    quantile = max(0.0, conformal_quantile(scores, settings.level))
    # The margin in service follows all days that the model did not learn from, as far as their
    # labels are known: more placements, and errors as old as those that it will meet.
    recent = ~split.train(day) & (day < split.days - settings.label_delay_days)
    seen = placements_of(data, p95, error, recent, settings)
    lasting = lasting_quantile(seen, widths.service, settings.level)
    known = lasting if np.isfinite(lasting) else None
    return Percentile(variation, trees, widths.service, quantile, known)


def placements_of(
    data: Data, p95: P95Rows, error: FloatArray, keep: NDArray[np.bool_], settings: LatencySettings
) -> Placements:
    """Return the mean errors of placements over some days.

    Args:
        data: Everything known.
        p95: Rows with a p95.
        error: Log of observed over predicted p95, one per row of ``p95``.
        keep: Rows to use.
        settings: Fewest days of a placement.
    """
    region = data.region[p95.at]
    return placement_errors(error[keep], p95.service[keep], region[keep], settings.lasting_days)


def _fit_variation(data: Data, p95: P95Rows, train: NDArray[np.int64]) -> FloatArray:
    """Return the variation of each service that misses its p95 least, in the median of logs.

    Services without a p95 take the median of their template, else of the fleet.
    """
    train = thin(train, _ROWS_PER_SERVICE * len(data.fleet.services))
    rows, callers = p95.rows.take(train), p95.callers.take(train)
    service, truth = p95.service[train], p95.log_observed_ratio[train]
    losses = []
    for value in VARIATIONS:
        tried = log_ratio(rows, p95.trips[train], callers, np.full(len(train), value))
        error = pd.Series(np.abs(truth - tried)).groupby(service).median()
        losses.append(error.reindex(range(len(data.fleet.services))).to_numpy(np.float64))
    table = np.array(losses)
    known = np.isfinite(table).all(axis=0)
    best = np.array(VARIATIONS)[np.where(known, table, 0.0).argmin(axis=0)]
    return _like_template(best, known, data.columns.template)


def _like_template(
    values: FloatArray, known: NDArray[np.bool_], template: NDArray[np.object_]
) -> FloatArray:
    out = values.copy()
    for index in np.flatnonzero(~known):
        kin = known & (template == template[index])
        pool = kin if kin.any() else known
        out[index] = float(np.median(values[pool]))
    return out


def service_ratio(p95: P95Rows, train: NDArray[np.bool_], services: int) -> FloatArray:
    """Return the plain answer: the median log ratio of each service on training days."""
    frame = pd.DataFrame({"service": p95.service[train], "ratio": p95.log_observed_ratio[train]})
    own = frame.groupby("service")["ratio"].median().reindex(range(services))
    fleet = float(frame["ratio"].median())
    return own.fillna(fleet).to_numpy(np.float64)
