"""The stepped wedge: communities change one way, in waves of random order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.experiment.metrics import Floats
from ml.experiment.permutation import Permuted, Products, invert, orders


@dataclass(frozen=True)
class Schedule:
    """When each wave starts, as the index of a day; days before ``first`` are before any wave.

    Attributes:
        days: Days of the design, the days before included.
        starts: First treated day of each wave, ascending.
    """

    days: int
    starts: tuple[int, ...]

    def treated(self, waves: NDArray[np.int64]) -> Floats:
        """Return 1.0 where a community is treated: (..., K) waves to (..., K, days)."""
        starts = np.array(self.starts)[waves]
        result: Floats = (np.arange(self.days) >= starts[..., None]).astype(np.float64)
        return result


def schedule(pre_days: int, baseline_days: int, waves: int, wave_days: int) -> Schedule:
    """Return the calendar: days before, a baseline, then one wave after another.

    Example:
        >>> schedule(14, 7, 5, 7)
        Schedule(days=56, starts=(21, 28, 35, 42, 49))
    """
    first = pre_days + baseline_days
    return Schedule(first + waves * wave_days, tuple(first + wave_days * i for i in range(waves)))


def deal(communities: int, waves: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal communities to waves at random, as evenly as their number allows."""
    even = np.arange(communities) % waves
    result: NDArray[np.int64] = rng.permutation(even).astype(np.int64)
    return result


def refusal(
    *, pre_days: int, min_pre_days: int, waves: int, min_waves: int, communities: int
) -> str | None:
    """Say why the design may not be run; None if it may."""
    if pre_days < min_pre_days:
        return f"{pre_days} days before the first wave, at least {min_pre_days} needed"
    if waves < min_waves:
        return f"{waves} waves, at least {min_waves} needed"
    if communities < waves:
        return f"{communities} communities for {waves} waves: a wave would be empty"
    return None


def residual(values: Floats, weights: Floats) -> Floats:
    """Take out community means, then traffic-weighted day means; (..., K, D)."""
    within = values - values.mean(axis=-1, keepdims=True)
    day = np.tensordot(weights, within, axes=([0], [within.ndim - 2]))
    result: Floats = within - day[..., None, :]
    return result


def analyze(
    logs: Floats,
    waves: NDArray[np.int64],
    weights: Floats,
    plan: Schedule,
    *,
    alpha: float,
    permutations: int,
    rng: np.random.Generator,
) -> Permuted:
    """Estimate by weighted two-way fixed effects; p and interval from other orders of the waves.

    Args:
        logs: Log metric by community and day, shape (K, D).
        waves: Wave of each community, shape (K,).
        weights: Traffic shares, shape (K,), sum 1.
        plan: The calendar.
        alpha: Two-sided level.
        permutations: Random orders; all where there are few.
        rng: Made by the caller.

    References:
        Hussey and Hughes (2007); Ji, Fink, Robyn and Small (2017).
    """
    dealt, is_exact = orders(waves.tolist(), permutations, rng)
    real = residual(plan.treated(waves), weights)
    weighted = weights[:, None]
    outcome = weighted * residual(logs, weights)
    draws = residual(plan.treated(dealt), weights)
    flat = draws.reshape(len(draws), -1)
    products = Products(
        flat @ outcome.ravel(),
        flat @ (weighted * real).ravel(),
        np.einsum("pkd,k,pkd->p", draws, weights, draws, optimize=True),
    )
    own = float((weighted * real * real).sum())
    estimate = float((outcome * real).sum()) / own if own else math.nan
    if not math.isfinite(estimate):
        msg = "the waves leave nothing to compare"
        raise ValueError(msg)
    usable = products.own > 1e-12
    kept = Products(products.outcome[usable], products.real[usable], products.own[usable])
    return invert(estimate, kept, alpha, is_exact=is_exact)
