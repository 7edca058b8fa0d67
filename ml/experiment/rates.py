"""Shares of p-values: at 5 %, and at every level, each with what chance alone allows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVELS: tuple[float, ...] = (
    *(0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08),
    *(round(0.05 * step, 2) for step in range(2, 21)),
)
"""Nominal levels at which p-values of no effect are counted; close together where tests decide."""

OURS = ("sign_flip", "sign_flip_covariate", "permutation")
"""Tests that may decide: where nothing differs, each must reject as often as its level says."""


def wilson(hits: int, runs: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    References:
        Wilson (1927), Probable Inference.

    Example:
        >>> [round(v, 4) for v in wilson(5, 100)]
        [0.0215, 0.1118]
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    share = hits / runs
    centre = share + z * z / (2 * runs)
    half = z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))
    scale = 1 + z * z / runs
    low = (centre - half) / scale if hits else 0.0
    return low, (centre + half) / scale if hits < runs else 1.0


def rejected_shares(p_values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the share of p-values at or below each of :data:`LEVELS`.

    Args:
        p_values: P-values of runs in which nothing differs, shape (runs,).

    Raises:
        ValueError: If there is none.

    Example:
        >>> shares = rejected_shares(np.array([0.01, 0.05, 0.5, 1.0]))
        >>> shares[LEVELS.index(0.05)], shares[LEVELS.index(0.45)], shares[-1]
        (0.5, 0.5, 1.0)
    """
    if p_values.size == 0:
        msg = "p_values == [], must not be empty"
        raise ValueError(msg)
    found = np.searchsorted(np.sort(p_values), LEVELS, side="right") / p_values.size
    return tuple(found.tolist())


def uniform_band(runs: int, level: float = 0.95) -> float:
    """Return how far the shares of uniform p-values may lie from all their levels at once.

    References:
        Dvoretzky, Kiefer and Wolfowitz (1956), with the constant of Massart (1990).

    Example:
        >>> round(uniform_band(4000), 4), round(uniform_band(1000), 4)
        (0.0215, 0.0429)
    """
    return math.sqrt(math.log(2 / (1 - level)) / (2 * runs))
