"""Intervals of the served model: by service, by load, wider where nothing like it was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.latency.conformal import (
    Scores,
    Widths,
    conformal_quantile,
    daily_quantiles,
    service_widths,
)
from ml.latency.folds import Folds
from ml.latency.graph import FloatArray
from ml.latency.model import Data
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split


@dataclass(frozen=True)
class Intervals:
    """Half-widths in logs.

    Attributes:
        widths: Scale of every service.
        calm: Quantile in force on each day for rows below the load threshold, shape (D,).
        busy: The same above it.
        unseen_service: Half-width for a service without any label, in logs.
        unseen_region: Factor on the half-width where the service never ran in the region.
    """

    widths: Widths
    calm: FloatArray
    busy: FloatArray
    unseen_service: float
    unseen_region: float

    def half_width(
        self,
        service: np.ndarray[tuple[int], np.dtype[np.int64]],
        is_cold: np.ndarray[tuple[int], np.dtype[np.bool_]],
        quantile: FloatArray,
    ) -> FloatArray:
        """Return the half-width of rows whose quantile is known, in logs."""
        return np.where(is_cold, self.unseen_service, quantile * self.widths.service[service])


def fit_intervals(
    data: Data, predicted_ms: FloatArray, folds: Folds, split: Split, settings: LatencySettings
) -> Intervals:
    """Size the intervals on calibration days, and on later days as their labels come in."""
    service, labelled = data.columns.service, data.columns.is_labelled
    error = data.log_y - np.log(predicted_ms)
    train = labelled & split.train(data.day)
    widths = service_widths(error, service, train, len(data.fleet.services), settings)
    later = labelled & ~split.train(data.day)
    seen = np.bincount(service[train], minlength=len(data.fleet.services)) > 0
    later &= seen[service]
    scores = Scores(
        data.day[later],
        np.nan_to_num(data.rho[later]),
        np.abs(error[later]) / widths.service[service[later]],
    )
    calm, busy = daily_quantiles(scores, split.days, split.train_days, settings)
    held = labelled & split.calibration(data.day)
    region_error = np.abs(data.log_y - np.log(folds.unseen_region)) / widths.service[service]
    unseen_region = finite_quantile(region_error[held & seen[service]], settings)
    usual = conformal_quantile(scores.window(0, split.calibrate_until - 1).score, settings.level)
    return Intervals(
        widths,
        calm,
        busy,
        unseen_service_width(data, folds, split, settings),
        max(1.0, unseen_region / usual) if np.isfinite(unseen_region) and usual > 0 else 1.0,
    )


def finite_quantile(scores: FloatArray, settings: LatencySettings) -> float:
    """Return the conformal quantile of the finite scores, NaN if they are too few."""
    known = scores[np.isfinite(scores)]
    value = conformal_quantile(known, settings.level)
    return value if np.isfinite(value) else float("nan")


def unseen_service_width(
    data: Data, folds: Folds, split: Split, settings: LatencySettings, without: int | None = None
) -> float:
    """Return one half-width for services without a label, from out-of-fold errors.

    Args:
        data: Everything known.
        folds: Out-of-fold predictions.
        split: Days.
        settings: Level.
        without: A fold to leave out, so that the width can be judged on it.
    """
    held = data.columns.is_labelled & split.calibration(data.day)
    if without is not None:
        held &= folds.service_fold[data.columns.service] != without
    error = np.abs(data.log_y - np.log(folds.unseen_service))
    value = finite_quantile(error[held], settings)
    return value if np.isfinite(value) else float(np.log(settings.insufficient_factor))
