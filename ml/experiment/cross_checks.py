"""Estimators that others use, beside the registered test: refused on few units, never the verdict.

Both treat units as independent draws. They are told what the coin was tossed for, a day of the
fleet or of a community, and its weight in requests: a few heavy units are few, however many rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ml.experiment.metrics import Floats

MIN_UNITS = 100.0
"""Effective units below which false alarms of the delta method rise above 5 %."""


@dataclass(frozen=True)
class CrossCheck:
    """A log ratio with its interval; the three are None where there are too few units."""

    name: str
    estimate: float | None
    lo: float | None
    hi: float | None
    units: int
    effective_units: float


def effective_units(weights: Floats) -> float:
    """Return how many equal units say as much as these: (sum w)^2 / sum w^2.

    Example:
        >>> effective_units(np.ones(40)), effective_units(np.array([1.0, 0.0]))
        (40.0, 1.0)
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def ratio_delta(
    top: Floats, bottom: Floats, is_treated: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Return log ratio effect, its standard error and Welch degrees of freedom.

    R = sum N / sum D per arm, z = (N - R D) / mean(D), var(log R) = var(z) / (n R^2).

    References:
        Deng, Knoblich and Lu (2018), Applying the Delta Method in Metric Analytics, KDD.
    """
    logs, variances, sizes = [], [], []
    for arm in (is_treated, ~is_treated):
        numerator, denominator = top[arm], bottom[arm]
        ratio = numerator.sum() / denominator.sum()
        z = (numerator - ratio * denominator) / denominator.mean()
        logs.append(math.log(ratio))
        variances.append(float(z.var(ddof=1)) / (len(z) * ratio**2))
        sizes.append(len(z))
    return logs[0] - logs[1], *_welch(variances, sizes)


def cuped(
    values: Floats, before: Floats, is_treated: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Return the difference of means after CUPED, its standard error and Welch degrees of freedom.

    Y - theta (X - mean X), theta = cov(Y, X) / var(X) over both arms; 0 where X does not vary.

    Args:
        values: Outcome of each unit, shape (n,).
        before: The same measured before the experiment, shape (n,).
        is_treated: Arm of each unit, shape (n,).

    References:
        Deng, Xu, Kohavi and Walker (2013), Improving the Sensitivity of Online Controlled
        Experiments by Utilizing Pre-Experiment Data.

    Example:
        >>> y, x = np.array([3.0, 5.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0, 2.0])
        >>> [round(v, 6) for v in cuped(y, x, np.array([True, True, False, False]))[:2]]
        [1.0, 0.0]
    """
    spread = float(before.var(ddof=1))
    theta = float(np.cov(values, before)[0, 1]) / spread if spread > 0 else 0.0
    adjusted = values - theta * (before - before.mean())
    arms = adjusted[is_treated], adjusted[~is_treated]
    sizes = [len(arm) for arm in arms]
    variances = [float(arm.var(ddof=1)) / len(arm) for arm in arms]
    return float(arms[0].mean() - arms[1].mean()), *_welch(variances, sizes)


def _welch(variances: list[float], sizes: list[int]) -> tuple[float, float]:
    whole = sum(variances)
    parts = [v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True)]
    return math.sqrt(whole), whole**2 / sum(parts) if whole > 0 else math.inf


def cross_checks(
    top: Floats, bottom: Floats, before: Floats, is_treated: NDArray[np.bool_], alpha: float
) -> list[CrossCheck]:
    """Return the delta method and CUPED on the units of a design, both on the log scale.

    Args:
        top: Numerator of each unit (latency, money), shape (n,).
        bottom: Its requests, shape (n,).
        before: Log metric of the unit before the experiment, shape (n,).
        is_treated: Arm of each unit, shape (n,).
        alpha: Two-sided level of the interval.
    """
    effective = effective_units(bottom)
    is_usable = effective >= MIN_UNITS and bool((bottom > 0).all() and (top > 0).all())
    found = []
    for name in ("delta_method", "cuped"):
        ends: tuple[float | None, float | None, float | None] = (None, None, None)
        if is_usable and (name == "delta_method" or np.isfinite(before).all()):
            gap, error, freedom = (
                ratio_delta(top, bottom, is_treated)
                if name == "delta_method"
                else cuped(np.log(top / bottom), before, is_treated)
            )
            half = float(stats.t.ppf(1 - alpha / 2, freedom)) * error
            ends = gap, gap - half, gap + half
        found.append(CrossCheck(name, *ends, len(top), effective))
    return found
