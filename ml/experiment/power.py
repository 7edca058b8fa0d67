"""Power and smallest detectable effect, by simulation from days before the experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.experiment.metrics import Floats
from ml.experiment.signflip import EXACT_BLOCKS, RANDOM_SUBSETS

BLOCK_DAYS = 14
_AT_ONCE = 16


@dataclass(frozen=True)
class Power:
    """Power of the registered test for one metric and length.

    Attributes:
        mde80: Smallest improvement found with 80 % power, relative and positive; None where no
            improvement below 90 % is.
        power_at: Power at the registered smallest effect worth finding, None without one.
    """

    metric: str
    days: int
    alpha: float
    mde80: float | None
    effect: float | None
    power_at: float | None
    draws: int


@dataclass(frozen=True)
class PowerPoint:
    """Power of one design, metric, length and true effect; nulls where the design is refused."""

    design: str
    metric: str
    days: int
    effect: float
    alpha: float | None
    power: float | None
    mde80: float | None
    runs: int
    reason: str | None = None


def curve(
    design: str, metric: str, days: int, alpha: float, ends: Floats, effects: Sequence[float]
) -> list[PowerPoint]:
    """Return the power at each effect from intervals of runs in which nothing differs.

    An improvement by ``size`` moves the interval down by it: found when its end falls below 0.

    Args:
        design: Name of the design.
        metric: Name of the metric.
        days: Length.
        alpha: Level.
        ends: Lower and upper end of each run, log scale, shape (runs, 2).
        effects: Improvements, relative and positive.
    """
    needed = float(np.quantile(ends[:, 1], 0.8, method="higher"))
    mde80 = -math.expm1(-needed) if math.isfinite(needed) and 0 < needed < 2.3 else None
    return [
        PowerPoint(
            design,
            metric,
            days,
            effect,
            alpha,
            float(
                ((ends[:, 1] < -math.log1p(-effect)) | (ends[:, 0] > -math.log1p(-effect))).mean()
            ),
            mde80,
            len(ends),
        )
        for effect in effects
    ]


def windows(values: Floats, days: int, draws: int, rng: np.random.Generator) -> Floats:
    """Draw series of ``days`` from ``values`` by moving blocks of 14 days that keep weekdays.

    References:
        Künsch (1989), The Jackknife and the Bootstrap for General Stationary Observations.
    """
    length = min(BLOCK_DAYS, len(values) // 2 * 2)
    starts = np.arange(0, len(values) - length + 1, 7 if len(values) - length >= 7 else 1)
    pieces = math.ceil(days / length)
    picked = rng.choice(starts, size=(draws, pieces))
    index = (picked[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :days]
    result: Floats = values[index]
    return result


def acceptance(differences: Floats, alpha: float, rng: np.random.Generator) -> Floats:
    """Return Hartigan's interval of each run, shape (runs, 2).

    The interval moves with the effect, so one pass tells the power at every effect.
    """
    runs, blocks = differences.shape
    if blocks <= EXACT_BLOCKS:
        numbers = np.arange(1, 2**blocks, dtype=np.int64)
        members = ((numbers[:, None] >> np.arange(blocks)) & 1).astype(np.float64)
    else:
        members = (rng.random((RANDOM_SUBSETS, blocks)) < 0.5).astype(np.float64)
        members[members.sum(axis=1) == 0, 0] = 1.0
    members /= members.sum(axis=1, keepdims=True)
    count = len(members)
    rank = math.floor(alpha / 2 * (count + 1) + 1e-9)
    if rank < 1:
        return np.tile([-np.inf, np.inf], (runs, 1))
    ends = np.empty((runs, 2))
    for first in range(0, runs, _AT_ONCE):
        means = differences[first : first + _AT_ONCE] @ members.T
        ordered = np.partition(means, (rank - 1, count - rank), axis=1)
        ends[first : first + _AT_ONCE, 0] = ordered[:, rank - 1]
        ends[first : first + _AT_ONCE, 1] = ordered[:, count - rank]
    return ends


def power_of(
    metric: str,
    values: Floats,
    *,
    days: int,
    alpha: float,
    draws: int,
    effect: float | None,
    rng: np.random.Generator,
) -> Power:
    """Simulate the registered test on pre-period days with an added effect.

    Args:
        metric: Name, for the row.
        values: Daily values of the control plan before the experiment, shape (D,).
        days: Length of the experiment.
        alpha: Level Holm would use first.
        draws: Simulated experiments.
        effect: Improvement worth finding, relative and positive.
        rng: Made by the caller.

    References:
        Arnold et al. (2011), Simulation methods to estimate design power.
    """
    if len(values) < 4 or not (np.isfinite(values).all() and (values > 0).all()):
        return Power(metric, days, alpha, None, effect, None, 0)
    logs = np.log(windows(values, days // 2 * 2, draws, rng))
    signs = rng.choice((-1.0, 1.0), size=(draws, days // 2))
    ends = acceptance(signs * (logs[:, 0::2] - logs[:, 1::2]), alpha, rng)
    # With an improvement of `size` (log) the interval moves down by it: found when hi < size.
    needed = float(np.quantile(ends[:, 1], 0.8, method="higher"))
    mde80 = -math.expm1(-needed) if math.isfinite(needed) and 0 < needed < 2.3 else None
    power_at = None
    if effect is not None:
        size = -math.log1p(-effect)
        power_at = float(((ends[:, 1] < size) | (ends[:, 0] > size)).mean())
    return Power(metric, days, alpha, mde80, effect, power_at, draws)
