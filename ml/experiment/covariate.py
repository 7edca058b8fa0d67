"""A covariate for the switchback: what demand alone does to a metric, known before the coins.

Fitted on days before the experiment and frozen. It is told the demand of a day, which both arms
share, and never an outcome of the evaluation: the coins stay the only thing that is random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ml.experiment.metrics import Arm, Floats, Ints, daily_values

METRICS = ("latency_mean", "cost_per_1m")
"""Metrics with a prediction from demand; services have no histogram to predict quantiles from."""

MIN_BLOCKS = 4


@dataclass(frozen=True)
class Prediction:
    """A metric of the control from a day's demand: a fixed sum, and a rate per request and cell.

    Attributes:
        rates: Per request of a service and origin, shape (S, O).
        fixed: Per day, whatever the demand.
        is_warm: Whether the demand after the warm-up counts, or that of the whole day.
    """

    rates: Floats
    fixed: float
    is_warm: bool

    def log_values(self, arm: Arm) -> Floats:
        """Return the log prediction of each day from what was offered, shape (D,)."""
        offered = (arm.counts_warm if self.is_warm else arm.counts)["offered"]
        # Whole numbers times one rate each, service by service: no order to choose.
        top = (self.rates[:, :, None] * offered).sum(axis=1).sum(axis=0) + self.fixed
        with np.errstate(divide="ignore", invalid="ignore"):
            values: Floats = np.log(top) - np.log(offered.sum(axis=(0, 1)).astype(np.float64))
        return values


@dataclass(frozen=True)
class Covariate:
    """A prediction and how much of it to take off, both frozen on days before the experiment.

    Attributes:
        name: Metric of the catalogue.
        prediction: From a day's demand.
        gamma: Factor, fitted on block differences of the control; 0 where the prediction was no
            help on days that it was not fitted on.
        explained_share: Share of the variance of block differences it takes off on days before
            that it was not fitted on, each half predicted from the other; may be below 0.
        before: The control's metric on those days, less what the other half's fit takes off; the
            power is told from these, shape (D,).
        through: Last day that it knows.
    """

    name: str
    prediction: Prediction
    gamma: float
    explained_share: float
    before: Floats
    through: date

    def of(self, arm: Arm, days: Sequence[date]) -> Floats:
        """Return what to take off the log metric of ``days``, shape (D,); 0 on their mean.

        Args:
            arm: Either arm: what was offered is the same in both, which the gate makes sure of.
            days: Days of the experiment.

        Raises:
            ValueError: If one of the days was there when it was fitted.
        """
        if days and min(days) <= self.through:
            msg = (
                f"days[0] == {min(days)}, must be after {self.through}: a covariate may not know "
                "an outcome of the days that it adjusts"
            )
            raise ValueError(msg)
        position = {day: index for index, day in enumerate(arm.days)}
        index = np.array([position[day] for day in days], dtype=np.int64)
        logs = self.prediction.log_values(arm)[index]
        result: Floats = self.gamma * (logs - logs.mean())
        return result


def fit_gamma(gaps: Floats, predicted: Floats) -> Floats:
    """Return the least-squares slope through 0 of block differences on predicted ones.

    Args:
        gaps: First day minus second day of each block, log metric, shape (..., B).
        predicted: The same of the prediction, shape (..., B).

    Returns:
        Shape (...); 0 where the prediction does not move.

    Example:
        >>> fit_gamma(np.array([0.2, -0.1]), np.array([0.1, -0.05])).item()
        2.0
    """
    power = (predicted**2).sum(axis=-1)
    slope: Floats = np.divide(
        (gaps * predicted).sum(axis=-1), power, out=np.zeros_like(power), where=power > 0
    )
    return slope


def fit(control: Arm, name: str) -> Covariate | None:
    """Fit on the control's days before the experiment; None where demand predicts nothing.

    gamma is the least-squares slope of block differences of the log metric on those of its
    prediction: the same differences that the coins sign later.

    Args:
        control: Outcomes of the control on days before the experiment, in pairs of neighbours.
        name: Metric of the catalogue.

    References:
        Deng, Xu, Kohavi and Walker (2013), Improving the Sensitivity of Online Controlled
        Experiments by Utilizing Pre-Experiment Data.
    """
    blocks = len(control.days) // 2
    if name not in METRICS or blocks < MIN_BLOCKS:
        return None
    seen = daily_values(control, name, warm=True)
    whole = _fitted(control, name)
    if whole is None or not (np.isfinite(seen).all() and (seen > 0).all()):
        return None
    prediction, gamma = whole
    # A prediction flatters itself on the days it was made from: each half is told by the other.
    middle = 2 * (blocks // 2)
    halves = np.arange(0, middle), np.arange(middle, len(control.days))
    taken = np.zeros(len(control.days))
    for known, told in (halves, halves[::-1]):
        half = _fitted(_some_days(control, known), name)
        if half is None:
            return None
        # One centre for all days, or the seam between the halves would look like noise.
        logs = half[0].log_values(control)
        taken[told] = half[1] * (logs[told] - logs.mean())
    gaps, left = (_gaps(values) for values in (np.log(seen), np.log(seen) - taken))
    spread = float((gaps**2).sum())
    explained = 1.0 - float((left**2).sum()) / spread if spread > 0 else 0.0
    helps = explained > 0
    return Covariate(
        name,
        prediction,
        gamma if helps else 0.0,
        explained,
        seen * np.exp(-taken) if helps else seen,
        control.days[-1],
    )


def _fitted(control: Arm, name: str) -> tuple[Prediction, float] | None:
    prediction = _predict(control, name)
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = _gaps(np.log(daily_values(control, name, warm=True)))
    predicted = _gaps(prediction.log_values(control))
    if not (np.isfinite(gaps).all() and np.isfinite(predicted).all()):
        return None
    return prediction, float(fit_gamma(gaps, predicted))


def _gaps(values: Floats) -> Floats:
    last = len(values) // 2 * 2
    result: Floats = values[0:last:2] - values[1:last:2]
    return result


def _some_days(arm: Arm, index: NDArray[np.int64]) -> Arm:
    return replace(
        arm,
        days=tuple(arm.days[position] for position in index),
        counts={name: part[..., index] for name, part in arm.counts.items()},
        counts_warm={name: part[..., index] for name, part in arm.counts_warm.items()},
        money={name: part[..., index] for name, part in arm.money.items()},
        histogram=None,
        histogram_warm=None,
    )


def _predict(control: Arm, name: str) -> Prediction:
    offered = control.counts["offered"].sum(axis=2)
    if name == "latency_mean":
        warm = [control.counts_warm[key].sum(axis=2) for key in ("imputed_sum_us", "offered")]
        return Prediction(_rates(*warm), 0.0, is_warm=True)
    egress = control.money["egress"].sum(axis=1)[:, None]
    rates = np.broadcast_to(_rates(egress, offered.sum(axis=1)[:, None]), offered.shape)
    # Instances and storage are paid for whether or not requests come.
    paid = sum(int(control.money[kind].sum()) for kind in ("compute", "storage"))
    return Prediction(rates, paid / len(control.days), is_warm=False)


def _rates(top: Ints, bottom: Ints) -> Floats:
    """Return top / bottom by cell; the fleet's where a cell was never asked."""
    whole = float(top.sum()) / max(int(bottom.sum()), 1)
    cells: Floats = np.divide(top, bottom, out=np.full(top.shape, whole), where=bottom > 0)
    return cells
