"""The p95 of a service whose callers are near and far.

A request takes its caller's round trips, which hardly vary, plus a time inside, which is skewed. So
the day's distribution is a mixture over callers of shifted lognormals, and its p95 follows from
where callers are, not from the mean alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ml.latency.graph import FloatArray

LEVEL = 0.95
_NORMAL_QUANTILE = float(ndtri(LEVEL))
# Each halves the bracket: the last step is a millionth of it.
_BISECTIONS = 20
_TINY_MS = 1e-3


@dataclass(frozen=True)
class Callers:
    """Round trips (N, C) and shares (N, C) of the callers of N rows; unused places have share 0."""

    rtt_ms: FloatArray
    share: FloatArray

    def take(self, at: NDArray[np.int64]) -> Callers:
        """Return some of the rows."""
        return Callers(self.rtt_ms[at], self.share[at])


def callers_of(
    row: NDArray[np.int64], share: FloatArray, rtt_ms: FloatArray, wanted: NDArray[np.int64]
) -> Callers:
    """Return the callers of the rows ``wanted``, padded to the same number.

    Args:
        row: Row of each flow, ascending.
        share: Share of the row's requests.
        rtt_ms: Round trip of the flow.
        wanted: Rows, ascending.
    """
    hit = np.isin(row, wanted)
    at = np.searchsorted(wanted, row[hit])
    first = np.searchsorted(at, np.arange(len(wanted)))
    position = np.arange(len(at)) - first[at]
    width = int(position.max(initial=0)) + 1
    rtt, part = np.zeros((len(wanted), width)), np.zeros((len(wanted), width))
    rtt[at, position], part[at, position] = rtt_ms[hit], share[hit]
    total = part.sum(axis=1, keepdims=True)
    # A row without a known caller counts as called from one place.
    part[total[:, 0] <= 0, 0] = 1.0
    total[total <= 0] = 1.0
    return Callers(rtt, part / total)


def skew(variation: FloatArray) -> FloatArray:
    """Return the log standard deviation of a lognormal with this coefficient of variation.

    At most the normal quantile of the level: beyond it more variance would mean a lower percentile.
    """
    sigma: FloatArray = np.minimum(np.sqrt(np.log1p(np.square(variation))), _NORMAL_QUANTILE)
    return sigma


def single_caller_p95(
    network_ms: FloatArray, inside_ms: FloatArray, variation: FloatArray
) -> FloatArray:
    """Return the p95 seen by one caller at a fixed network time, ms.

    >>> float(single_caller_p95(np.array([10.0]), np.array([5.0]), np.array([0.0]))[0])
    15.0
    """
    sigma = skew(variation)
    tail = np.exp(_NORMAL_QUANTILE * sigma - sigma**2 / 2)
    answer: FloatArray = network_ms + inside_ms * tail
    return answer


def mixture_p95(
    callers: Callers, trips: FloatArray, inside_ms: FloatArray, variation: FloatArray
) -> FloatArray:
    """Return the p95 over all callers, ms, by bisection on the distribution function.

    Args:
        callers: Round trips and shares.
        trips: Round trips per request, shape (N,).
        inside_ms: Mean time inside, shape (N,).
        variation: Coefficient of variation of the time inside, shape (N,).
    """
    network = trips[:, None] * callers.rtt_ms
    inside = np.maximum(inside_ms, _TINY_MS)
    sigma = np.maximum(skew(variation), _TINY_MS)
    centre = np.log(inside) - sigma**2 / 2
    reached = np.where(callers.share > 0, network, np.inf)
    low = single_caller_p95(reached.min(axis=1), inside, variation)
    reached = np.where(callers.share > 0, network, -np.inf)
    high = single_caller_p95(reached.max(axis=1), inside, variation)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        left = np.maximum(middle[:, None] - network, _TINY_MS * 1e-6)
        below = ndtr((np.log(left) - centre[:, None]) / sigma[:, None])
        is_low = np.sum(callers.share * below, axis=1) < LEVEL
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    answer: FloatArray = (low + high) / 2
    return answer
