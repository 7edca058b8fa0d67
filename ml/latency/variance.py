"""How much the time inside a service varies from request to request, callees first.

A request works and waits for a worker, which varies by the service's own nature, and waits for
calls, whose variance follows through the graph. So a plan that brings callees nearer shortens the
tail of their callers too, which no ratio of percentile and mean could know.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ml.latency.graph import Call, Fleet, FloatArray, is_slowest
from ml.latency.physics import Columns, Physics

TINY_MS = 1e-3
# Takes a service and the variance of its calls (R, D), ms²; returns the variation of its own work.
Variation = Callable[[int, FloatArray], float]


def own_grid_ms(columns: Columns, fleet: Fleet, physics: Physics) -> FloatArray:
    """Return work, queue and base of every service, ms, shape (S, R, D)."""
    queue = physics.own.queue[:, None, None] * fleet.spread(columns.q_hat_ms)
    own = fleet.spread(columns.demand_ms) + queue + physics.base_ms[:, None, None]
    return np.maximum(own, TINY_MS)


def walk_variance(
    fleet: Fleet, physics: Physics, own_ms: FloatArray, variation: Variation
) -> FloatArray:
    """Return the variance of the waiting for calls, ms², for callers everywhere, (S, R, D).

    Args:
        fleet: Services, routing and calls.
        physics: Call factors and mean waiting.
        own_ms: Work, queue and base, shape (S, R, D).
        variation: Gives each service's coefficient of variation; called callees before callers.
    """
    waiting = np.zeros(own_ms.shape)
    mean, variance = np.zeros(own_ms.shape), np.zeros(own_ms.shape)
    inside = own_ms + physics.slopes.calls * physics.waiting_ms
    for service in fleet.order:
        calls = fleet.calls[service]
        if calls:
            callees = [call.callee for call in calls]
            factors = physics.slopes.calls * physics.own.factors[service]
            waiting[service] = calls_variance(calls, factors, mean[callees], variance[callees])
        own = variation(service, waiting[service]) * own_ms[service]
        spread = own**2 + waiting[service]
        mean[service], variance[service] = answer(fleet, service, inside[service], spread)
    return waiting


def calls_variance(
    calls: tuple[Call, ...], factors: FloatArray, mean_ms: FloatArray, variance_ms2: FloatArray
) -> FloatArray:
    """Return the variance of the slowest calls of all stages, ms², shape of one call.

    Which call is its stage's slowest is told by the means.

    Args:
        calls: Calls of one service, E of them.
        factors: Answer times that one request waits for, shape (E,).
        mean_ms: Mean answer of each callee, shape (E, ...).
        variance_ms2: Its variance.
    """
    waits = factors.reshape(-1, *[1] * (mean_ms.ndim - 1))
    each = waits**2 * variance_ms2
    for i, call in enumerate(calls):
        chance = factors[i]
        if call.is_coin and chance < 1:
            # Whether the call is made at all is a coin, which adds to the variance.
            each[i] = chance * variance_ms2[i] + chance * (1 - chance) * mean_ms[i] ** 2
    slowest = is_slowest(calls, waits * mean_ms)
    total: FloatArray = np.where(slowest, each, 0.0).sum(axis=0)
    return total


def answer(
    fleet: Fleet, service: int, inside_ms: FloatArray, variance_ms2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return mean (ms) and variance (ms²) of an answer to callers in every region, (R, D).

    An answer is a mixture over the regions that give it, of round trip and time inside; on days
    on which the service runs nowhere it is nothing.

    Args:
        fleet: Routing.
        service: Who answers.
        inside_ms: Its mean time inside by region and day, shape (R, D).
        variance_ms2: Variance of that.
    """
    near, active = fleet.near[service], fleet.active[service]
    caller, day = np.indices(near.shape)
    way = fleet.rtt_ms[caller, near, day] + inside_ms[near, day]
    mean, second = way, variance_ms2[near, day] + way**2
    if fleet.misroute > 0:
        even = active / np.maximum(active.sum(axis=0), 1)
        ways = fleet.rtt_ms + inside_ms
        stray = np.sum(even * ways, axis=1)
        squared = np.sum(even * (variance_ms2 + ways**2), axis=1)
        mean = (1 - fleet.misroute) * mean + fleet.misroute * stray
        second = (1 - fleet.misroute) * second + fleet.misroute * squared
    is_alive = active.any(axis=0)
    spread = np.maximum(second - mean**2, 0.0)
    return np.where(is_alive, mean, 0.0), np.where(is_alive, spread, 0.0)
