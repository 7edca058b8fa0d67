"""Search for the best plan of the fleet, and say how far it can be from the best.

A descent ends where no change that is looked at helps, so where it begins decides. It begins at
several plans, is kicked out of the best end some times, and the end is certified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.beside import beside
from ml.placement.errors import InfeasibleError
from ml.placement.fleet.evaluate import SLOWER, Today
from ml.placement.fleet.fleet import Fleet, describe_today
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.problem.slots import Clients
from ml.placement.problem.subsets import SetSpace, build_space
from ml.placement.search.descent import End, descend
from ml.placement.search.diagnose import explain_shortage
from ml.placement.search.kicks import kicked
from ml.placement.search.master import Master, overload, solve_master
from ml.placement.search.proposals import exchanges, parts_of
from ml.placement.search.rules import cheapest_sets
from ml.placement.walk import Moves, Walk, open_walk
from ml.placement.walk.ranks import Rank, move_limit

_CLOSE_ENOUGH = 2e-5
_WAITING_LADDER = (4.0, 1.0)
_KICKS, _TOGETHER_EVERY = 36, 3
"""Kicks, in two chains, and which of them are followed by what all would choose together."""
_CLOSINGS = 5
# Larger tables are searched from fewer plans, and rounded well, not exactly.
_EXACT_CELLS = 20_000


@dataclass(frozen=True)
class Solution:
    """A plan, what every set of every service is worth beside it, and the certificate."""

    instance: Instance
    space: SetSpace
    today: Today
    today_fleet: Fleet
    fleet: Fleet
    table: PlanTable
    """Each set valued as if its service alone moved, on the whole fleet; closed where that breaks
    another's rule. In a large fleet to first order, calls and answers as this plan implies."""
    clients: Clients
    master: Master
    """Bounds over one set per service at those values."""
    rounds: int
    stop_reason: str

    @property
    def upper_micro(self) -> int:
        """Cost of the plan, micro-dollars per hour."""
        return int(self.fleet.cost_micro.sum())

    @property
    def lower_micro(self) -> int:
        """Certified lower bound, micro-dollars per hour."""
        return self.master.lower_micro

    @property
    def is_valued_exactly(self) -> bool:
        """Whether every set has its exact value; to first order in a large fleet."""
        return _is_small(self.instance, self.space)

    @property
    def gap(self) -> float:
        """Relative distance between the bounds."""
        return (self.upper_micro - self.lower_micro) / max(1, abs(self.lower_micro))


def _is_small(instance: Instance, space: SetSpace) -> bool:
    return instance.n_services * len(space.sets) <= _EXACT_CELLS


def space_of(instance: Instance) -> SetSpace:
    """Return the region sets of an instance: all up to the cap, and those that run today."""
    today = {tuple(int(r) for r in np.flatnonzero(row)) for row in instance.current}
    cap = min(instance.policy.max_regions_cap, instance.n_regions)
    ties = instance.policy.near_tie_share, instance.policy.near_tie_is_split
    return build_space(instance.rtt_ms, instance.misroute, cap, today, *ties)


def solve(instance: Instance, *, quick: bool = False, start: Ints | None = None) -> Solution:
    """Return the best plan found, with its certificate.

    Args:
        instance: The problem.
        quick: Begin at one plan, and end where no change of one service helps.
        start: Begin at this plan, not at today's or at several; numbers of :func:`space_of` the
            instance.

    Raises:
        InfeasibleError: If no plan keeps the fleet's rules.
    """
    # One thread: a matrix product may differ in its last bits with more.
    with threadpool_limits(limits=1):
        space = space_of(instance)
        today, today_fleet = describe_today(instance, space)
        search = _Search(instance, space, today, today_fleet)
        if start is None and not quick:
            found = search.best()
        else:
            begin = today.home if start is None else start
            found = search.settled(begin, thorough=not quick)
        return search.certified(found, thorough=not quick)


@dataclass(frozen=True)
class _Found:
    """An end of a descent whose broken rules are accounted for."""

    end: End
    today: Today
    """Those that no step could spare are excused from slowing down, or held at home."""
    broken: int
    """Services that break a rule, the excused among them."""
    shortage: tuple[PlanTable, Master] | None
    """Where the shared rows alone kept somebody from every plan that keeps the rules."""

    @property
    def rank(self) -> Rank:
        """Shared rows overrun, services that break a rule, cost."""
        over, _, cost = self.end.rank
        return over + (self.shortage is not None), self.broken, cost


def _best(*found: _Found) -> _Found:
    return min(found, key=lambda one: one.rank)


@dataclass(frozen=True)
class _Search:
    instance: Instance
    space: SetSpace
    today: Today
    today_fleet: Fleet

    @property
    def _is_large(self) -> bool:
        return not _is_small(self.instance, self.space)

    def best(self) -> _Found:
        """Return the best end of descents from several plans, and after kicks."""
        home = self.today.home
        if self._is_large:
            found = self.settled(self._gathered(home))
            return _best(found, self.settled(found.end.fleet.chosen, found, thorough=True))
        cheap = beside(lambda: self._from_cheapest(home))
        gathered = self.settled(self._gathered(home))
        first = _best(gathered, self.settled(home, together_first=False), cheap())
        others = beside(lambda: self._after_kicks(first, range(1, _KICKS, 2)))
        found = _best(self._after_kicks(first, range(0, _KICKS, 2)), others())
        last = self.settled(found.end.fleet.chosen, found, thorough=True)
        # Whoever was held at home early on may keep its rules in the plan that came of it.
        free = self.settled(found.end.fleet.chosen, thorough=True)
        return self._polished(_best(found, last, free))

    def _from_cheapest(self, home: Ints) -> _Found:
        begin = self._gathered(cheapest_sets(self.instance, self.space, home))
        return self.settled(begin, together_first=False)

    def _after_kicks(self, found: _Found, kicks: range) -> _Found:
        """Return the best end after some kicks, each out of the best before it."""
        for number, kick in enumerate(kicks, start=1):
            begin = kicked(self.instance, self.space, found.end.fleet.chosen, self.today.home, kick)
            first = number % _TOGETHER_EVERY == 0
            found = _best(found, self.settled(begin, found, together_first=first))
        return found

    def _polished(self, found: _Found) -> _Found:
        """Return where exchanges lead whose sets are valued exactly, not to first order."""
        for _ in range(_CLOSINGS):
            end, one = found.end, self.instance
            walk = open_walk(one, self.space, found.today, end.table, end.fleet)
            table, budget = _valued(end.table, walk, end.table.is_open), move_limit(one)
            limits = row_limits(one)
            master = solve_master(table, limits, budget, end.fleet.chosen, exact=False)
            walk.take(parts_of(table, walk.chosen, master.chosen))
            walk.take(exchanges(table, walk.chosen, budget, thorough=True))
            if not walk.rank < end.rank:
                break
            better = self.settled(walk.chosen, found, thorough=True)
            if not better.rank < found.rank:
                break
            found = better
        return found

    def _descended(self, begin: Ints, today: Today, *, thorough: bool, together_first: bool) -> End:
        one, space = self.instance, self.space
        most, first = one.policy.best_response_rounds, together_first
        return descend(one, space, today, begin, most, thorough=thorough, together_first=first)

    def _gathered(self, begin: Ints) -> Ints:
        """Return the plan that falling worths of waiting lead to.

        Waiting is what callers and callees share: weighing it more gathers them, where at the
        true worth neither gains by moving alone.
        """
        free = replace(self.today, slowest_ms=np.full(len(begin), np.inf))
        for factor in _WAITING_LADDER:
            worth = factor * self.instance.usd_per_request_ms
            trial = replace(self.instance, usd_per_request_ms=worth)
            most = self.instance.policy.best_response_rounds
            end = descend(trial, self.space, free, begin, most, thorough=False)
            begin = end.fleet.chosen
        return begin

    def settled(
        self,
        begin: Ints,
        known_by: _Found | None = None,
        *,
        thorough: bool = False,
        together_first: bool = True,
    ) -> _Found:
        """Return where a descent ends; services that no step could spare are named by it.

        Services that the plan slows down are excused. Others have no plan that keeps their rules
        and their neighbours': those are held where they run today.

        Args:
            begin: Where to begin.
            known_by: An end whose excused and held services stay so.
            thorough: End only where nothing that is looked at helps.
            together_first: See :func:`~ml.placement.search.descent.descend`.
        """
        known = self.today if known_by is None else known_by.today
        end = self._descended(begin, known, thorough=thorough, together_first=together_first)
        shortage = None if known_by is None else known_by.shortage
        while True:
            bits, is_stuck = end.fleet.assessed.broken[:, 0], end.table.is_stuck
            slow = bits & SLOWER != 0
            # Whoever no set can satisfy is at home already, or goes there.
            is_away = ~is_stuck | (end.fleet.chosen != known.home)
            held = (bits & ~SLOWER != 0) & is_away & ~known.pinned & ~self.instance.is_fixed
            if not (slow | held).any():
                excused = np.isinf(known.slowest_ms) & np.isfinite(self.today.slowest_ms)
                return _Found(end, known, int(((bits != 0) | excused).sum()), shortage)
            if shortage is None and held.any():
                shortage = self._shortage(end)
            slowest = np.where(slow, np.inf, known.slowest_ms)
            known = replace(known, slowest_ms=slowest, pinned=known.pinned | held)
            begin = np.where(held, known.home, end.fleet.chosen)
            end = self._descended(begin, known, thorough=thorough, together_first=together_first)

    def certified(self, found: _Found, *, thorough: bool) -> Solution:
        """Return the solution at an end.

        Args:
            found: The end.
            thorough: Value sets that break rules of their own service as well.

        Raises:
            InfeasibleError: If the plan overruns shared rows.
        """
        if found.shortage is not None:
            raise explain_shortage(self.instance, *found.shortage)
        if found.end.rank[0] > 0:
            self._refuse(found.end)
        return self._closed(found.end, found.today, thorough=thorough)

    def _shortage(self, found: End) -> tuple[PlanTable, Master] | None:
        """Return the master problem where its relaxation proves that the shared rows are short."""
        capacity, budget = row_limits(self.instance), move_limit(self.instance)
        master = solve_master(found.table, capacity, budget, exact=False)
        return None if master.is_feasible else (found.table, master)

    def _refuse(self, found: End) -> None:
        shortage = self._shortage(found)
        if shortage is not None:
            raise explain_shortage(self.instance, *shortage)
        raise InfeasibleError(
            ("UNKNOWN",),
            "no plan found within the shared rows; this proves no contradiction, another move "
            "budget or capacity may help",
        )

    def _closed(self, found: End, today: Today, *, thorough: bool) -> Solution:
        """Value the sets as if their service alone moved, and find prices of the shared rows."""
        one, table, fleet = self.instance, found.table, found.fleet
        capacity, budget = row_limits(one), move_limit(one)
        walk = open_walk(one, self.space, today, table, fleet)
        if not self._is_large:
            table = _valued(table, walk, table.is_open | thorough)
            master = solve_master(table, capacity, budget, fleet.chosen)
        else:
            for _ in range(_CLOSINGS):
                master = solve_master(table, capacity, budget, fleet.chosen, exact=False)
                closed = _valued(table, walk, _tempting(table, master, fleet.chosen)).is_open
                if (closed == table.is_open).all():
                    break
                table = replace(table, is_open=closed)
        solution = Solution(
            one, self.space, today, self.today_fleet, fleet, table, found.clients, master,
            found.rounds, found.stop_reason,
        )  # fmt: skip
        return replace(solution, stop_reason="gap") if solution.gap <= _CLOSE_ENOUGH else solution


def valued(solution: Solution, wanted: Flags) -> PlanTable:
    """Return the table of a solution with the exact cost of the ``wanted`` sets, ``(S, P)``."""
    one, space, today = solution.instance, solution.space, solution.today
    walk = open_walk(one, space, today, solution.table, solution.fleet)
    return _valued(solution.table, walk, wanted)


def _valued(table: PlanTable, walk: Walk, wanted: Flags) -> PlanTable:
    """Return the table with the exact cost of the ``wanted`` sets, each as if it alone changed.

    Where that breaks a rule of another service, the set is closed.
    """
    n, chosen = np.arange(len(table.cpu_cores)), walk.chosen
    moved = wanted.copy()
    moved[n, chosen] = False
    services, plans = np.nonzero(moved)
    ranks = walk.ranks(Moves.alike(services[:, None], plans[:, None]))
    is_open, cost = table.is_open.copy(), table.cost_micro.copy()
    is_open[services, plans] &= ranks[:, 1] <= walk.rank[1]
    # Its own sums and the table's may disagree in the last bit about a rule that is just kept.
    is_open[n, chosen] = True
    cost[services, plans] = cost[services, chosen[services]] + ranks[:, 2] - walk.rank[2]
    return replace(table, is_open=is_open, cost_micro=cost)


def _tempting(table: PlanTable, master: Master, chosen: Ints) -> Flags:
    """Return plans that the prices hold to be cheaper than the chosen ones, ``(S, P)``."""
    n = len(chosen)
    reduced = table.reduced(master.capacity_dual, master.move_dual, 0, n)
    return np.asarray(table.is_open & (reduced < reduced[np.arange(n), chosen][:, None]))


def uses_of(solution: Solution) -> tuple[Floats, int]:
    """Return the vCPU that the plan uses of each region, and the regions it adds."""
    n = np.arange(solution.instance.n_services)
    use = solution.table.vcpu(n, solution.fleet.chosen).sum(axis=0)
    return use, int(solution.table.added[n, solution.fleet.chosen].sum())


__all__ = ["Solution", "move_limit", "overload", "solve", "space_of", "uses_of", "valued"]
