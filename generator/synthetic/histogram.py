"""Latency histograms: a request-weighted mixture over hours and calling places.

Percentiles are never averaged: histograms are added, then read. Bins: underflow below 0.5 ms,
590 bins that are 2 % wide, overflow above 59 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array
from scipy.special import ndtr

from generator.synthetic.physics import Latency, Setting, cell_flow, network_ms
from generator.synthetic.rng import Floats

GROWTH = 1.02
FIRST_MS = 0.5
LOG_BINS = 590
BINS = LOG_BINS + 2
EDGES_MS: Floats = FIRST_MS * GROWTH ** np.arange(LOG_BINS + 1, dtype=np.float64)
WARMUP_HOURS = 4

_CHUNK = 2048
# Below this chance nobody notices the wait; it is merged into the work's mean and variance.
_NO_WAIT = 1e-4
_STEP = 0.01
# Gauss-Hermite nodes of a standard normal, for the tail of work plus wait at one objective.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class RowHistograms:
    """Histograms of M services.

    Attributes:
        requests: Requests by bin, shape (M, D, R, BINS).
        after_warmup: The same for hours 4 to 23, or None when not asked for.
        violating: Share of requests above the objective, shape (M, D, Q, R, 24), or None.
    """

    requests: Floats
    after_warmup: Floats | None
    violating: Floats | None


@dataclass(frozen=True)
class _Cells:
    """Requests of one day, place, region and hour: T = N + G + W; arrays of shape (C,)."""

    row: np.ndarray
    hour: np.ndarray
    network_ms: Floats
    work_ms: Floats
    work_variance: Floats
    chance: Floats
    scale_ms: Floats
    weight: Floats


def service_histograms(
    setting: Setting,
    latency: Latency,
    which: np.ndarray,
    *,
    kept: Floats | None = None,
    slo_ms: Floats | None = None,
) -> RowHistograms:
    """Return the histograms of some services for every day and region.

    Args:
        setting: The fleet, its routes and its load.
        latency: Its composed latency.
        which: Indices of M services.
        kept: Share of requests that are answered at all, (M, D, R, 24); all when not given.
        slo_ms: Objectives, shape (M,); when given, violations and after-warm-up counts are
            returned too.
    """
    flow = cell_flow(setting, which) * 3600.0
    if kept is not None:
        flow = flow * kept[:, :, None]
    count, days, _, regions, _ = flow.shape
    used = flow > 0
    at = np.nonzero(used)
    cells = _cells(setting, latency, which, flow, used, at)
    rows = count * days * regions
    shape = (count, days, regions, BINS)
    if slo_ms is None:
        whole = _mixture(cells, cells.weight[None], rows, setting.timeout_ms)
        return RowHistograms(whole.reshape(shape), None, None)
    late = cells.weight * (cells.hour >= WARMUP_HOURS)
    both = _mixture(cells, np.stack([cells.weight, late]), rows, setting.timeout_ms)
    whole, after = both.reshape(2, *shape)
    violating = np.zeros(flow.shape)
    violating[used] = _above(cells, slo_ms[at[0]])
    return RowHistograms(whole, after, violating)


def _cells(
    setting: Setting,
    latency: Latency,
    which: np.ndarray,
    flow: Floats,
    used: np.ndarray,
    where: tuple[np.ndarray, ...],
) -> _Cells:
    m, day, _, region, hour = where
    law = latency.wait
    at = (which[m], day, region, hour)
    work = latency.own_ms[which[m], day] + latency.calls_ms[at]
    variance = latency.work_variance_ms2[at]
    chance = law.chance[at]
    slight = (chance < _NO_WAIT) | (law.variance_ms2[at] < 0.01 * variance)
    return _Cells(
        row=(m * flow.shape[1] + day) * flow.shape[3] + region,
        hour=hour,
        network_ms=network_ms(setting, which)[used],
        work_ms=work + np.where(slight, law.mean_ms[at], 0.0),
        work_variance=variance + np.where(slight, law.variance_ms2[at], 0.0),
        chance=np.where(slight, 0.0, chance),
        scale_ms=law.scale_ms[at],
        weight=flow[used],
    )


def _level(values: Floats, step: float, bits: int, low: float) -> np.ndarray:
    """Return values as steps on a log axis, in so many bits."""
    steps = np.rint(np.log(np.maximum(values, low)) / step).astype(np.int64)
    return np.clip(steps + (1 << (bits - 1)), 0, (1 << bits) - 1)


def _mixture(cells: _Cells, weights: Floats, rows: int, timeout_ms: float) -> Floats:
    """Return weighted mixtures of the cells' laws by row, shape (len(weights) * rows, BINS).

    The law of N + G is evaluated once for cells that agree within 1 %; waiting is linear in that
    law, so it is applied once per row and length of the wait, to the mixture of those who wait.

    Args:
        cells: The cells.
        weights: One or more weightings of them, the first one positive, shape (K, C).
        rows: Number of rows.
        timeout_ms: When a caller gives up.
    """
    key = cells.row.astype(np.int64)
    key = (key << 12) | _level(cells.network_ms, _STEP, 12, 0.1)
    key = (key << 12) | _level(cells.work_ms, _STEP, 12, 0.1)
    key = (key << 10) | _level(cells.work_variance / cells.work_ms**2, 10 * _STEP, 10, 1e-6)
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    law = _Law.of(cells, weights[0], group, first.size)
    waits = np.flatnonzero(cells.chance > 0)
    wait_key = (cells.row << 12) | _level(cells.scale_ms, 5 * _STEP, 12, 1e-3)
    _, wait_first, wait_group = np.unique(wait_key[waits], return_index=True, return_inverse=True)
    upto = np.zeros((len(weights) * rows, EDGES_MS.size))
    delayed = np.zeros((len(weights) * wait_first.size, EDGES_MS.size))
    waiting = weights * cells.chance
    order = np.argsort(law.network_ms, kind="stable")
    to_row = _gather(cells.row, group, weights - waiting, rows, order)
    to_wait = _gather(wait_group, group[waits], waiting[:, waits], wait_first.size, order)
    for start in range(0, order.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        cdf = law.distribution(order[part])
        upto += to_row[:, part] @ cdf
        delayed += to_wait[:, part] @ cdf
    if wait_first.size:
        share = waiting[0, waits]
        mass = np.bincount(wait_group, share, wait_first.size)

        def mean(values: Floats) -> Floats:
            result: Floats = np.bincount(wait_group, share * values[waits], mass.size) / mass
            return result

        count = len(weights)
        answered = _delay(delayed, np.tile(mean(cells.scale_ms), count))
        # The time-out cuts the wait: what would wait longer is answered, badly, at that moment.
        given_up = np.tile(mean(cells.network_ms + cells.work_ms) + timeout_ms, count)
        answered = np.where(given_up[:, None] <= EDGES_MS, delayed[:, -1:], answered)
        row = cells.row[waits][wait_first] + rows * np.arange(count)[:, None]
        np.add.at(upto, row.ravel(), answered)
    total = np.concatenate([np.bincount(cells.row, w, rows) for w in weights])
    counts = np.empty((len(weights) * rows, BINS))
    counts[:, 0] = upto[:, 0]
    counts[:, 1:-1] = np.diff(upto, axis=1)
    counts[:, -1] = total - upto[:, -1]
    return np.maximum(counts, 0.0)


def _gather(
    target: np.ndarray, source: np.ndarray, weights: Floats, targets: int, order: np.ndarray
) -> csc_array:
    """Return the sums from groups to targets, one block of targets per weighting."""
    count, shape = len(weights), (len(weights) * targets, order.size)
    row = (target + targets * np.arange(count)[:, None]).ravel()
    column = np.tile(source, count)
    return csc_array((weights.ravel(), (row, column)), shape=shape)[:, order]


@dataclass(frozen=True)
class _Law:
    """Laws of N + G, G lognormal, one per group of cells; arrays of shape (groups,)."""

    network_ms: Floats
    log_median: Floats
    log_sd: Floats

    @classmethod
    def of(cls, cells: _Cells, weight: Floats, group: np.ndarray, size: int) -> _Law:
        total = np.bincount(group, weight, size)

        def mean(values: Floats) -> Floats:
            merged: Floats = np.bincount(group, values * weight, size) / total
            return merged

        work = mean(cells.work_ms)
        log_variance = np.log1p(mean(cells.work_variance) / work**2)
        return cls(mean(cells.network_ms), np.log(work) - log_variance / 2, np.sqrt(log_variance))

    def distribution(self, part: np.ndarray) -> Floats:
        """Return P(N + G <= edge) of some groups, shape (len(part), LOG_BINS + 1)."""
        n, median, sd = self.network_ms[part], self.log_median[part], self.log_sd[part]
        # Groups come sorted by N, so one range of edges serves the whole chunk.
        low = int(np.searchsorted(EDGES_MS, n.min(), side="right"))
        top = float((n + np.exp(median + 6 * sd)).max())
        high = min(int(np.searchsorted(EDGES_MS, top)) + 1, EDGES_MS.size)
        cdf = np.zeros((part.size, EDGES_MS.size))
        cdf[:, high:] = 1.0
        z = np.maximum(EDGES_MS[None, low:high] - n[:, None], 1e-300)
        np.log(z, out=z)
        z -= median[:, None]
        z /= sd[:, None]
        ndtr(z, out=cdf[:, low:high])
        return cdf


def _delay(upto: Floats, scale_ms: Floats) -> Floats:
    """Return the distribution of N + G + Exp(scale), from that of N + G on the same edges.

    It solves θ H' = F - H, exactly where F is linear inside a bin; linear in F, so any measure
    may take the place of a distribution.
    """
    f = np.ascontiguousarray(upto.T)
    alpha = np.diff(EDGES_MS)[:, None] / scale_ms
    fade = -np.expm1(-alpha)
    gain = np.diff(f, axis=0) * (1 - fade / alpha)
    h = np.zeros_like(f)
    for k in range(EDGES_MS.size - 1):
        h[k + 1] = h[k] + fade[k] * (f[k] - h[k]) + gain[k]
    return h.T


def _above(cells: _Cells, ms: Floats) -> Floats:
    """Return P(T > ms) of every cell, each with its own ms, by quadrature over the work."""
    log_variance = np.log1p(cells.work_variance / cells.work_ms**2)
    sd = np.sqrt(log_variance)
    median = np.log(cells.work_ms) - log_variance / 2
    left = ms - cells.network_ms
    at_once = ndtr((median - np.log(np.maximum(left, 1e-300))) / sd)
    waits = np.flatnonzero(cells.chance > 0)
    tail = np.zeros(waits.size)
    for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        work = np.exp(median[waits] + sd[waits] * node)
        tail += weight * np.exp(-np.maximum(left[waits] - work, 0.0) / cells.scale_ms[waits])
    above = at_once.copy()
    above[waits] = (1 - cells.chance[waits]) * at_once[waits] + cells.chance[waits] * tail
    result: Floats = above
    return result


def quantile(counts: Floats, p: Floats) -> Floats:
    """Return quantiles of histograms, log-linear inside a bin; null (nan) in the overflow.

    Args:
        counts: Histograms, shape (..., BINS).
        p: Levels in (0, 1), shape (...) of the histograms.
    """
    cumulated = np.cumsum(counts, axis=-1)
    total = cumulated[..., -1]
    target = p * total
    i = np.minimum((cumulated < target[..., None]).sum(axis=-1), BINS - 1)
    upto = np.take_along_axis(cumulated, i[..., None], axis=-1)[..., 0]
    inside = np.take_along_axis(counts, i[..., None], axis=-1)[..., 0]
    share = np.divide(target - (upto - inside), inside, out=np.zeros_like(inside), where=inside > 0)
    value = FIRST_MS * GROWTH ** (i - 1 + share)
    value = np.where(i == 0, FIRST_MS, value)
    known = (total > 0) & (i < BINS - 1)
    result: Floats = np.where(known, value, np.nan)
    return result


def mean_ms(counts: Floats) -> Floats:
    """Return the mean of histograms, each bin at its geometric middle, shape (...)."""
    middle = np.concatenate([[FIRST_MS / 2], EDGES_MS[:-1] * np.sqrt(GROWTH), [EDGES_MS[-1]]])
    total = counts.sum(axis=-1)
    result: Floats = np.divide(
        counts @ middle, total, out=np.full_like(total, np.nan), where=total > 0
    )
    return result
