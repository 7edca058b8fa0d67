"""The switchback test: exact sign-flip p-value and Hartigan's interval from the same subsets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

EXACT_BLOCKS = 14
RANDOM_SUBSETS = 9_999
_TIE = 1e-12


@dataclass(frozen=True)
class SignFlip:
    """Estimate, interval and p-value on the scale of the block differences."""

    estimate: float
    lo: float | None
    hi: float | None
    p_value: float
    blocks: int
    subsets: int


def min_blocks(metrics: int, alpha: float) -> int:
    """Return the fewest blocks at which ``metrics`` tests under Holm can ever reject.

    The smallest p is ``2 / 2**n``, so ``n >= 1 + log2(metrics / alpha)``.

    Example:
        >>> min_blocks(1, 0.05), min_blocks(3, 0.05)
        (6, 7)
    """
    return math.ceil(1 + math.log2(metrics / alpha) - 1e-12)


@lru_cache(maxsize=8)
def _all_subsets(blocks: int) -> NDArray[np.float64]:
    numbers = np.arange(1, 2**blocks, dtype=np.int64)
    return ((numbers[:, None] >> np.arange(blocks)) & 1).astype(np.float64)


def _random_subsets(blocks: int, rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = rng.random((RANDOM_SUBSETS, blocks)) < 0.5
    while True:
        empty = ~drawn.any(axis=1)
        if not empty.any():
            return drawn.astype(np.float64)
        drawn[empty] = rng.random((int(empty.sum()), blocks)) < 0.5


def subset_means(
    differences: NDArray[np.float64], rng: np.random.Generator | None
) -> NDArray[np.float64]:
    """Return the mean of ``differences`` over every (or many random) non-empty subsets."""
    blocks = differences.size
    if blocks > EXACT_BLOCKS and rng is None:
        msg = f"rng == None with {blocks} blocks, must be given above {EXACT_BLOCKS}"
        raise ValueError(msg)
    members = (
        _all_subsets(blocks)
        if blocks <= EXACT_BLOCKS or rng is None
        else _random_subsets(blocks, rng)
    )
    means = members @ differences / members.sum(axis=1)
    # A mean that is zero but for summation order must count as zero on both sides.
    means[np.abs(means) <= _TIE * np.abs(differences).max(initial=0.0)] = 0.0
    result: NDArray[np.float64] = means
    return result


def sign_flip(
    differences: NDArray[np.float64],
    *,
    alpha: float = 0.05,
    rng: np.random.Generator | None = None,
) -> SignFlip:
    """Test that the mean block difference is zero, and invert the test into an interval.

    Exact from the coins alone: under the null the sign of each block difference is a fair coin.
    The interval excludes 0 exactly when ``p_value <= alpha``.

    Args:
        differences: Treatment minus control per block, shape (n,), usually on the log scale.
        alpha: Two-sided level.
        rng: Needed above 14 blocks, where 9,999 random subsets replace all of them.

    Returns:
        The interval ends are None where the blocks are too few to form an interval at ``alpha``.

    Raises:
        ValueError: If ``differences`` is empty or not finite.

    References:
        Fisher (1935); Hartigan (1969), JASA 64; Bojinov, Simchi-Levi and Zhao (2023).

    Example:
        >>> sign_flip(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).p_value
        0.03125
        >>> sign_flip(np.zeros(6)).p_value
        1.0
    """
    if differences.size == 0 or not np.isfinite(differences).all():
        msg = f"differences == {differences}, must be non-empty and finite"
        raise ValueError(msg)
    means = subset_means(differences, rng)
    count = means.size
    below, above = int((means <= 0).sum()), int((means >= 0).sum())
    p_value = min(1.0, 2 * min(1 + below, 1 + above) / (count + 1))
    rank = math.floor(alpha / 2 * (count + 1) + 1e-9)
    lo = hi = None
    if rank >= 1:
        ordered = np.sort(means)
        lo, hi = float(ordered[rank - 1]), float(ordered[count - rank])
    return SignFlip(float(differences.mean()), lo, hi, p_value, differences.size, count)


def batch_p_values(
    differences: NDArray[np.float64], rng: np.random.Generator | None = None
) -> NDArray[np.float64]:
    """Return :func:`sign_flip` p-values of many series at once.

    Args:
        differences: Shape (runs, blocks).
        rng: Needed above 14 blocks; all runs then share one set of sign vectors.

    Returns:
        P-values, shape (runs,).
    """
    runs, blocks = differences.shape
    if blocks <= EXACT_BLOCKS:
        signs, extra = _half_of_all_signs(blocks), 0
    else:
        if rng is None:
            msg = f"rng == None with {blocks} blocks, must be given above {EXACT_BLOCKS}"
            raise ValueError(msg)
        signs = rng.choice((-1.0, 1.0), size=(RANDOM_SUBSETS, blocks))
        extra = 1
    result = np.empty(runs)
    for first in range(0, runs, 64):
        part = differences[first : first + 64]
        size = np.abs(part.sum(axis=1)) - _TIE * np.abs(part).max(axis=1)
        sums = part @ signs.T
        hits = np.count_nonzero(np.abs(sums, out=sums) >= size[:, None], axis=1)
        result[first : first + 64] = (hits + extra) / (len(signs) + extra)
    return result


@lru_cache(maxsize=8)
def _half_of_all_signs(blocks: int) -> NDArray[np.float64]:
    """|g.d| is the same for g and -g: half of the sign vectors tell everything."""
    numbers = np.arange(2 ** (blocks - 1), dtype=np.int64)
    is_minus = (numbers[:, None] >> np.arange(blocks)) & 1
    return 1.0 - 2.0 * is_minus.astype(np.float64)


def coin_p_values(
    gaps: NDArray[np.float64], signs: NDArray[np.float64], rng: np.random.Generator | None = None
) -> NDArray[np.float64]:
    """Return :func:`batch_p_values` of one series under many coins, ``signs * gaps``.

    All coins share one reference distribution, because flipping it flips into itself; it is
    sorted once.

    Args:
        gaps: First day minus second day of each block, shape (blocks,).
        signs: +1 or -1 of each coin, shape (runs, blocks).
        rng: Needed above 14 blocks.
    """
    if gaps.size > EXACT_BLOCKS:
        return batch_p_values(signs * gaps, rng)
    reference = np.sort(np.abs(_half_of_all_signs(gaps.size) @ gaps))
    size = np.abs(signs @ gaps) - _TIE * np.abs(gaps).max()
    hits = reference.size - np.searchsorted(reference, size, side="left")
    result: NDArray[np.float64] = hits / reference.size
    return result


def holm(p_values: list[float]) -> list[float]:
    """Return Holm-adjusted p-values in the order given.

    References:
        Holm (1979), Scandinavian Journal of Statistics.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: (p_values[i], i))
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
