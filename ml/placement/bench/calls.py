"""A drawn call graph for synthetic fleets, and the time that today's calls take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from ml.placement.problem.instance import Edges, Floats, Instance, Ints

_LAYERS = 6
_EDGES_PER_SERVICE = 2.3
_CALLS = (0.1, 0.25, 0.5, 1.0)
_ASYNC_SHARE = 0.2
_CHUNK = 2_000


def no_calls() -> Edges:
    """Return the call graph of services that never call each other."""
    none = np.zeros(0, dtype=np.int64)
    empty = np.zeros(0)
    return Edges(none, none, empty, empty, none, none.astype(bool), empty, empty)


def draw_calls(rng: Generator, services: int) -> tuple[Edges, Ints]:
    """Return calls from lower to higher layers, and the layer of every service.

    Layer 0 has the users; every later service has a caller, so that it has work.
    """
    layer = np.sort(rng.integers(0, _LAYERS, services))
    layer[0] = 0
    first = np.searchsorted(layer, np.arange(_LAYERS + 1))
    below = np.flatnonzero(layer > 0)
    # One caller each from the layer above, or from users' services where that layer is empty.
    low, high = first[layer[below] - 1], first[layer[below]]
    low = np.where(high > low, low, 0)
    sure = low + np.floor(rng.random(below.size) * np.maximum(1, high - low)).astype(np.int64)
    n_more = max(0, round(services * _EDGES_PER_SERVICE) - below.size)
    caller = rng.integers(0, max(1, int(first[_LAYERS - 1])), n_more)
    start = first[layer[caller] + 1]
    callee = start + np.floor(rng.random(n_more) * (services - start)).astype(np.int64)
    pairs = np.column_stack((np.append(sure, caller), np.append(below, callee)))
    pairs = pairs[(pairs[:, 1] < services) & (layer[pairs[:, 0]] < layer[pairs[:, 1] % services])]
    pairs = np.unique(pairs, axis=0)
    n = len(pairs)
    stage = rng.integers(0, 3, n)
    order = np.lexsort((pairs[:, 1], stage, pairs[:, 0]))
    pairs, stage = pairs[order], stage[order]
    calls = rng.choice(_CALLS, n)
    edges = Edges(
        caller=pairs[:, 0],
        callee=pairs[:, 1],
        calls=calls,
        factor=calls.copy(),
        stage=stage,
        is_async=rng.random(n) < _ASYNC_SHARE,
        request_kb=np.exp(rng.normal(0.0, 0.8, n)),
        response_kb=np.exp(rng.normal(1.2, 1.0, n)),
    )
    return edges, layer


def with_calls_of_today(instance: Instance) -> Instance:
    """Add the time on calls as predictions hold it, under today's plan.

    Utilisation is taken as the highest bucket but one: a rough figure, but one that moves with
    where callees run, which is what a changed plan is compared with.
    """
    n, regions = instance.n_services, instance.n_regions
    answers, dependency = np.zeros((n, regions)), np.zeros((n, regions))
    parts, at = instance.latency, max(0, len(instance.latency.buckets) - 2)
    for services, e in zip(reversed(instance.layers), reversed(instance.layer_edges), strict=True):
        _add_calls(instance, e, answers, dependency)
        inside = parts.own_ms[services, :, at] + dependency[services]
        for first in range(0, len(services), _CHUNK):
            some = services[first : first + _CHUNK]
            answers[some] = _answers(instance, some, inside[first : first + _CHUNK], at)
    calls = np.broadcast_to(dependency[:, :, None], parts.own_ms.shape)
    return replace(instance, latency=replace(parts, calls_ms=calls))


def as_if_users_called(instance: Instance) -> Instance:
    """Return the fleet without calls in which users ask every callee for what it really serves."""
    if not instance.edges.caller.size:
        return instance
    mean, peak = instance.mean_rps.copy(), instance.peak_rps.copy()
    for services, sent in zip(instance.layers, instance.layer_calls, strict=True):
        mean += sent @ mean[services]
        flat = sent @ peak[services].reshape(len(services), -1)
        peak += flat.reshape(peak.shape)
    return replace(instance, edges=no_calls(), mean_rps=mean, peak_rps=peak)


def _add_calls(instance: Instance, e: Ints, answers: Floats, dependency: Floats) -> None:
    edges = instance.edges
    e = e[~edges.is_async[e]]
    if not e.size:
        return
    new = np.ones(e.size, dtype=bool)
    new[1:] = (np.diff(edges.caller[e]) != 0) | (np.diff(edges.stage[e]) != 0)
    starts = np.flatnonzero(new)
    times = edges.factor[e][:, None] * answers[edges.callee[e]]
    longest = np.maximum.reduceat(times, starts, axis=0)
    np.add.at(dependency, edges.caller[e][starts], longest)


def _answers(instance: Instance, services: Ints, inside: Floats, at: int) -> Floats:
    """Return the mean answer time to a caller in each region, ``(n, R)``."""
    origins = instance.n_origins
    rtt, here = instance.rtt_ms[origins:], instance.current[services]
    way = np.where(here[:, None, :], rtt[None], np.inf)
    near = np.zeros(way.shape)
    np.put_along_axis(near, way.argmin(axis=2)[..., None], 1.0, axis=2)
    astray = instance.misroute[origins:][None, :, None]
    share = (1.0 - astray) * near
    share += astray * here[:, None, :] / here.sum(axis=1)[:, None, None]
    parts = instance.latency
    weight, factor = parts.network_weight[services, :, at], parts.factor[services, :, at]
    took = factor[:, None] * (weight[:, None] * rtt[None] + inside[:, None])
    return np.asarray((share * took).sum(axis=2))
