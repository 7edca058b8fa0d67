"""The p95: a ratio to the predicted mean, learned by the same kind of trees.

Percentiles are never averaged; the ratio is fitted on daily percentiles of single rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from ml.latency.conformal import conformal_quantile, service_widths
from ml.latency.graph import FloatArray
from ml.latency.model import Data, Rows
from ml.latency.residual import correction, fit_trees, matrix
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split

MAX_LOG_RATIO = 5.0


@dataclass(frozen=True)
class Percentile:
    """p95 over predicted mean, in logs.

    Attributes:
        log_ratio: Median of each service; its template's or the fleet's where never seen, (S,).
        trees: Correction of that median.
        width: Scale of the error of each service, (S,).
        quantile: One-sided conformal quantile of the scores at the stated level.
    """

    log_ratio: FloatArray
    trees: xgb.Booster
    width: FloatArray
    quantile: float

    def log_factor(self, features: dict[str, FloatArray], service: NDArray[np.int64]) -> FloatArray:
        """Return ln(p95 / mean) of every row, at least 0: a p95 is no smaller than the mean."""
        learned = self.log_ratio[service] + correction(self.trees, matrix(features, "p95"))
        return np.clip(learned, 0.0, MAX_LOG_RATIO)

    def log_upper(self, service: NDArray[np.int64], widening: FloatArray) -> FloatArray:
        """Return what to add to :meth:`log_factor` for the upper bound."""
        upper: FloatArray = self.quantile * self.width[service] * widening
        return upper


def observed_log_ratio(data: Data, predicted_ms: FloatArray) -> FloatArray:
    """Return ln(p95 / predicted mean) of every row, NaN where no p95 was seen."""
    p95 = pd.to_numeric(data.inputs.rows["p95_ms"], errors="coerce")
    values = p95.to_numpy(np.float64, na_value=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(values > 0, np.log(values / predicted_ms), np.nan)


def fit_percentile(
    data: Data,
    rows: Rows,
    predicted_ms: FloatArray,
    split: Split,
    settings: LatencySettings,
) -> Percentile | None:
    """Fit on training days, size the bound on calibration days; None with too few rows."""
    ratio = observed_log_ratio(data, predicted_ms)
    known = np.isfinite(ratio) & data.columns.is_labelled
    train = known & split.train(data.day)
    held = known & split.calibration(data.day)
    if int(train.sum()) < settings.min_train_rows or int(held.sum()) < settings.min_group_rows:
        return None
    service = data.columns.service
    offset = median_log_ratio(ratio, train, data)
    at = np.flatnonzero(train)
    target = ratio[at] - offset[service[at]]
    trees = fit_trees(matrix(rows.features, "p95", at), target, "p95", settings)
    fitted = offset[service] + correction(trees, matrix(rows.features, "p95"))
    fitted = np.clip(fitted, 0.0, MAX_LOG_RATIO)
    widths = service_widths(ratio - fitted, service, train, len(offset), settings)
    scores = (ratio - fitted)[held] / widths.service[service[held]]
    quantile = max(0.0, conformal_quantile(scores, settings.level))
    return Percentile(offset, trees, widths.service, quantile)


def median_log_ratio(ratio: FloatArray, train: NDArray[np.bool_], data: Data) -> FloatArray:
    """Return the median training ratio of each service, else of its template, else of the fleet."""
    service, template = data.columns.service, data.columns.template
    frame = pd.DataFrame(
        {"service": service[train], "template": template[service[train]], "ratio": ratio[train]}
    )
    own = frame.groupby("service")["ratio"].median().reindex(range(len(template)))
    kin = frame.groupby("template")["ratio"].median().reindex(pd.Index(template)).to_numpy()
    values = np.where(np.isfinite(own), own, kin)
    return np.where(np.isfinite(values), values, float(frame["ratio"].median()))
