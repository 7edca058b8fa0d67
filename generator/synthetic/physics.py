"""Ground truth of latency: own work, wait, calls of other services, network.

Composed per hour, callees first. Arrays are dense over (service, day, region, hour of day);
where a service does not run they are zero.
"""

from __future__ import annotations

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
    own_variance = (services.service_ms**2 * services.cs2 + services.io_ms**2 / 2)[:, None]
    own_variance = own_variance * factor**2
    shape = setting.load.shape
    inside, variance = np.zeros(shape), np.zeros(shape)
    calls_ms, work_variance = np.zeros(shape), np.zeros(shape)
    runs = (setting.instances > 0)[..., None]
    edges = _waiting_edges(graph, len(services))
    for s in np.argsort(-services.layer, kind="stable"):
        mean_d, var_d = _dependencies(setting, edges[s], inside, variance)
        calls_ms[s] = mean_d * runs[s]
        work_variance[s] = (own_variance[s][:, None, None] + var_d) * runs[s]
        inside[s] = (own[s][:, None, None] + mean_d + law.mean_ms[s]) * runs[s]
        variance[s] = work_variance[s] + law.variance_ms2[s]
    return Latency(own, calls_ms, inside, work_variance, law)


def _waiting_edges(graph: Graph, count: int) -> list[list[np.ndarray]]:
    """Return, per caller, the edges it waits for, grouped by stage."""
    out: list[list[np.ndarray]] = []
    order = np.lexsort((graph.stage, graph.caller))
    order = order[~graph.is_async[order]]
    ends = np.searchsorted(graph.caller[order], np.arange(count + 1))
    for s in range(count):
        mine = order[ends[s] : ends[s + 1]]
        out.append([mine[graph.stage[mine] == k] for k in np.unique(graph.stage[mine])])
    return out


def _dependencies(
    setting: Setting, stages: list[np.ndarray], inside: Floats, variance: Floats
) -> tuple[Floats, Floats]:
    """Return mean and variance of the time one service waits for its callees, (D, R, 24)."""
    shape = inside.shape[1:]
    total, total_variance = np.zeros(shape), np.zeros(shape)
    for edges in stages:
        slowest, its_variance = np.zeros(shape), np.zeros(shape)
        for e in edges:
            mean, second = _answer(setting, int(setting.graph.callee[e]), inside, variance)
            calls, factor = setting.graph.calls[e], setting.graph.factor[e]
            # A call made with probability p adds its own coin to the variance.
            spread = (
                calls * second - (calls * mean) ** 2
                if calls < 1
                else factor**2 * (second - mean**2)
            )
            slower = factor * mean > slowest
            its_variance = np.where(slower, spread, its_variance)
            slowest = np.where(slower, factor * mean, slowest)
        total += slowest
        total_variance += its_variance
    return total, np.maximum(total_variance, 0.0)


def _answer(
    setting: Setting, callee: int, inside: Floats, variance: Floats
) -> tuple[Floats, Floats]:
    """Return E[X] and E[X²] of one call, X = RTT + callee latency over the callee's regions."""
    routes, rtt = setting.routes[callee], setting.rtt_ms
    weighted = routes * rtt
    there = inside[callee]
    mean = routes @ there + weighted.sum(axis=2)[..., None]
    second = (
        routes @ (variance[callee] + there**2)
        + 2 * (weighted @ there)
        + (weighted * rtt).sum(axis=2)[..., None]
    )
    return mean, second


def network_ms(setting: Setting, s: int) -> Floats:
    """Return the network time N of service ``s`` from every place, shape (D, Q, R, 24).

    The last mile is paid by users only: by the share of users in the flow from a place.
    """
    total = setting.users[s] + setting.calls[s]
    share = np.divide(setting.users[s], total, out=np.zeros_like(total), where=total > 0)
    mile = setting.last_mile_ms[:, None] * share
    n: Floats = setting.rtt_ms[..., None] + mile[:, :, None, :]
    n *= setting.services.round_trips[s]
    return n


def cell_flow(setting: Setting, s: int) -> Floats:
    """Return requests per second of ``s`` from place q served in r, shape (D, Q, R, 24)."""
    total = setting.users[s] + setting.calls[s]
    flow: Floats = setting.routes[s][..., None] * total[:, :, None, :]
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
