"""Latency histograms: a request-weighted mixture over hours and calling places.

Percentiles are never averaged: histograms are added, then read. Bins: underflow below 0.5 ms,
590 bins that are 2 % wide, overflow above 59 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr

from generator.synthetic.physics import Latency, Setting, cell_flow, network_ms
from generator.synthetic.rng import Floats

GROWTH = 1.02
FIRST_MS = 0.5
LOG_BINS = 590
BINS = LOG_BINS + 2
EDGES_MS: Floats = FIRST_MS * GROWTH ** np.arange(LOG_BINS + 1)
WARMUP_HOURS = 4

_CHUNK = 2048
# Below this chance nobody notices the wait; it is merged into the work's mean and variance.
_NO_WAIT = 1e-4
_STEP = 0.01


@dataclass(frozen=True)
class Cells:
    """Groups of requests whose latency has one law T = N + G + W; arrays of shape (C,).

    Attributes:
        row: Day times regions plus region.
        network_ms: N.
        work_ms, work_variance: Mean and variance of the lognormal G.
        chance, scale_ms: Law of the wait W; chance 0 where it was merged into G.
        weight, weight_after: Requests in all hours, and in hours after the warm-up.
    """

    row: np.ndarray
    network_ms: Floats
    work_ms: Floats
    work_variance: Floats
    chance: Floats
    scale_ms: Floats
    weight: Floats
    weight_after: Floats


@dataclass(frozen=True)
class RowHistograms:
    """Histograms of one service.

    Attributes:
        requests: Requests by bin, shape (D, R, BINS).
        after_warmup: The same for hours 4 to 23, or None when not asked for.
        violating: Share of requests above the objective, shape (D, Q, R, 24), or None.
    """

    requests: Floats
    after_warmup: Floats | None
    violating: Floats | None


def service_histograms(
    setting: Setting, latency: Latency, s: int, *, slo_ms: float | None = None
) -> RowHistograms:
    """Return the histograms of service ``s`` for every day and region.

    Args:
        setting: The fleet, its routes and its load.
        latency: Its composed latency.
        s: Index of the service.
        slo_ms: Objective; when given, violations and after-warm-up counts are returned too.
    """
    flow = cell_flow(setting, s) * 3600.0
    days, _, regions, _ = flow.shape
    used = flow > 0
    cells, group = _merge(setting, latency, s, flow, used)
    out = np.zeros((days * regions, BINS))
    after = np.zeros((days * regions, BINS))
    above = np.zeros(cells.row.size)
    order = np.argsort(cells.network_ms, kind="stable")
    for start in range(0, order.size, _CHUNK):
        part = order[start : start + _CHUNK]
        cdf = _distribution(cells, part, setting.timeout_ms)
        mass = _mass(cdf)
        out += _spread(cells.row[part], cells.weight[part], days * regions) @ mass
        if slo_ms is not None:
            after += _spread(cells.row[part], cells.weight_after[part], days * regions) @ mass
            above[part] = 1 - _at(cdf, slo_ms)
    shape = (days, regions, BINS)
    if slo_ms is None:
        return RowHistograms(out.reshape(shape), None, None)
    violating = np.zeros(flow.shape)
    violating[used] = above[group]
    return RowHistograms(out.reshape(shape), after.reshape(shape), violating)


def _merge(
    setting: Setting, latency: Latency, s: int, flow: Floats, used: np.ndarray
) -> tuple[Cells, np.ndarray]:
    """Return merged cells and the group of every used cell: hours that agree within 1 %."""
    day, _, region, hour = np.nonzero(used)
    n = network_ms(setting, s)[used]
    weight = flow[used]
    law = latency.wait
    at = (s, day, region, hour)
    work = latency.own_ms[s][day] + latency.calls_ms[at]
    variance = latency.work_variance_ms2[at]
    chance, scale = law.chance[at], law.scale_ms[at]
    slight = (chance < _NO_WAIT) | (law.variance_ms2[at] < 0.01 * variance)
    work = work + np.where(slight, law.mean_ms[at], 0.0)
    variance = variance + np.where(slight, law.variance_ms2[at], 0.0)
    chance = np.where(slight, 0.0, chance)
    row = day * flow.shape[2] + region

    def level(values: Floats, step: float, bits: int, low: float = 1e-6) -> np.ndarray:
        steps = np.rint(np.log(np.maximum(values, low)) / step).astype(np.int64)
        return np.clip(steps + (1 << (bits - 1)), 0, (1 << bits) - 1)

    key = row.astype(np.int64)
    key = (key << 11) | level(n, _STEP, 11, 0.1)
    key = (key << 11) | level(work, _STEP, 11, 0.1)
    key = (key << 10) | level(variance / work**2, 4 * _STEP, 10)
    key = (key << 9) | level(chance, 3 * _STEP, 9, 1e-3) * (chance > 0)
    key = (key << 9) | level(scale, 3 * _STEP, 9, 1e-2) * (chance > 0)
    kept, first, group = np.unique(key, return_index=True, return_inverse=True)
    total = np.bincount(group, weight, kept.size)

    def mean(values: Floats) -> Floats:
        merged: Floats = np.bincount(group, values * weight, kept.size) / total
        return merged

    late = np.bincount(group, weight * (hour >= WARMUP_HOURS), kept.size)
    cells = Cells(
        row[first], mean(n), mean(work), mean(variance), mean(chance), mean(scale), total, late
    )
    return cells, group


def _distribution(cells: Cells, part: np.ndarray, timeout_ms: float) -> Floats:
    """Return P(T <= edge) of some cells, shape (len(part), LOG_BINS + 1)."""
    n, work = cells.network_ms[part], cells.work_ms[part]
    log_variance = np.log1p(cells.work_variance[part] / work**2)
    sd = np.sqrt(log_variance)
    log_median = np.log(work) - log_variance / 2
    top = n + np.exp(log_median + 6 * sd)
    # Cells come sorted by N, so one range of edges serves the whole chunk.
    low = int(np.searchsorted(EDGES_MS, n.min(), side="right"))
    high = min(int(np.searchsorted(EDGES_MS, top.max())) + 1, EDGES_MS.size)
    cdf = np.zeros((part.size, EDGES_MS.size))
    cdf[:, high:] = 1.0
    beyond = EDGES_MS[None, low:high] - n[:, None]
    positive = beyond > 0
    z = np.full(beyond.shape, -np.inf)
    np.log(beyond, out=z, where=positive)
    cdf[:, low:high] = ndtr((z - log_median[:, None]) / sd[:, None])
    waiting = np.flatnonzero(cells.chance[part] > 0)
    if waiting.size:
        chance = cells.chance[part][waiting, None]
        delayed = _delay(cdf[waiting], cells.scale_ms[part][waiting], low)
        # The time-out cuts the wait: what would wait longer is answered, badly, at that moment.
        given_up = EDGES_MS[None, :] >= (n + work)[waiting, None] + timeout_ms
        cdf[waiting] = (1 - chance) * cdf[waiting] + chance * np.where(given_up, 1.0, delayed)
    return cdf


def _delay(cdf: Floats, scale_ms: Floats, first: int) -> Floats:
    """Return the distribution of N + G + Exp(scale), from that of N + G on the same edges.

    It solves θ H' = F - H, exactly where F is linear inside a bin.
    """
    f = np.ascontiguousarray(cdf.T)
    h = np.zeros_like(f)
    start = max(first - 1, 0)
    for k in range(start, EDGES_MS.size - 1):
        alpha = (EDGES_MS[k + 1] - EDGES_MS[k]) / scale_ms
        fade = -np.expm1(-alpha)
        h[k + 1] = h[k] + fade * (f[k] - h[k]) + (f[k + 1] - f[k]) * (1 - fade / alpha)
    return h.T


def _mass(cdf: Floats) -> Floats:
    """Return the probability of every bin from the distribution at the edges, (C, BINS)."""
    mass = np.empty((cdf.shape[0], BINS))
    mass[:, 0] = cdf[:, 0]
    mass[:, 1:-1] = np.diff(cdf, axis=1)
    mass[:, -1] = 1 - cdf[:, -1]
    return mass


def _spread(row: np.ndarray, weight: Floats, rows: int) -> csr_array:
    return csr_array((weight, (row, np.arange(row.size))), shape=(rows, row.size))


def _at(cdf: Floats, ms: float) -> Floats:
    """Return P(T <= ms), log-linear inside a bin."""
    position = np.log(ms / FIRST_MS) / np.log(GROWTH)
    k = int(np.clip(np.floor(position), 0, LOG_BINS - 1))
    inside = np.clip(position - k, 0.0, 1.0)
    result: Floats = cdf[:, k] + inside * (cdf[:, k + 1] - cdf[:, k])
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
