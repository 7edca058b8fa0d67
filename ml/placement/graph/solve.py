"""Place a whole call graph: a certified lower bound, and plans that its prices lead to.

The bound gives every call and caller's region a price: the callee is paid it, the caller pays it.
Then each service is one small problem, solved exactly, and their sum bounds every plan from below,
whatever the prices. Scarce regions charge a rent per vCPU in the same way. Prices climb by scaled
Polyak steps; plans are built from them, callers first, and improved until no service gains alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.placement.graph.exchange import exchanged
from ml.placement.graph.passes import DualPoint, Passes, members
from ml.placement.graph.problem import (
    PROBLEM,
    GraphCost,
    GraphProblem,
    evaluate_graph,
    graph_problem,
)
from ml.placement.graph.starts import nearest_starts
from ml.placement.problem.instance import Flags, Floats, Instance, Ints

_STEP, _SHRINK, _PATIENCE, _MEMORY = 1.0, 0.75, 20, 0.7
_STEP_MIN = 1e-3
_SERVICE_ITERATIONS_MAX, _ITERATIONS_MAX = 8_000_000, 3_000
_BUILD_EVERY, _SWEEPS = 20, 30
_FITTINGS, _FITTING_SWEEPS = 40, 3
_GAP_ENOUGH = 1e-6
_HEADROOM = 1e-3
"""Share of capacity left free while fitting: the last service may be a large one."""
_GUESS = 0.02

Progress = Callable[[int, float, float], None]
Stop = Literal["gap", "no_improvement", "iterations", "time"]


@dataclass(frozen=True)
class GraphSolution:
    """A plan of the linear call-graph problem and its certificate; money in $ per hour."""

    member: Flags
    """Regions of every service, ``(S, R)``."""
    cost: GraphCost
    """The plan evaluated by following every request, apart from the search."""
    lower_bound: float
    rent_usd: Floats
    """$ per vCPU-hour that routing pays in scarce regions, ``(R,)``."""
    iterations: int
    starts: int
    stop_reason: Stop
    is_feasible: bool
    """Whether the plan fits the capacity; without that its cost is no upper bound."""
    problem: str = PROBLEM

    @property
    def objective(self) -> float:
        """Cost of the plan."""
        return self.cost.total_usd

    @property
    def gap(self) -> float:
        """Relative distance between plan and bound; infinite without a plan that fits."""
        if not self.is_feasible:
            return math.inf
        return (self.objective - self.lower_bound) / max(abs(self.lower_bound), 1e-12)


@dataclass
class _Best:
    """The best plan so far."""

    cost: float
    sets: Ints
    rent: Floats
    starts: int = 0


def solve_graph(
    instance: Instance, *, progress: Progress | None = None, time_limit_s: float | None = None
) -> GraphSolution:
    """Return the best plan found for an instance's call graph, with a certified bound.

    Args:
        instance: Services, regions, calls; :data:`~ml.placement.graph.problem.PROBLEM` says which
            of its rules count.
        progress: Called with iteration, lower and upper bound each time plans were built.
        time_limit_s: Emergency stop; such a run does not repeat.
    """
    return solve_problem(graph_problem(instance), progress=progress, time_limit_s=time_limit_s)


def solve_problem(
    problem: GraphProblem, *, progress: Progress | None = None, time_limit_s: float | None = None
) -> GraphSolution:
    """Return the best plan found for a problem, with a certified bound; see :func:`solve_graph`."""
    deadline = math.inf if time_limit_s is None else time.monotonic() + time_limit_s
    passes = Passes(problem)
    free = np.zeros(len(problem.capacity))
    best = _Best(math.inf, np.zeros((0, 0), dtype=np.int64), free)
    for sets in nearest_starts(problem):
        _try(passes, best, sets, free)
    climb = _Climb.begin(problem, _prices(passes, best.sets, best.rent))
    limit = min(_ITERATIONS_MAX, max(50, _SERVICE_ITERATIONS_MAX // max(1, len(problem.total))))
    stop: Stop = "iterations"
    for iteration in range(limit):
        point = passes.dual(climb.price, climb.rent)
        climb.saw(point, best.cost)
        if iteration % _BUILD_EVERY == 0:
            _try(passes, best, passes.built(point, climb.rent), climb.rent)
            if progress is not None:
                progress(iteration, climb.lower, best.cost)
        found = _why_stop(climb, best.cost, deadline)
        if found is not None:
            stop = found
            break
        climb.step(point, best.cost)
    last = passes.dual(climb.best_price, climb.best_rent)
    _try(passes, best, passes.built(last, climb.best_rent), climb.best_rent)
    if not np.isfinite(problem.capacity).any():
        best.sets, best.cost = exchanged(
            passes, best.sets, lambda cost: _why_stop(climb, cost, deadline) in ("gap", "time")
        )
    return _solution(problem, best, climb, iteration + 1, stop)


def _why_stop(climb: _Climb, upper: float, deadline: float) -> Stop | None:
    if upper - climb.lower <= _GAP_ENOUGH * abs(climb.lower):
        return "gap"
    if climb.size < _STEP_MIN:
        return "no_improvement"
    return "time" if time.monotonic() > deadline else None


def _solution(
    problem: GraphProblem, best: _Best, climb: _Climb, iterations: int, stop: Stop
) -> GraphSolution:
    member = members(best.sets, problem.unit.shape[1])
    cost = evaluate_graph(problem, member, best.rent)
    fits = bool((cost.use_vcpu <= problem.capacity * (1.0 + 1e-9)).all())
    return GraphSolution(member, cost, climb.lower, best.rent, iterations, best.starts, stop, fits)


def _prices(passes: Passes, sets: Ints, rent: Floats) -> Floats:
    """Return what calls cost in a plan: the prices to begin with."""
    passes.settled(sets, rent, 1)
    return passes.state.reply.copy()


def _try(passes: Passes, best: _Best, sets: Ints, rent: Floats) -> None:
    """Improve a plan, make it fit, and keep it if it is the best."""
    best.starts += 1
    capacity = passes.problem.capacity
    sets, cost = passes.settled(sets, rent, _SWEEPS)
    if not np.isfinite(capacity).any():
        if cost < best.cost:
            best.cost, best.sets, best.rent = cost, sets, rent.copy()
        return
    if best.sets.size == 0:
        best.sets = sets
    dear = (passes.problem.unit / np.maximum(passes.problem.vcpu, 1e-12)[:, None]).mean(axis=0)
    rent = rent.copy()
    for _ in range(_FITTINGS):
        use = passes.use()
        over = use / (capacity * (1.0 - _HEADROOM)) - 1.0
        if (use <= capacity).all():
            own = cost - float((rent * use).sum())
            if own < best.cost:
                best.cost, best.sets, best.rent = own, sets, rent.copy()
            return
        rent = rent + dear * np.maximum(0.0, over)
        sets, cost = passes.settled(sets, rent, _FITTING_SWEEPS)


@dataclass
class _Climb:
    """Prices on their way up, and the best bound they gave.

    Steps are scaled by what flows through a call, and for rents by a region's size in requests:
    heavy calls would otherwise drown the light ones.
    """

    problem: GraphProblem
    price: Floats
    rent: Floats
    lower: float
    best_price: Floats
    best_rent: Floats
    way: tuple[Floats, Floats]
    weight: Floats
    room: Floats
    size: float = _STEP
    waited: int = 0

    @classmethod
    def begin(cls, problem: GraphProblem, price: Floats) -> _Climb:
        """Begin at the prices of a plan."""
        rent = np.zeros(len(problem.capacity))
        limited = np.isfinite(problem.capacity)
        work = float((problem.vcpu * problem.total).sum()) / max(float(problem.total.sum()), 1e-12)
        room = np.where(limited, problem.capacity, 0.0) * max(work, 1e-12)
        way = (np.zeros_like(price), np.zeros_like(rent))
        weight = problem.call_total[:, None]
        return cls(problem, price, rent, -math.inf, price, rent, way, weight, room)

    def saw(self, point: DualPoint, upper: float) -> None:
        """Keep the bound if it is the best; take smaller steps after a while without."""
        if point.lower_usd > self.lower:
            self.lower, self.waited = point.lower_usd, 0
            self.best_price, self.best_rent = self.price, self.rent
        else:
            self.waited += 1
        if self.waited >= _PATIENCE:
            self.size, self.waited = self.size * _SHRINK, 0

    def step(self, point: DualPoint, upper: float) -> None:
        """Go one step along the slope and the remembered way."""
        limited = self.room > 0
        excess = np.where(limited, point.use_vcpu - np.where(limited, self.problem.capacity, 0), 0)
        scaled = excess / np.where(limited, self.room, 1.0)
        edge_way = point.edge_slope + _MEMORY * self.way[0]
        rent_way = scaled + _MEMORY * self.way[1]
        self.way = (edge_way, rent_way)
        norm = float((self.weight * edge_way**2).sum() + (self.room * rent_way**2).sum())
        if norm <= 0.0:
            self.size = 0.0
            return
        goal = upper if math.isfinite(upper) else self.lower + _GUESS * abs(self.lower)
        step = self.size * max(goal - point.lower_usd, 0.0) / norm
        self.price = self.price + step * edge_way
        self.rent = np.where(limited, np.maximum(0.0, self.rent + step * rent_way), 0.0)
