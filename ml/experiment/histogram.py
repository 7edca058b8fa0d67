"""Quantiles from mergeable latency histograms with logarithmic bins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def quantile(counts: NDArray[Any], edges_ms: NDArray[np.float64], q: float) -> float:
    """Return the ``q`` quantile in milliseconds, or NaN where the bins cannot tell it.

    Counts add over days, services and regions; quantiles never do. Inside a bin the position is
    logarithmic: ``edge * (upper / edge) ** f``.

    Args:
        counts: Requests per bin, shape (B,); the first bin is underflow, the last overflow.
        edges_ms: Bin edges, shape (B + 1,); the outer two may be 0 and infinity.
        q: Between 0 and 1, exclusive.

    Returns:
        Milliseconds; NaN if there are no requests or the quantile lies in the overflow bin.

    References:
        Masson, Rim and Lee (2019), DDSketch, VLDB.

    Example:
        >>> edges = np.array([0.0, 1.0, 2.0, 4.0, np.inf])
        >>> quantile(np.array([0, 50, 50, 0]), edges, 0.5)
        2.0
    """
    return float(quantiles(counts, edges_ms, np.array([q]))[0])


def quantiles(
    counts: NDArray[Any], edges_ms: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return many quantiles of one histogram, as :func:`quantile` returns each.

    Args:
        counts: Requests per bin, shape (B,).
        edges_ms: Bin edges, shape (B + 1,).
        wanted: Shares between 0 and 1, exclusive, shape (Q,).

    Returns:
        Milliseconds, shape (Q,).
    """
    if not ((wanted > 0.0) & (wanted < 1.0)).all():
        msg = f"q == {wanted}, must lie between 0 and 1"
        raise ValueError(msg)
    cumulative = np.cumsum(counts, dtype=np.float64)
    total = float(cumulative[-1]) if cumulative.size else 0.0
    if total <= 0:
        return np.full(wanted.shape, math.nan)
    # One part in 10^12: a count that falls on an edge must not slip into the next bin.
    index = np.searchsorted(cumulative, wanted * total * (1 - 1e-12), side="left")
    is_over = index >= len(counts) - 1
    index = np.minimum(index, len(counts) - 2)
    before = np.where(index > 0, cumulative[index - 1], 0.0)
    inside = cumulative[index] - before
    share = (wanted * total - before) / np.where(inside > 0, inside, 1.0)
    low, high = edges_ms[index], edges_ms[index + 1]
    safe = np.where(low > 0, low, high)
    grown = safe * (high / safe) ** np.clip(share, 0.0, 1.0)
    return np.where(is_over, math.nan, np.where(low > 0, grown, high * share))
