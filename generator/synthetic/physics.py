"""Ground truth of latency: own work, wait, calls of other services, network.

Composed per hour, callees first. Arrays are dense over (service, day, region, hour of day);
where a service does not run they are zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from generator.synthetic.entities import Services
from generator.synthetic.graph import Graph
from generator.synthetic.queue import Wait, wait
from generator.synthetic.rng import Floats


@dataclass(frozen=True)
class Setting:
    """What the physics of D days starts from.

    Attributes:
        services, graph: The fleet.
        routes: Shape (S, D, Q, R).
        rtt_ms: Shape (D, R, R).
        last_mile_ms: From users to their nearest region, shape (O,).
        users: Requests per second that users send directly, shape (S, D, O, 24).
        calls: Requests per second that callers in a region send, shape (S, D, Q, 24).
        load: Shape (S, D, R, 24).
        instances: Shape (S, D, R).
        service_time_scale, capacity_scale: Uncertain inputs, 1 in the world itself.
        timeout_ms: When a caller gives up.
    """

    services: Services
    graph: Graph
    routes: Floats
    rtt_ms: Floats
    last_mile_ms: Floats
    users: Floats
    calls: Floats
    load: Floats
    instances: np.ndarray
    timeout_ms: float
    service_time_scale: float = 1.0
    capacity_scale: float = 1.0


@dataclass(frozen=True)
class Latency:
    """Law of the latency inside a service and region, per hour; shapes (S, D, R, 24).

    Attributes:
        own_ms: Own work O, shape (S, D).
        calls_ms: Dependencies D.
        inside_ms: L = O + wait + D.
        work_variance_ms2: Variance of O + D, without the wait.
        wait: Law of the wait.
    """

    own_ms: Floats
    calls_ms: Floats
    inside_ms: Floats
    work_variance_ms2: Floats
    wait: Wait


def waits(setting: Setting) -> Wait:
    """Return the law of the wait of every service, day, region and hour."""
    services = setting.services
    runs = setting.instances > 0
    which = np.nonzero(runs)[0]
    servers = setting.instances[runs] * services.workers[which] * setting.capacity_scale
    service_ms = services.service_ms[which] * setting.service_time_scale
    law = wait(
        setting.load[runs],
        servers[:, None].astype(np.float64),
        service_ms[:, None],
        services.kappa[which][:, None],
        setting.timeout_ms,
    )

    def dense(values: Floats) -> Floats:
        out = np.zeros(setting.load.shape)
        out[runs] = values
        return out

    return Wait(
        dense(law.rho),
        dense(law.chance),
        dense(law.scale_ms),
        dense(law.mean_ms),
        dense(law.variance_ms2),
    )


def compose(setting: Setting, law: Wait, deploy: Floats) -> Latency:
    """Return the latency of every service, callees first.

    Args:
        setting: The fleet, its routes and its load.
        law: Waits of the same setting.
        deploy: Log factor δ of own work by service and day, shape (S, D).
    """
    services, graph = setting.services, setting.graph
    factor = np.exp(deploy) * setting.service_time_scale
    own = (services.service_ms + services.io_ms)[:, None] * factor
    own_variance = services.work_variance_ms2[:, None] * factor**2
    shape = setting.load.shape
    inside, variance, calls_ms, work_variance = (np.zeros(shape) for _ in range(4))
    answers = _Answers(np.zeros(shape), np.zeros(shape))
    runs = (setting.instances > 0)[..., None]
    for some in blocks(-services.layer, inside[0].size):
        mean_d, var_d = _dependencies(graph, some, answers)
        calls_ms[some] = mean_d * runs[some]
        work_variance[some] = (own_variance[some][:, :, None, None] + var_d) * runs[some]
        waited = law.mean_ms[some]
        inside[some] = (own[some][:, :, None, None] + mean_d + waited) * runs[some]
        variance[some] = work_variance[some] + law.variance_ms2[some]
        _answer(setting, some, inside[some], variance[some], answers)
    return Latency(own, calls_ms, inside, work_variance, law)


_BLOCK = 16_384


def blocks(layer: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield services by ascending layer, as many of a layer at once as the cache holds.

    Args:
        layer: What must be done first has the lowest number, shape (S,).
        size: Numbers per service in the largest array that is worked on.
    """
    order = np.argsort(layer, kind="stable")
    step = max(1, _BLOCK // size)
    for members in np.split(order, np.flatnonzero(np.diff(layer[order])) + 1):
        for first in range(0, members.size, step):
            yield members[first : first + step]


@dataclass(frozen=True)
class _Answers:
    """E[X] and E[X²] of one call to a service, by place of the caller, shape (S, D, Q, 24)."""

    mean: Floats
    second: Floats


def _dependencies(graph: Graph, some: np.ndarray, answers: _Answers) -> tuple[Floats, Floats]:
    """Return mean and variance of the time services wait for their callees, (M, D, R, 24)."""
    shape = (some.size, *answers.mean.shape[1:])
    total, total_variance = np.zeros(shape), np.zeros(shape)
    awaited = graph.awaited
    position = np.full(answers.mean.shape[0], -1)
    position[some] = np.arange(some.size)
    mine = np.flatnonzero(position[graph.caller[awaited.edge]] >= 0)
    for k in range(1 + int(awaited.stage[mine].max(initial=-1))):
        slowest, its_variance = np.zeros(shape), np.zeros(shape)
        in_stage = mine[awaited.stage[mine] == k]
        for rank in range(1 + int(awaited.rank[in_stage].max(initial=-1))):
            # No caller occurs twice here, so all of these edges are looked at together.
            which = in_stage[awaited.rank[in_stage] == rank]
            edges = awaited.edge[which]
            at = position[graph.caller[edges]]
            mean, spread = _call(graph, edges, awaited.factor_squared[which], answers)
            slower = mean > slowest[at]
            its_variance[at] = np.where(slower, spread, its_variance[at])
            slowest[at] = np.where(slower, mean, slowest[at])
        total += slowest
        total_variance += its_variance
    return total, np.maximum(total_variance, 0.0)


def _call(
    graph: Graph, edges: np.ndarray, factor_squared: Floats, answers: _Answers
) -> tuple[Floats, Floats]:
    """Return mean and variance of what calls over some edges take, shape (E, D, R, 24)."""

    def each(values: Floats) -> Floats:
        return values[:, None, None, None]

    mean, second = (part[graph.callee[edges]] for part in (answers.mean, answers.second))
    calls = each(graph.calls[edges])
    # A call made with probability p adds its own coin to the variance.
    spread = np.where(
        calls < 1, calls * second - (calls * mean) ** 2, each(factor_squared) * (second - mean**2)
    )
    return each(graph.factor[edges]) * mean, spread


def _answer(
    setting: Setting, some: np.ndarray, inside: Floats, variance: Floats, out: _Answers
) -> None:
    """Fill in what a call costs, X = RTT + callee latency over the callee's regions."""
    routes, rtt = setting.routes[some], setting.rtt_ms
    weighted = routes * rtt
    out.mean[some] = routes @ inside + weighted.sum(axis=3)[..., None]
    out.second[some] = (
        routes @ (variance + inside**2)
        + 2 * (weighted @ inside)
        + (weighted * rtt).sum(axis=3)[..., None]
    )


def network_ms(setting: Setting, s: int | np.ndarray) -> Floats:
    """Return the network time N of service ``s`` from every place, shape (..., D, Q, R, 24).

    The last mile is paid by users only: by the share of users in the flow from a place.
    """
    total = setting.users[s] + setting.calls[s]
    share = np.divide(setting.users[s], total, out=np.zeros_like(total), where=total > 0)
    mile = setting.last_mile_ms[:, None] * share
    n: Floats = setting.rtt_ms[..., None] + mile[..., None, :]
    n *= setting.services.round_trips[s][..., None, None, None, None]
    return n


def cell_flow(setting: Setting, s: int | np.ndarray) -> Floats:
    """Return requests per second of ``s`` from place q served in r, shape (..., D, Q, R, 24)."""
    total = setting.users[s] + setting.calls[s]
    flow: Floats = setting.routes[s][..., None] * total[..., None, :]
    return flow


def daily_network_ms(setting: Setting) -> Floats:
    """Return the request-weighted network time per service, day and region, (S, D, R)."""
    out = np.zeros(setting.instances.shape)
    for s in range(len(setting.services)):
        flow = cell_flow(setting, s)
        weight = flow.sum(axis=(1, 3))
        cost = (flow * network_ms(setting, s)).sum(axis=(1, 3))
        np.divide(cost, weight, out=out[s], where=weight > 0)
    return out


def weighted_daily(values: Floats, load: Floats) -> Floats:
    """Return the request-weighted mean over the hours of a day, 0 where nothing was served."""
    weight = load.sum(axis=-1)
    total = (values * load).sum(axis=-1)
    mean: Floats = np.divide(total, weight, out=np.zeros_like(weight), where=weight > 0)
    return mean


def calls_everywhere(setting: Setting, latency: Latency) -> Floats:
    """Return the time on calls of a request in any region, run there or not, (S, D, R, 24)."""
    weighted = (setting.routes * setting.rtt_ms).sum(axis=3)
    answers = setting.routes @ latency.inside_ms + weighted[..., None]
    # The second moment only serves the variance, which nobody asks for here.
    known = _Answers(answers, np.zeros_like(answers))
    return _dependencies(setting.graph, np.arange(len(answers)), known)[0]
