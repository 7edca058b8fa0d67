"""The shadow: the model replayed under both plans, trusted as far as it foretold past moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.experiment.config import ExperimentSettings
from ml.experiment.metrics import Floats, relative
from ml.experiment.moves import MoveEffect
from ml.experiment.observational import Observed
from ml.experiment.panel import Panel
from ml.experiment.result_rows import Row, result_row

MODE = "shadow"
COVERAGE = (0.85, 0.95)
SLOPE = (0.8, 1.2)
WARNING = (
    "traces logged under one plan are biased for another: what was never tried was never measured"
)


@dataclass(frozen=True)
class Calibrated:
    """How well the model foretold held-out moves.

    Attributes:
        moves: Held-out moves.
        slope: Of realised on predicted effects, through their means.
        bias: Mean realised minus predicted, log points.
        coverage: Share of moves inside their interval, each inflated by the others only.
        inflation: Factor on every interval, at least 1.
    """

    moves: int
    slope: float
    bias: float
    coverage: float
    inflation: float

    def refusal(self, min_moves: int) -> str | None:
        """Say why the shadow may not be read; None if it may."""
        if self.moves < min_moves:
            return f"{self.moves} held-out moves, at least {min_moves} needed"
        if not SLOPE[0] <= self.slope <= SLOPE[1]:
            return (
                f"slope of realised on predicted {self.slope:.2f}, must be {SLOPE[0]} to {SLOPE[1]}"
            )
        if not COVERAGE[0] <= self.coverage:
            return (
                f"intervals cover {self.coverage:.0%} of held-out moves, at least {COVERAGE[0]:.0%}"
            )
        return None


def inflation(errors: Floats, halves: Floats, level: float) -> float:
    """Return the split-conformal factor on half widths: rank ``ceil(level (m + 1))`` of the ratios.

    References:
        Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), JASA.

    Example:
        >>> inflation(np.array([1.0, 2.0, 3.0] * 3), np.ones(9), 0.9)
        3.0
    """
    ratios = np.sort(np.abs(errors) / np.maximum(halves, 1e-12))
    rank = math.ceil(level * (ratios.size + 1) - 1e-9)
    if rank > ratios.size:
        return math.inf
    return max(1.0, float(ratios[rank - 1]))


def calibrate_shadow(
    predicted: Floats, realised: Floats, halves: Floats, level: float
) -> Calibrated:
    """Compare predicted with realised effects of held-out moves, log scale.

    Coverage leaves each move out of the factor it is judged by: else it would hold by itself.
    """
    count = predicted.size
    if count < 3:
        return Calibrated(count, math.nan, math.nan, math.nan, math.nan)
    errors = realised - predicted
    spread = float(((predicted - predicted.mean()) ** 2).sum())
    slope = math.nan
    if spread > 0:
        slope = (
            float(((predicted - predicted.mean()) * (realised - realised.mean())).sum()) / spread
        )
    inside = 0
    for index in range(count):
        others = np.arange(count) != index
        factor = inflation(errors[others], halves[others], level)
        inside += bool(abs(errors[index]) <= factor * halves[index])
    factor = inflation(errors, halves, level)
    return Calibrated(count, slope, float(errors.mean()), inside / count, factor)


def foretold(panel: Panel, predictions: pd.DataFrame, found: Observed) -> tuple[Floats, ...]:
    """Return predicted effect, realised effect and half width of every readable held-out move.

    Predicted is the change of the model's latency over the same windows, on days that it was not
    fitted to; realised is the matched estimate.
    """
    held_out = predictions[predictions["split"] != "train"]
    if held_out.empty:
        return np.array([]), np.array([]), np.array([])
    logs, lows, highs = (_by_day(panel, predictions, name) for name in _COLUMNS)
    first = (pd.Timestamp(held_out["placed_on"].min()).date() - panel.first_on).days
    rows = []
    for read in found.moves:
        day, service = read.move.day, read.move.service
        if not isinstance(read.effect, MoveEffect) or day < first:
            continue
        before, after = slice(day - 14, day), slice(day + 1, day + 15)
        change = logs[service, after].mean() - logs[service, before].mean()
        half = (highs[service, after] - lows[service, after]).mean() / 2
        if np.isfinite(change) and np.isfinite(half):
            rows.append((change, read.effect.effects["matched_did"], half))
    table = np.array(rows).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


_COLUMNS = ("predicted_ms", "predicted_lo_ms", "predicted_hi_ms")


def _by_day(panel: Panel, predictions: pd.DataFrame, column: str) -> Floats:
    """Return the log of request-weighted predicted latency by service and day."""
    position = {service: index for index, service in enumerate(panel.service_ids)}
    service = predictions["service_id"].map(position)
    day = (pd.to_datetime(predictions["placed_on"]) - pd.Timestamp(panel.first_on)).dt.days
    kept = service.notna() & (day >= 0) & (day < panel.logs.shape[1])
    weight = predictions.get("requests_served", pd.Series(1.0, index=predictions.index))[kept]
    at = (service[kept].astype("int64").to_numpy(), day[kept].to_numpy())
    top, bottom = np.zeros(panel.logs.shape), np.zeros(panel.logs.shape)
    load = weight.to_numpy(dtype=np.float64)
    np.add.at(top, at, load * predictions.loc[kept, column].to_numpy(dtype=np.float64))
    np.add.at(bottom, at, load)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: Floats = np.log(np.where(bottom > 0, top / bottom, np.nan))
    return logs


def fleet_effect(accounts: pd.DataFrame, ids: dict[str, str]) -> tuple[float, float] | None:
    """Return the model's effect on the fleet and its half width, log scale; None if unknown."""
    levels = {}
    for arm in ("control", "treatment"):
        rows = accounts[accounts["plan_id"] == ids.get(arm)]
        weight = rows["mean_rps"].to_numpy(dtype=np.float64)
        if not weight.sum() > 0:
            return None
        names = ("mean_latency_ms", "mean_latency_lo_ms", "mean_latency_hi_ms")
        if rows[list(names)].isna().to_numpy().any():
            return None
        levels[arm] = [float((weight * rows[n].to_numpy(dtype=np.float64)).sum()) for n in names]
    (before, low_b, high_b), (after, low_a, high_a) = levels["control"], levels["treatment"]
    halves = [math.log(high / low) / 2 for low, high in ((low_b, high_b), (low_a, high_a))]
    return math.log(after / before), math.hypot(*halves)


def shadow_row(
    settings: ExperimentSettings,
    calibrated: Calibrated,
    effect: tuple[float, float] | None,
    notes: Sequence[str] = (),
) -> Row:
    """Return the shadow's row: null effect with its reason unless past moves were foretold."""
    reason = calibrated.refusal(settings.shadow.min_moves)
    if effect is None:
        reason = reason or "the plans carry no predicted latency with an interval"
    row = result_row(
        settings.experiment_id,
        MODE,
        "latency_mean",
        "diagnostic",
        method="latency model under both plans; interval inflated by split conformal over held-out "
        f"moves; {WARNING}",
        blocks=calibrated.moves,
        status="refused",
        verdict="not_judged",
        reason="; ".join([*([reason] if reason else []), *notes]),
    )
    if reason or effect is None:
        return row
    value, half = effect[0], effect[1] * calibrated.inflation
    return row | {
        "rel_effect": relative(value),
        "plausible_lo": relative(value - half),
        "plausible_hi": relative(value + half),
        "status": "ok",
        "verdict": "reported",
        "reason": f"slope {calibrated.slope:.2f}, bias {100 * calibrated.bias:+.1f} points, covers "
        f"{calibrated.coverage:.0%} of {calibrated.moves} held-out moves, intervals widened by "
        f"{calibrated.inflation:.2f}",
    }
