"""Prediction intervals by scaled split conformal prediction.

A score is the absolute log error over the width of the service. The quantile of the scores of days
that the model never saw, times the width, is the half-width of the interval in logs.
Lei et al. (2018), Distribution-Free Predictive Inference for Regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.graph import FloatArray
from ml.latency.settings import LatencySettings


def conformal_quantile(scores: FloatArray, level: float) -> float:
    """Return the smallest score that covers a new one with probability ``level``.

    Returns:
        The ``ceil((n + 1) level)``-th smallest score; infinity if that is more than ``n``.

    >>> conformal_quantile(np.arange(1.0, 20.0), 0.9)
    18.0
    >>> conformal_quantile(np.array([1.0]), 0.9)
    inf
    """
    rank = int(np.ceil((len(scores) + 1) * level - 1e-9))
    if rank > len(scores):
        return float("inf")
    return float(np.sort(scores)[rank - 1])


@dataclass(frozen=True)
class Widths:
    """Scale of the log error of every service, and of services never seen."""

    service: FloatArray
    unseen: float


def service_widths(
    error: FloatArray,
    service: NDArray[np.int64],
    train: NDArray[np.bool_],
    services: int,
    settings: LatencySettings,
) -> Widths:
    """Return the width of each service: a quantile of its absolute training error, floored.

    Args:
        error: Log errors, shape (N,).
        service: Index of the service of each row.
        train: Rows of the training part.
        services: Number of services.
        settings: Quantile and floor.
    """
    frame = pd.DataFrame({"service": service[train], "error": np.abs(error[train])})
    found = frame.groupby("service")["error"].quantile(settings.width_quantile)
    fleet = float(found.median()) if len(found) else settings.width_floor
    widths = found.reindex(range(services)).fillna(fleet).clip(lower=settings.width_floor)
    return Widths(widths.to_numpy(np.float64), max(fleet, settings.width_floor))


@dataclass(frozen=True)
class Scores:
    """Scores of days that the model did not train on, with what selects them."""

    day: NDArray[np.int64]
    rho: FloatArray
    score: FloatArray

    def window(self, first: int, last: int) -> Scores:
        """Return the scores of the days ``first`` to ``last``, both included."""
        keep = (self.day >= first) & (self.day <= last)
        return Scores(self.day[keep], self.rho[keep], self.score[keep])

    def quantiles(self, settings: LatencySettings, level: float) -> tuple[float, float]:
        """Return the quantile for calm and for busy rows; a small group uses the pooled one."""
        pooled = conformal_quantile(self.score, level)
        busy = self.rho >= settings.load_group_rho
        both = []
        for group in (~busy, busy):
            enough = int(group.sum()) >= settings.min_group_rows
            both.append(conformal_quantile(self.score[group], level) if enough else pooled)
        return both[0], both[1]


def daily_quantiles(
    scores: Scores, days: int, first: int, settings: LatencySettings
) -> tuple[FloatArray, FloatArray]:
    """Return the quantiles in force on each day, for calm and for busy rows, shape (days,).

    A day uses the ten days whose labels are known by then, never earlier than ``first`` (the start
    of calibration). Days before the test use the calibration days as a whole.

    Args:
        scores: Scores of calibration and test days.
        days: Days of the history.
        first: First calibration day.
        settings: Window, delay and level.
    """
    length = max(1, round(days * settings.calibrate_share))
    calibration = scores.window(first, first + length - 1)
    calm, busy = np.empty(days), np.empty(days)
    for day in range(days):
        last = day - 1 - settings.label_delay_days
        recent = scores.window(max(first, last - settings.recalibrate_days + 1), last)
        is_enough = day >= first + length and len(recent.score) >= settings.min_group_rows
        calm[day], busy[day] = (recent if is_enough else calibration).quantiles(
            settings, settings.level
        )
    return calm, busy
