"""Joint moves: several neighbours in the call graph change their regions at once.

In a plan that no service leaves alone, a caller may stay because its callees do, and they because
of it. So a neighbourhood is moved together, then every service near it may answer. What a plan
costs follows from what calls cost, callees first; a move changes that only for its services and
their callers, so only they are looked at. A move that does not pay is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ml.placement.graph.kernel_follow import State
from ml.placement.graph.passes import Passes
from ml.placement.problem.instance import Floats, Ints

_SIZES = (3, 8, 20, 60)
"""Services moved at once."""
_SWEEPS = 3
_PAYS = 1e-9
_MOVES_PER_SERVICE, _MOVES_MAX = 4, 4_000
_SEED = 20_260


_Ways = Sequence[Sequence[Sequence[int]]]


@dataclass
class _Plan:
    """A plan under change, with the state of the passes that belongs to it."""

    passes: Passes
    sets: Ints
    unit: Floats
    cost: float
    callees: list[list[int]]
    callers: list[list[int]]
    into: list[Ints]
    """Edges by callee."""
    out: list[Ints]
    """Edges by caller."""
    place: Ints
    """Of each service in the order from callers to callees."""

    @classmethod
    def begin(cls, passes: Passes, sets: Ints) -> _Plan:
        """Return a plan with its state."""
        one, rent = passes.problem, np.zeros(passes.problem.unit.shape[1])
        sets, cost = passes.settled(sets, rent, 1)
        order, first = one.incoming
        into = np.split(order, first[1:-1])
        out = np.split(np.arange(len(one.caller)), one.outgoing[1:-1])
        place = np.empty(len(sets), dtype=np.int64)
        place[passes.orders[0]] = np.arange(len(sets))
        return cls(
            passes, sets, passes.unit_usd(rent), cost, [one.callee[e].tolist() for e in out],
            [one.caller[e].tolist() for e in into], into, out, place,
        )  # fmt: skip

    def near(self, start: Sequence[int], ways: _Ways, most: int) -> list[int]:
        """Return services reached from some, nearest first, at most ``most``."""
        queue, found = list(start), set(start)
        for s in queue:
            if len(queue) >= most:
                break
            for way in ways:
                new = [t for t in dict.fromkeys(way[s]) if t not in found]
                found.update(new)
                queue += new
        return queue[:most]

    def moved(self, services: Ints, sets: Ints) -> bool:
        """Move services together, let their neighbourhood answer, and keep what costs less."""
        every, start = len(self.place), services.tolist()
        around = np.array(
            sorted(
                {*self.near(start, [self.callers], every), *self.near(start, [self.callees], every)}
            )
        )
        down = around[np.argsort(self.place[around])]
        into = np.concatenate([self.into[s] for s in around])
        out = np.concatenate([self.out[s] for s in around])
        kept, before = self._copy(around, into, out), self._part(around)
        self.sets[services] = sets
        follow = self.passes.follow
        follow(down[::-1], self.sets, self.unit, choose=False)
        follow(down, self.sets, self.unit, choose=False)
        after = np.inf
        for _ in range(_SWEEPS):
            follow(down[::-1], self.sets, self.unit, choose=True)
            last, after = after, self._part(around)
            follow(down, self.sets, self.unit, choose=False)
            if after >= last * (1.0 - 1e-9):
                break
        if after < before - _PAYS * abs(self.cost):
            # Callees of callers around find their calls moved; costs do not change by that.
            follow(self.passes.orders[0], self.sets, self.unit, choose=False)
            self.cost = self.passes.cost(self.sets)
            return True
        self._restore(around, into, out, kept)
        return False

    def _part(self, services: Ints) -> float:
        one = self.passes.problem
        opened = one.fixed[services] * self.sets[services, 0]
        return float((self.passes.state.paid[services] + opened).sum())

    def _copy(self, services: Ints, into: Ints, out: Ints) -> State:
        state = self.passes.state
        return State(
            state.through[services], state.reply[into], state.flow[out],
            self.sets[services], state.paid[services], state.load[services],
        )  # fmt: skip

    def _restore(self, services: Ints, into: Ints, out: Ints, kept: State) -> None:
        state = self.passes.state
        state.through[services], state.paid[services] = kept.through, kept.paid
        state.load[services], self.sets[services] = kept.load, kept.sets
        state.reply[into], state.flow[out] = kept.reply, kept.flow


def exchanged(
    passes: Passes,
    sets: Ints,
    is_enough: Callable[[float], bool],
) -> tuple[Ints, float]:
    """Return a plan no worse than the given one, and its cost.

    Args:
        passes: Of a problem without limited regions.
        sets: Where to begin.
        is_enough: Whether a cost needs no improving.
    """
    n, regions = passes.problem.unit.shape
    plan, rng = _Plan.begin(passes, sets), np.random.default_rng(_SEED)
    both = [plan.callees, plan.callers]
    for _ in range(min(_MOVES_MAX, _MOVES_PER_SERVICE * n)):
        if is_enough(plan.cost):
            break
        s, ways = int(rng.integers(n)), [both, both[:1], both[1:]][rng.integers(3)]
        near = plan.near([s], ways, int(rng.choice(_SIZES)))
        out = int(plan.sets[s, 1 + rng.integers(plan.sets[s, 0])])
        change = _CHANGES[rng.integers(len(_CHANGES))]
        services, changed = _changed(plan, near, change, out, int(rng.integers(regions)))
        if services.size:
            plan.moved(services, changed)
    return plan.sets, plan.cost


def _added(regions: list[int], out: int, into: int, most: int) -> list[int]:
    return [*regions[: most - 1], into]


def _swapped(regions: list[int], out: int, into: int, most: int) -> list[int]:
    return [into if r == out else r for r in regions]


def _gathered(regions: list[int], out: int, into: int, most: int) -> list[int]:
    return [into]


_CHANGES = (_added, _swapped, _gathered)


def _changed(
    plan: _Plan,
    services: list[int],
    change: Callable[[list[int], int, int, int], list[int]],
    out: int,
    into: int,
) -> tuple[Ints, Ints]:
    """Return the services that a change applies to, and their sets after it."""
    one, found, rows = plan.passes.problem, [], []
    for s in services:
        now = plan.sets[s, 1 : 1 + plan.sets[s, 0]].tolist()
        if into in now or not one.allowed[s, into]:
            continue
        then = change(now, out, into, int(one.most[s]))
        if then == now or len(then) < one.least[s]:
            continue
        row = plan.sets[s].copy()
        row[0], row[1 : 1 + len(then)] = len(then), then
        found.append(s)
        rows.append(row)
    return np.array(found, dtype=np.int64), np.array(rows, dtype=np.int64)
