"""What to serve when the data cannot carry a model: physics, a wide interval, and the reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.latency.candidates import Fitted
from ml.latency.conformal import Widths, conformal_quantile
from ml.latency.intervals import Intervals
from ml.latency.model import Data, fit_core, predict, rows_of
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split


@dataclass(frozen=True)
class Degradation:
    """One thing the stage could not do.

    Attributes:
        code: Reason code.
        detail: In words, with numbers.
        stops_training: No trees, no learned constants.
        keeps_neutral: Trees, but the physics keeps its neutral constants.
    """

    code: str
    detail: str
    stops_training: bool = False
    keeps_neutral: bool = False


def reasons(data: Data, split: Split, settings: LatencySettings) -> list[Degradation]:
    """Return what these data do not allow."""
    labelled = data.columns.is_labelled
    train = int((labelled & split.train(data.day)).sum())
    held = int((labelled & split.calibration(data.day)).sum())
    test = int((labelled & split.test(data.day)).sum())
    out = []
    few = train < settings.min_train_rows or split.train_days < settings.min_train_days
    if few or min(held, test) < settings.min_group_rows:
        detail = (
            f"{train} labelled rows on {split.train_days} training days, {held} to calibrate and "
            f"{test} to test; needed are {settings.min_train_rows} rows, "
            f"{settings.min_train_days} days and {settings.min_group_rows} rows each: the physics "
            "estimate is served without a learned correction, with a wide interval"
        )
        out.append(Degradation("MODEL_NOT_TRAINED", detail, stops_training=True))
    moved = (data.fleet.active.any(axis=2).sum(axis=1) >= 2).mean()
    if moved < settings.min_regions_moved:
        detail = (
            f"{moved:.1%} of the services ever ran in two regions: the constants of the physics "
            "stay neutral, region effects rest on network measurements alone"
        )
        out.append(Degradation("NO_PLACEMENT_VARIATION", detail, keeps_neutral=True))
    if data.inputs.cpu_missing_share > 0.5:
        detail = (
            f"{data.inputs.cpu_missing_share:.0%} of the rows have no CPU demand: work and queue "
            "are part of each service's base"
        )
        out.append(Degradation("CPU_NOT_IDENTIFIABLE", detail))
    if data.fleet.cut_edges:
        detail = f"{data.fleet.cut_edges} calls close a cycle and are left out of the waiting time"
        out.append(Degradation("CALL_CYCLE", detail))
    return out


def degradation_frame(why: list[Degradation], known: set[str]) -> pd.DataFrame:
    """Return ``run_degradations``; what the warehouse said already is not repeated."""
    rows = [
        {"code": reason.code, "scope": "fleet", "detail": reason.detail}
        for reason in why
        if reason.code not in known
    ]
    return pd.DataFrame(rows)


def fit_degraded(data: Data, split: Split, settings: LatencySettings) -> Fitted:
    """Return the physics with neutral constants and an interval that is wide on purpose.

    The half-width is the larger of the empirical quantile and ``insufficient_factor``: errors of
    rows that also set the base are too small to trust.
    """
    labelled = data.columns.is_labelled
    train = labelled & split.train(data.day)
    core = fit_core(data, train, settings, kinds=(), learn=False)
    error = np.abs(data.log_y - np.log(predict(core, rows_of(data, core))))
    held = labelled & split.calibration(data.day)
    used = error[held] if int(held.sum()) >= settings.min_group_rows else error[labelled]
    found = conformal_quantile(used, settings.level)
    least = float(np.log(settings.insufficient_factor))
    half = max(found, least) if np.isfinite(found) else 2 * least
    widths = Widths(np.ones(len(data.fleet.services)), 1.0)
    each_day = np.full(max(1, split.days), half)
    return Fitted(core, Intervals(widths, each_day, each_day, half, 1.0), None)
