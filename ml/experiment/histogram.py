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
    if not 0.0 < q < 1.0:
        msg = f"q == {q}, must lie between 0 and 1"
        raise ValueError(msg)
    cumulative = np.cumsum(counts, dtype=np.float64)
    total = float(cumulative[-1]) if cumulative.size else 0.0
    if total <= 0:
        return math.nan
    # One part in 10^12: a count that falls on an edge must not slip into the next bin.
    index = int(np.searchsorted(cumulative, q * total * (1 - 1e-12), side="left"))
    if index >= len(counts) - 1:
        return math.nan
    before = float(cumulative[index - 1]) if index else 0.0
    share = (q * total - before) / float(cumulative[index] - before)
    low, high = float(edges_ms[index]), float(edges_ms[index + 1])
    if low <= 0:
        return high * share
    return float(low * (high / low) ** min(max(share, 0.0), 1.0))
