"""Measures of a prediction, and how a measure becomes a row of ``model_metrics``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.graph import FloatArray


def r2(y: FloatArray, predicted: FloatArray) -> float:
    """Return the share of the variance explained; NaN where there is none."""
    total = float(np.sum((y - y.mean()) ** 2)) if y.size else 0.0
    return 1 - float(np.sum((y - predicted) ** 2)) / total if total > 0 else float("nan")


def within_r2(y: FloatArray, predicted: FloatArray, group: NDArray[np.int64]) -> float:
    """Return R² of the logs around each group's own mean.

    Plain R² rewards knowing which service is slow; this asks what moves a service.

    Args:
        y: Observed, ms.
        predicted: Predicted, ms.
        group: (Service, region) of each row.
    """
    log_y, log_p = np.log(y), np.log(predicted)
    count = np.bincount(group)
    mean = np.bincount(group, weights=log_y) / np.maximum(count, 1)
    total = float(np.sum((log_y - mean[group]) ** 2))
    return 1 - float(np.sum((log_y - log_p) ** 2)) / total if total > 0 else float("nan")


def error_measures(
    y: FloatArray, predicted: FloatArray, group: NDArray[np.int64]
) -> dict[str, float]:
    """Return R², within-R², MAE, RMSE (ms) and MAPE (a share)."""
    if not y.size:
        return dict.fromkeys(("r2", "within_r2", "mae_ms", "rmse_ms", "mape"), float("nan"))
    error = predicted - y
    return {
        "r2": r2(y, predicted),
        "within_r2": within_r2(y, predicted, group),
        "mae_ms": float(np.mean(np.abs(error))),
        "rmse_ms": float(np.sqrt(np.mean(error**2))),
        "mape": float(np.mean(np.abs(error) / y)),
    }


@dataclass(frozen=True)
class Goal:
    """Bounds that a measure must keep; None leaves a side open."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Place:
    """Where a measure was taken."""

    variant: str
    split: str
    slice: str = "all"
    model_name: str = "latency"


def metric_row(
    place: Place,
    metric: str,
    value: float,
    *,
    rows: int,
    model_id: str,
    goal: Goal | None = None,
    min_rows: int = 2,
) -> dict[str, object]:
    """Return one row of ``model_metrics``; the status compares value and goal.

    >>> metric_row(Place("model", "forward"), "coverage", 0.9, rows=500, model_id="m",
    ...            goal=Goal(0.88, 0.92))["status"]
    'met'
    """
    is_known = bool(np.isfinite(value)) and rows >= min_rows
    status = "reported" if is_known else "insufficient"
    if is_known and goal is not None:
        low = -np.inf if goal.low is None else goal.low
        high = np.inf if goal.high is None else goal.high
        status = "met" if low <= value <= high else "missed"
    return {
        "model_name": place.model_name,
        "variant": place.variant,
        "split": place.split,
        "slice": place.slice,
        "metric": metric,
        "value": float(value) if np.isfinite(value) else None,
        "goal_low": goal.low if goal else None,
        "goal_high": goal.high if goal else None,
        "status": status,
        "rows": int(rows),
        "model_id": model_id,
    }


def metric_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Return rows of :func:`metric_row` as a frame."""
    return pd.DataFrame(rows)
