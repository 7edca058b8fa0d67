"""Rows of ``model_metrics``: the model and every baseline, on the same rows.

Ratios to what is knowable in the synthetic world need its truth and are made by the generator's
audit from ``latency_predictions``; here stand the measures that any data set allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.folds import Folds
from ml.latency.graph import FloatArray
from ml.latency.intervals import unseen_service_width
from ml.latency.metrics import Goal, Place, error_measures, metric_row
from ml.latency.model import Data
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split, new_placement_sets

MetricRows = list[dict[str, object]]

_COVERAGE = Goal(0.88, 0.92)
_COVERAGE_REGION = Goal(0.84, None)
_COVERAGE_HOT = Goal(0.80, None)
_COVERAGE_SERVICE = Goal(0.65, None)
_COVERAGE_UNSEEN = Goal(0.85, 0.93)
_MAE_RATIO = Goal(None, 0.30)
_NONE_LOWERED = Goal(None, 0.0)
_MIN_SERVICE_ROWS = 10


@dataclass(frozen=True)
class Judged:
    """Predictions to judge, all of shape (N,), ms."""

    predicted: FloatArray
    low: FloatArray
    high: FloatArray
    baselines: dict[str, FloatArray]


def forward_rows(
    data: Data, split: Split, judged: Judged, settings: LatencySettings, model_id: str
) -> MetricRows:
    """Return errors of model and baselines on test days, all rows and hot rows."""
    test = split.test(data.day) & data.columns.is_labelled
    hot = test & (np.nan_to_num(data.rho) > settings.hot_rho)
    out: MetricRows = []
    for variant, values in {"model": judged.predicted, **judged.baselines}.items():
        out += errors(data, test, values, Place(variant, "forward"), settings, model_id)
        out += errors(data, hot, values, Place(variant, "forward", "hot"), settings, model_id)
    plain = judged.baselines["service_region_mean"]
    y = data.columns.observed_ms
    own, other = _mae(y, judged.predicted, test), _mae(y, plain, test)
    out.append(
        metric_row(
            Place("model", "forward"),
            "mae_ratio_to_service_region_mean",
            own / other if other else float("nan"),
            rows=int(test.sum()),
            model_id=model_id,
            goal=_MAE_RATIO,
            min_rows=settings.min_group_rows,
        )
    )
    new = new_placement_sets(data.fleet, split) & data.columns.is_labelled
    for variant, values in (("model", judged.predicted), ("service_region_mean", plain)):
        out += errors(data, new, values, Place(variant, "new_placement_set"), settings, model_id)
    return out


def _mae(y: FloatArray, predicted: FloatArray, mask: NDArray[np.bool_]) -> float:
    return float(np.mean(np.abs(y[mask] - predicted[mask]))) if mask.any() else float("nan")


def errors(
    data: Data,
    mask: NDArray[np.bool_],
    predicted: FloatArray,
    place: Place,
    settings: LatencySettings,
    model_id: str,
) -> MetricRows:
    """Return the error measures of one prediction on some rows."""
    mask = mask & np.isfinite(predicted)
    group = data.columns.service * len(data.fleet.regions) + data.region
    found = error_measures(data.columns.observed_ms[mask], predicted[mask], group[mask])
    return [
        metric_row(
            place,
            name,
            value,
            rows=int(mask.sum()),
            model_id=model_id,
            min_rows=settings.min_group_rows,
        )
        for name, value in found.items()
    ]


def coverage_rows(
    data: Data, split: Split, judged: Judged, settings: LatencySettings, model_id: str
) -> MetricRows:
    """Return how often the interval held on test days: overall, hot, by region, by service."""
    test = split.test(data.day) & data.columns.is_labelled
    y = data.columns.observed_ms
    inside = (y >= judged.low) & (y <= judged.high)
    hot = np.nan_to_num(data.rho) > settings.hot_rho
    slices: list[tuple[str, NDArray[np.bool_], Goal]] = [
        ("all", test, _COVERAGE),
        ("hot", test & hot, _COVERAGE_HOT),
    ]
    for index, region in enumerate(data.fleet.regions):
        rows = test & (data.region == index)
        if rows.any():
            slices.append((f"region:{region}", rows, _COVERAGE_REGION))
    least = settings.min_group_rows
    out = [
        metric_row(
            Place("model", "forward", name),
            "coverage",
            float(inside[mask].mean()) if mask.any() else float("nan"),
            rows=int(mask.sum()),
            model_id=model_id,
            goal=goal,
            min_rows=least,
        )
        for name, mask, goal in slices
    ]
    frame = pd.DataFrame({"service": data.columns.service[test], "inside": inside[test]})
    by_service = frame.groupby("service")["inside"]
    share = by_service.mean()[by_service.size() >= _MIN_SERVICE_ROWS]
    worst = float(np.quantile(share.to_numpy(np.float64), 0.05)) if len(share) else float("nan")
    ratio = judged.high[test] / judged.low[test]
    for name, value, bound in (
        ("coverage_service_p05", worst, _COVERAGE_SERVICE),
        ("interval_ratio_median", np.median(ratio) if ratio.size else np.nan, None),
    ):
        out.append(
            metric_row(
                Place("model", "forward"),
                name,
                float(value),
                rows=int(test.sum()),
                model_id=model_id,
                goal=bound,
                min_rows=least,
            )
        )
    return out


def fold_rows(
    data: Data, split: Split, folds: Folds, settings: LatencySettings, model_id: str
) -> MetricRows:
    """Return errors on unseen services, unseen regions and with a tenth of the calls unknown."""
    test = split.test(data.day) & data.columns.is_labelled
    out: MetricRows = []
    for name, values in (
        ("unseen_service", folds.unseen_service),
        ("unseen_region", folds.unseen_region),
        ("edges_missing", folds.edges_missing),
    ):
        out += errors(data, test, values, Place("model", name), settings, model_id)
    shares = []
    of_row = folds.service_fold[data.columns.service]
    for number in range(settings.service_folds):
        mask = test & (of_row == number) & np.isfinite(folds.unseen_service)
        if mask.any():
            width = unseen_service_width(data, folds, split, settings, without=number)
            error = np.abs(data.log_y[mask] - np.log(folds.unseen_service[mask]))
            shares.append(float(np.mean(error <= width)))
    for metric, value, goal in (
        ("coverage_fold_mean", np.mean(shares) if shares else np.nan, _COVERAGE_UNSEEN),
        ("coverage_fold_min", min(shares, default=np.nan), None),
        ("coverage_fold_max", max(shares, default=np.nan), None),
    ):
        out.append(
            metric_row(
                Place("model", "unseen_service"),
                metric,
                float(value),
                rows=int(test.sum()),
                model_id=model_id,
                goal=goal,
                min_rows=settings.min_group_rows,
            )
        )
    return out


def load_row(lowered: int, rows: int, model_id: str) -> MetricRows:
    """Return the monotony check: predictions that fall when every load grows by half."""
    place = Place("model", "forward", "load_x1.5")
    return [
        metric_row(
            place,
            "predictions_lowered",
            float(lowered),
            rows=rows,
            model_id=model_id,
            goal=_NONE_LOWERED,
        )
    ]
