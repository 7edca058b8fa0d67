"""Noise of one replication on a plan, and the outcomes that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.sparse import csr_array

from generator.synthetic.foundation import Foundation
from generator.synthetic.histogram import BINS, EDGES_MS, FIRST_MS, GROWTH
from generator.synthetic.observe import deploy_drift, row_noise
from generator.synthetic.outcomes import Outcomes
from generator.synthetic.rng import Floats, counter, uniform
from generator.synthetic.twin import Demand, Load, Physics

_BLOCK = 16_384
"""Numbers of one kind that are worked on at once; more would leave the cache."""


@dataclass(frozen=True)
class Factors:
    """Noise of every row: factor on latency and extra error rate, shape (S, D, R)."""

    latency: Floats
    errors: Floats


@dataclass(frozen=True)
class Draws:
    """What a replication draws, whatever the plan, from day 0 to a horizon.

    Attributes:
        replication: Its number.
        latency, errors: Factor on latency and extra error rate, shape (S, D, R).
        drift: What deploys add to the log of own work after the history, (S, D); None for 0.
    """

    replication: int
    latency: Floats
    errors: Floats
    drift: Floats | None


@dataclass(frozen=True)
class Coins:
    """Uniforms that round shares of requests to whole ones, (S, O, H): the same for every plan."""

    dropped: Floats
    failed: Floats


def coins_of(seed: int, demand: Demand, replication: int) -> Coins:
    """Return the coins of a replication on the days of a demand."""
    count, origins, _ = demand.offered.shape
    hours = (demand.days[:, None] * 24 + np.arange(24)).ravel()
    cells = counter(np.arange(count)[:, None, None], np.arange(origins)[:, None], hours)
    return Coins(
        uniform(seed, f"dropped/{replication}", cells),
        uniform(seed, f"failed/{replication}", cells),
    )


def draws_of(base: Foundation, horizon: int, replication: int, history_days: int) -> Draws:
    """Return the draws of a replication up to a day.

    Replication 0 goes on with the world's own noise. Others draw new row noise and incidents,
    and their own deploys from the end of the history on.
    """
    # An odd multiplier keeps the seeds of different replications apart.
    seed = (base.seed + replication * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    params = base.params.latency
    noise = row_noise(seed, base.services, len(base.geography.region_ids), horizon, params)
    extra = None
    if replication:
        drift = deploy_drift(seed, base.services, horizon, params)
        known = drift[:, min(history_days, horizon) - 1][:, None]
        extra = np.where(np.arange(horizon) >= history_days, drift - known, 0.0)
    factor = np.exp(noise.log_noise) * noise.incident
    return Draws(replication, factor, noise.incident_errors, extra)


def factors_of(demand: Demand, physics: Physics, draws: Draws) -> Factors:
    """Return the noise of a replication; the same for every plan but for the share of own work."""
    factor, when = draws.latency[:, demand.days], demand.days
    if draws.drift is not None:
        factor = factor * np.exp(physics.own_share * draws.drift[:, when][:, :, None])
    return Factors(factor, draws.errors[:, when])


def outcomes_of(
    base: Foundation,
    demand: Demand,
    load: Load,
    physics: Physics,
    noise: Factors,
    coins: Coins,
    lost: Floats,
    days: tuple[date, ...],
) -> Outcomes:
    """Return the outcomes of a plan under one replication's noise."""
    shares = _shares(base, load, physics, noise)
    scale = physics.inputs.demand_scale
    offered = demand.offered
    if scale != 1.0:
        offered = np.rint(offered * scale).astype(np.int64)
    dropped = _split(offered, shares[1], coins.dropped)
    failed = _split(offered, shares[2], coins.failed)
    failed = np.minimum(failed, offered - dropped)
    served = offered - dropped - failed
    late = np.rint(served * shares[3]).astype(np.int64)
    latency = np.rint(served * shares[0] * 1000.0).astype(np.int64)
    timeout_us = int(base.params.timeout_ms * 1000)
    ids, regions = base.services.ids, base.geography.region_ids
    origin = np.argsort(np.array(regions))
    cost = np.rint(physics.cost * 1e6).astype(np.int64)
    histogram, after = _histograms(physics, noise, demand.days.size)
    return Outcomes(
        service_ids=ids,
        origin_ids=tuple(regions[o] for o in origin),
        region_ids=tuple(regions[o] for o in origin),
        days=days,
        offered=offered[:, origin],
        served=served[:, origin],
        errored=failed[:, origin],
        dropped=dropped[:, origin],
        latency_sum_us=latency[:, origin],
        imputed_sum_us=(latency + (dropped + failed) * timeout_us)[:, origin],
        slo_violations=late[:, origin],
        compute_microusd=cost[0],
        egress_microusd=cost[1],
        storage_microusd=cost[2],
        region_utilisation=physics.utilisation[origin],
        histogram=histogram,
        histogram_after_warmup=after,
        bin_edges_ms=np.concatenate([[0.0], EDGES_MS, [np.inf]]),
        n1_served_share=lost,
    )


def _shares(base: Foundation, load: Load, physics: Physics, noise: Factors) -> Floats:
    """Return mean latency in ms, and shares dropped, failed and late, shape (4, S, O, H)."""
    setting = physics.setting
    count, days, places, _ = setting.users.shape
    out = np.zeros((4, count, places, days * 24))
    lateness = _lateness(physics, noise)
    # Without histograms nobody knows what is late: that share stays zero.
    measures = 3 if lateness is None else 4
    step = max(1, _BLOCK // setting.users[0].size)
    for first in range(0, count, step):
        some = slice(first, first + step)
        answer, mile = _answers(physics, noise, lateness, some)
        users = setting.users[some] / physics.inputs.demand_scale
        mixed = users * answer
        # Only users cross the last mile, from where they are.
        mixed[0] += users * mile
        for q in range(places):
            mixed += answer[:, :, :, q, None] * load.flows.calls[some, :, q]
        total = load.total[some]
        answered = np.maximum(total - mixed[1] - mixed[2], 0.0)
        anywhere: np.ndarray = np.any(setting.routes[some], axis=(2, 3))
        runs = (total > 0) & anywhere[:, :, None, None]
        share = np.zeros(mixed.shape)
        share[1] = 1.0
        for k, by in enumerate((answered, total, total, answered)[:measures]):
            np.divide(mixed[k], by, out=share[k], where=runs & (by > 0))
        out[:measures, some] = share.transpose(0, 1, 3, 2, 4).reshape(
            measures, -1, places, days * 24
        )
    np.clip(out[1:], 0.0, 1.0, out=out[1:])
    return out


def _answers(
    physics: Physics, noise: Factors, lateness: Floats | None, some: slice
) -> tuple[Floats, Floats]:
    """Return latency and shares dropped, failed and late by place, and the last mile.

    Shapes (4, M, D, Q, 24), or 3 where what is late is unknown, and (M, D, Q, 24); latency is
    weighted by the share answered.
    """
    setting = physics.setting
    routes = setting.routes[some]
    noisy = routes * noise.latency[some][:, :, None, :]
    trips = setting.services.round_trips[some][:, None, None, None]
    failed = np.minimum(physics.failed[some] + noise.errors[some][..., None], 1.0)
    # Latency is that of answered requests: regions that shed or fail weigh less.
    kept = np.maximum(1 - physics.shed[some] - failed, 0.0)
    answer = np.zeros((3 if lateness is None else 4, *setting.users[some].shape))
    answer[0] = (noisy * setting.rtt_ms) @ kept * trips
    answer[0] += noisy @ (physics.inside_ms[some] * kept)
    answer[1] = routes @ physics.shed[some]
    answer[2] = routes @ failed
    if lateness is not None and physics.violating is not None:
        weighted = routes * lateness[some][:, :, None]
        above = physics.violating[some] * kept[:, :, None]
        answer[3] = np.einsum("sdqr,sdqrh->sdqh", weighted, above)
    return answer, setting.last_mile_ms[:, None] * trips * (noisy @ kept)


def _lateness(physics: Physics, noise: Factors) -> Floats | None:
    """Return by how much noise multiplies the share above the objective, by row, (S, D, R)."""
    if physics.counts is None or physics.slo_ms is None:
        return None
    s, day, region = physics.rows
    total = physics.counts[0].sum(axis=1, dtype=np.float64)
    upto = np.cumsum(physics.counts[0], axis=1, dtype=np.float64)
    slo = np.where(np.isfinite(physics.slo_ms), physics.slo_ms, 1e6)[s]

    def above(ms: Floats) -> Floats:
        position = np.clip(np.log(ms / FIRST_MS) / np.log(GROWTH) + 1, 0, BINS - 1.001)
        k = np.floor(position).astype(np.int64)
        row = np.arange(k.size)
        below = np.where(k > 0, upto[row, k - 1], 0.0)
        rest: Floats = total - below - (position - k) * (upto[row, k] - below)
        return rest

    before, now = above(slo), above(slo / noise.latency[s, day, region])
    ratio = np.divide(now, before, out=np.ones_like(now), where=before > 1e-9 * total)
    out = np.ones(noise.latency.shape)
    out[s, day, region] = ratio
    return out


def _split(offered: np.ndarray, share: Floats, coins: Floats) -> np.ndarray:
    """Return integer parts of the offered requests, right on average."""
    part: np.ndarray = np.minimum(np.floor(offered * share + coins).astype(np.int64), offered)
    return part


def _histograms(
    physics: Physics, noise: Factors, days: int
) -> tuple[Floats, Floats] | tuple[None, None]:
    """Return the fleet's histograms by day: each row's is shifted by its noise on the log axis."""
    if physics.counts is None:
        return None, None
    both = np.zeros((2, days, BINS))
    s, day, region = physics.rows
    shift = np.log(noise.latency[s, day, region]) / np.log(GROWTH)
    whole = np.floor(shift).astype(np.int64)
    part = (shift - whole).astype(np.float32)
    low = int(whole.min())
    span = int(whole.max()) - low + 2
    group = day * span + (whole - low)
    # Each row is split over two neighbouring bins, rows with one shift are added first.
    weights = np.concatenate([1 - part, part])
    rows = np.tile(np.arange(s.size), 2)
    gather = csr_array((weights, (np.r_[group, group + 1], rows)), shape=(days * span, s.size))
    for counts, out in zip(physics.counts, both, strict=True):
        moved = (gather @ counts).reshape(days, span, BINS).astype(np.float64)
        for k in range(span):
            _add_shifted(out, moved[:, k], low + k)
    return both[0], both[1]


def _add_shifted(out: Floats, counts: Floats, by: int) -> None:
    """Add histograms moved by whole bins; what leaves the scale stays in its end bins."""
    if by == 0:
        out += counts
    elif by > 0:
        out[:, by:] += counts[:, : BINS - by]
        out[:, -1] += counts[:, BINS - by :].sum(axis=1)
    else:
        out[:, :by] += counts[:, -by:]
        out[:, 0] += counts[:, :-by].sum(axis=1)
