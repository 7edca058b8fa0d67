"""The call graph: who calls whom, how often, in which stage, and whether it waits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from generator.synthetic.entities import Services
from generator.synthetic.rng import Floats, counter, gumbel, normal, uniform


@dataclass(frozen=True)
class Awaited:
    """Edges that a caller waits for, by caller and stage; every array has one entry per edge.

    Attributes:
        edge: Index of the edge.
        stage: How many of the caller's stages come before.
        rank: How many edges of the same caller and stage come before.
        factor_squared: Square of the edge's factor.
    """

    edge: np.ndarray
    stage: np.ndarray
    rank: np.ndarray
    factor_squared: Floats


@dataclass(frozen=True)
class Graph:
    """Edges sorted by caller and callee; every array has shape (E,).

    Attributes:
        caller, callee: Indices of services.
        calls: Calls per request of the caller.
        factor: Sequential round trips f per request (hidden; traced with 10 % error).
        stage: Stages run one after another, calls of one stage in parallel.
        is_async: The caller does not wait: load, but no latency.
        serial_calls: The factor as a tracer sees it (exported).
        request_kb, response_kb: Mean sizes of a call (exported).
    """

    caller: np.ndarray
    callee: np.ndarray
    calls: Floats
    factor: Floats
    stage: np.ndarray
    is_async: np.ndarray
    serial_calls: Floats
    request_kb: Floats
    response_kb: Floats

    def __len__(self) -> int:
        """Return the number of edges."""
        return len(self.caller)

    @cached_property
    def awaited(self) -> Awaited:
        """The edges that a caller waits for."""
        order = np.lexsort((self.stage, self.caller))
        edge = order[~self.is_async[order]]
        caller, stage = self.caller[edge], self.stage[edge]
        new_caller = np.r_[True, np.diff(caller) != 0][: edge.size]
        new_stage = new_caller | np.r_[True, np.diff(stage) != 0][: edge.size]
        at = np.arange(edge.size)
        starts = np.maximum.accumulate(np.where(new_stage, at, 0))
        before = np.cumsum(new_stage)
        first = np.maximum.accumulate(np.where(new_caller, before, 0))
        squared = np.array([float(f) ** 2 for f in self.factor[edge]])
        return Awaited(edge, before - first, at - starts, squared)

    def out_degree(self, services: int) -> np.ndarray:
        """Return how many services each service calls, shape (S,)."""
        return np.bincount(self.caller, minlength=services)


def make_graph(seed: int, services: Services) -> Graph:
    """Return the call graph.

    Edges go to deeper layers, of the caller's own block or an earlier one, so a new block may
    call old services but never rewrites their edges.
    """
    pairs: list[tuple[int, int]] = []
    for block in range(int(services.block[-1]) + 1):
        members = np.flatnonzero(services.block == block)
        known = np.flatnonzero(services.block <= block)
        drawn = [e for s in members for e in _callees(seed, services, int(s), known)]
        pairs += drawn + _adopted(seed, services, members, {callee for _, callee in drawn})
    pairs.sort()
    caller = np.array([p[0] for p in pairs], dtype=np.int64)
    callee = np.array([p[1] for p in pairs], dtype=np.int64)
    return _describe(seed, len(services), caller, callee)


def _wanted(seed: int, s: int) -> int:
    z = normal(seed, "out_degree", counter([s]))[0]
    return int(min(12, max(1, round(float(np.exp(0.9 + 0.6 * z))))))


def _callees(seed: int, services: Services, s: int, known: np.ndarray) -> list[tuple[int, int]]:
    """Return the edges of service ``s``: hot services of the next layers first."""
    deeper = known[services.layer[known] > services.layer[s]]
    if not deeper.size:
        return []
    gap = services.layer[deeper] - services.layer[s]
    score = (
        normal(seed, "hot", counter(deeper))
        - 0.7 * (gap - 1)
        + gumbel(seed, "edge", counter(s, 0, 0) + deeper.astype(np.uint64))
    )
    best = deeper[np.argsort(-score, kind="stable")[: _wanted(seed, s)]]
    return [(s, int(t)) for t in best]


def _adopted(
    seed: int, services: Services, members: np.ndarray, called: set[int]
) -> list[tuple[int, int]]:
    """Return one edge inside the block for every service of it that nobody calls."""
    extra = []
    for s in members:
        if services.is_entry[s] or int(s) in called:
            continue
        above = members[services.layer[members] < services.layer[s]]
        u = uniform(seed, "adopter", counter([s]))[0]
        extra.append((int(above[int(u * above.size)]), int(s)))
    return extra


def _describe(seed: int, count: int, caller: np.ndarray, callee: np.ndarray) -> Graph:
    # Counter: caller in the high bits, callee in the low 28.
    key = counter(caller) + callee.astype(np.uint64)

    def u(stream: str) -> Floats:
        return uniform(seed, stream, key)

    def z(stream: str) -> Floats:
        return normal(seed, stream, key)

    kind, level = u("calls_kind"), u("calls_level")
    calls = np.where(kind < 0.5, 1.0, np.where(kind < 0.9, 0.05 + 0.60 * level, 2.0 + 2.0 * level))
    factor = np.where(calls < 1, calls, 1 + 0.15 * (calls - 1))
    degree = np.bincount(caller, minlength=count)[caller]
    return Graph(
        caller=caller,
        callee=callee,
        calls=calls,
        factor=factor,
        stage=(u("stage") * np.minimum(3, degree)).astype(np.int64),
        is_async=u("async") < 0.2,
        serial_calls=factor * np.exp(0.1 * z("serial_calls")),
        request_kb=0.4 * np.exp(0.6 * z("edge_request_kb")),
        response_kb=1.2 * np.exp(0.7 * z("edge_response_kb")),
    )
