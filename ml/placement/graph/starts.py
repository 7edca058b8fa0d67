"""Simple plans of the call graph to begin with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ml.placement.graph.kernel_types import DEPTH
from ml.placement.graph.problem import GraphProblem
from ml.placement.problem.instance import Flags, Floats, Ints

_CHUNK = 2_000


def nearest_starts(problem: GraphProblem) -> Iterator[Ints]:
    """Yield sets: as few regions as allowed, those nearest to users; then with one hub for all.

    Demand that arrives through calls has no place yet: it counts as coming from where the callers'
    users are. The hub is the region that would cost least if it served everybody alone.
    """
    way = _way_usd(problem)
    yield _fewest(problem, way)
    everywhere = np.where(problem.allowed, way, np.nan)
    middle = np.nanmean(everywhere, axis=0)
    hub = int(np.argmin(np.where(np.isnan(middle), np.inf, middle)))
    pull = way.copy()
    pull[:, hub] = -np.inf
    yield _fewest(problem, np.where(problem.allowed, pull, np.inf))


def _way_usd(problem: GraphProblem) -> Floats:
    """Return what each service would cost in each single region, $ per hour, ``(S, R)``."""
    found = problem.total[:, None] * problem.unit
    demand = problem.demand.copy()
    for services in problem.layers:
        for e in _calls_of(problem, services):
            np.add.at(
                demand, problem.callee[e], problem.calls[e][:, None] * demand[problem.caller[e]]
            )
    for first in range(0, len(found), _CHUNK):
        s = np.arange(first, min(len(found), first + _CHUNK))
        found[s] += np.einsum("so,sor->sr", demand[s], problem.user_usd(s))
    return np.asarray(found)


def _calls_of(problem: GraphProblem, services: Ints) -> list[Ints]:
    ranges = [np.arange(problem.outgoing[s], problem.outgoing[s + 1]) for s in services]
    return [np.concatenate(ranges)] if ranges else []


def _fewest(problem: GraphProblem, value: Floats) -> Ints:
    allowed: Flags = problem.allowed
    order = np.argsort(np.where(allowed, value, np.inf), axis=1, kind="stable")
    sets = np.zeros((len(value), DEPTH + 1), dtype=np.int64)
    sets[:, 0] = problem.least
    width = min(DEPTH, order.shape[1])
    sets[:, 1 : 1 + width] = order[:, :width]
    return sets
