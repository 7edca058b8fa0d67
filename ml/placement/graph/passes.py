"""Passes over the call graph: what its services pay at given prices, and what they choose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from ml.placement.graph.kernel import Answers, cheapest_callers, dual_pass
from ml.placement.graph.kernel_follow import State, follow_pass
from ml.placement.graph.kernel_types import DEPTH, Calls, Links, Rules, Users, Work
from ml.placement.graph.problem import GraphProblem
from ml.placement.kernel.jit import side_by_side
from ml.placement.problem.instance import Flags, Floats, Ints

_FLOAT_SLACK = 1e-11
_AT_ONCE = 250
"""Services, or calls, of one part of a pass: parts run side by side."""


@dataclass(frozen=True)
class DualPoint:
    """The bound at some prices, and how it changes with them."""

    lower_usd: float
    """Valid whatever the prices; rounded down by more than its sums can be wrong."""
    edge_slope: Floats
    """Calls made minus calls answered, by edge and caller's region, as a share, ``(E, R)``."""
    use_vcpu: Floats
    sets: Ints
    through: Floats
    """What a request costs at these prices, ``(S, R)``."""


@dataclass(frozen=True)
class Passes:
    """Holds work space and the state that neighbours read from each other."""

    problem: GraphProblem

    def _new_work(self) -> Work:
        one = self.problem
        regions, origins = one.unit.shape[1], one.demand.shape[1]
        callers = int(np.diff(one.incoming[1]).max(initial=0))
        width = origins + callers * (regions + 1)
        return Work(
            np.zeros((width, regions)),
            np.zeros(width),
            np.zeros((DEPTH, width)),
            np.zeros((DEPTH, regions)),
            np.zeros((DEPTH + 1, regions)),
            np.zeros((DEPTH + 3, max(regions, DEPTH)), dtype=np.int64),
        )

    @cached_property
    def _work(self) -> Work:
        return self._new_work()

    @cached_property
    def _users(self) -> Users:
        one = self.problem
        return Users(one.demand, one.user_kb, one.user_in, one.user_ms, one.user_out, one.user_rtt)

    @cached_property
    def _calls(self) -> Calls:
        one = self.problem
        return Calls(one.call_up, one.call_down, one.call_ms, one.call_out, one.call_rtt)

    @cached_property
    def _links(self) -> Links:
        one = self.problem
        return Links(one.calls, one.call_total, *one.incoming, one.outgoing)

    @cached_property
    def _rules(self) -> Rules:
        one = self.problem
        return Rules(one.fixed, one.allowed, one.least, one.most)

    @cached_property
    def _onward(self) -> csr_array:
        one, shape = self.problem, (len(self.problem.total), len(self.problem.caller))
        return csr_array((one.calls, (one.caller, np.arange(shape[1]))), shape=shape)

    @cached_property
    def orders(self) -> tuple[Ints, Ints]:
        """All services from callers to callees, and the other way round."""
        layers = self.problem.layers
        return np.concatenate(layers), np.concatenate(layers[::-1])

    @cached_property
    def state(self) -> State:
        """What the passes so far left; a pass reads and writes it."""
        one = self.problem
        shape = len(one.caller), one.unit.shape[1]
        none = np.zeros((len(one.total), DEPTH + 1), dtype=np.int64)
        return State(
            np.zeros_like(one.unit),
            np.zeros(shape),
            np.zeros(shape),
            none,
            np.zeros(len(one.total)),
            np.zeros_like(one.unit),
        )

    def dual(self, price: Floats, rent: Floats) -> DualPoint:
        """Return the bound at prices of calls and of vCPU.

        Args:
            price: What a callee is paid for one call per second from a region, $ per hour,
                ``(E, R)``.
            rent: $ per vCPU-hour, not negative, 0 where there is no limit, ``(R,)``.
        """
        one = self.problem
        n, edges = len(one.total), len(one.caller)
        borrowed = np.zeros_like(price)
        callers = np.zeros(price.shape, dtype=np.int64)
        users, calls, links, rules = self._users, self._calls, self._links, self._rules

        def ask(e: int) -> None:
            cheapest_callers(e, min(edges, e + _AT_ONCE), calls, price, borrowed, callers)

        side_by_side(ask, range(0, edges, _AT_ONCE))
        through = one.unit + one.vcpu[:, None] * rent + np.asarray(self._onward @ price)
        sets, values = np.zeros((n, DEPTH + 1), dtype=np.int64), np.zeros(n)
        load, served = np.zeros_like(through), np.zeros(edges, dtype=np.int64)
        answers = Answers(sets, values, load, served)

        def place(s: int) -> None:
            upto, work = min(n, s + _AT_ONCE), self._new_work()
            dual_pass(s, upto, users, through, borrowed, links, rules, work, answers)

        # Each part writes what belongs to its own services: the order of the parts is free.
        side_by_side(place, range(0, n, _AT_ONCE))
        limited = rent > 0
        scarce = math.fsum(rent[limited] * one.capacity[limited])
        size = math.fsum(np.abs(values)) + math.fsum(
            one.call_total * np.abs(price).max(axis=1, initial=0.0)
        )
        lower = math.fsum(values) - math.fsum(one.spared) - scarce - _FLOAT_SLACK * (size + scarce)
        slope = (load / np.where(one.total > 0, one.total, 1.0)[:, None])[one.caller]
        every = np.arange(edges)
        slope[every, callers[every, served]] -= 1.0
        return DualPoint(lower, slope, (one.vcpu[:, None] * load).sum(axis=0), sets, through)

    def built(self, point: DualPoint, rent: Floats) -> Ints:
        """Return sets chosen callers first, each for the calls that really reach it.

        Args:
            point: Its prices stand for what calls cost further on.
            rent: $ per vCPU-hour.
        """
        sets = point.sets.copy()
        self.state.flow[:] = 0.0
        self.state.through[:] = point.through
        self.follow(self.orders[0], sets, self.unit_usd(rent), choose=True, priced=True)
        return sets

    def settled(self, sets: Ints, rent: Floats, sweeps: int) -> tuple[Ints, float]:
        """Return sets that no service leaves alone, and their cost with rent.

        A sweep goes from callees to callers: a service's clients stay, its calls are already
        answered anew. Then calls are routed again, which costs no more.

        Args:
            sets: Where to begin.
            rent: $ per vCPU-hour.
            sweeps: Most sweeps.
        """
        sets = sets.copy()
        (down, up), unit = self.orders, self.unit_usd(rent)
        self.follow(up, sets, unit, choose=False)
        self.follow(down, sets, unit, choose=False)
        best = math.inf
        for _ in range(sweeps):
            self.follow(up, sets, unit, choose=True)
            cost = self.cost(sets)
            self.follow(down, sets, unit, choose=False)
            if cost >= best * (1.0 - 1e-7):
                break
            best = cost
        return sets, self.cost(sets)

    def cost(self, sets: Ints) -> float:
        """Return cost with rent at the state of the last pass."""
        one = self.problem
        return float(self.state.paid.sum() + (one.fixed * sets[:, 0] - one.spared).sum())

    def use(self) -> Floats:
        """Return vCPU by region at the state of the last pass, ``(R,)``."""
        return np.asarray((self.problem.vcpu[:, None] * self.state.load).sum(axis=0))

    def unit_usd(self, rent: Floats) -> Floats:
        """Return $ per hour of one request per second inside each service with rent, ``(S, R)``."""
        return np.asarray(self.problem.unit + self.problem.vcpu[:, None] * rent)

    def follow(
        self, order: Ints, sets: Ints, unit: Floats, *, choose: bool, priced: bool = False
    ) -> None:
        """Let services answer and call in order, and choose their sets if asked.

        Args:
            order: Services.
            sets: Of all services, changed in place.
            unit: As :meth:`unit_usd` returns it.
            choose: Whether they choose.
            priced: Whether what a request costs onwards is given in the state.
        """
        state = self.state._replace(sets=sets)
        follow_pass(
            order, choose, priced, self._users, unit, self._calls, self._links, self._rules,
            self._work, state,
        )  # fmt: skip


def members(sets: Ints, regions: int) -> Flags:
    """Return the regions of every set as flags, ``(S, R)``.

    Args:
        sets: Size and regions, ``(S, DEPTH + 1)``.
        regions: Number of regions.
    """
    found = np.zeros((len(sets), regions), dtype=bool)
    slots = np.arange(sets.shape[1] - 1)[None] < sets[:, :1]
    s, x = np.nonzero(slots)
    found[s, sets[s, 1 + x]] = True
    return found
