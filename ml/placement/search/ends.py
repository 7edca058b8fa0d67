"""Ends of descents from several plans: what the search for the best plan is made of.

A descent ends where no change that is looked at helps, so where it begins decides. In a small
fleet it begins where several chains went from hot to cold, and is kicked out of the best ends some
times; in a large one at plans that gather callers and callees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.beside import beside
from ml.placement.fleet.evaluate import SLOWER, Today
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.anneal import annealed
from ml.placement.search.descent import End, descend
from ml.placement.search.kicks import kicked
from ml.placement.search.master import Master, solve_master
from ml.placement.search.proposals import exchanges, parts_of
from ml.placement.walk import Moves, Walk, open_walk
from ml.placement.walk.ranks import Rank, move_limit

_WAITING_LADDER = (4.0, 1.0)
_CHAINS, _KICKS, _TOGETHER_EVERY = 4, 12, 3
"""Chains, kicks out of the best ends, and which are followed by what all would choose together."""
_POLISHES = 5
# Larger tables are searched from fewer plans, and rounded well, not exactly.
_EXACT_CELLS = 20_000


def is_small(instance: Instance, space: SetSpace) -> bool:
    """Say whether every set can be valued exactly, and several plans begun at."""
    return instance.n_services * len(space.sets) <= _EXACT_CELLS


@dataclass(frozen=True)
class Found:
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


def _best(*found: Found) -> Found:
    return min(found, key=lambda one: one.rank)


@dataclass(frozen=True)
class Search:
    """Looks for the best plan of one problem."""

    instance: Instance
    space: SetSpace
    today: Today
    is_quick: bool = False
    """Whether what all would choose together is asked for only before rules are accounted for."""

    @property
    def is_large(self) -> bool:
        """Whether the fleet is searched more roughly."""
        return not is_small(self.instance, self.space)

    def best(self) -> Found:
        """Return the best end of descents from several plans, and after kicks."""
        home = self.today.home
        if self.is_large:
            found = self.settled(self._gathered(home))
            return _best(found, self.settled(found.end.fleet.chosen, found, thorough=True))
        first = self.settled(home)
        odd = beside(lambda: self._chains(first, 1))
        found = _best(first, self._chains(first, 0), odd())
        last = self.settled(found.end.fleet.chosen, found, thorough=True)
        # Whoever was held at home early on may keep its rules in the plan that came of it.
        free = self.settled(found.end.fleet.chosen, thorough=True)
        return self._polished(_best(found, last, free))

    def _chains(self, first: Found, half: int) -> Found:
        """Return the best end of every other chain: from hot to cold, then kicked out of it."""
        one, space, today, end = self.instance, self.space, self.today, first.end
        cold = [
            annealed(one, space, today, end.table, end.fleet, chain)
            for chain in range(half, _CHAINS, 2)
        ]
        ends = [self._polished(self.settled(begin)) for begin in cold]
        return self._after_kicks(_best(*ends), range(half, _KICKS, 2))

    def _after_kicks(self, found: Found, kicks: range) -> Found:
        """Return the best end after some kicks, each out of the best before it."""
        for number, kick in enumerate(kicks, start=1):
            begin = kicked(self.instance, self.space, found.end.fleet.chosen, self.today.home, kick)
            first = number % _TOGETHER_EVERY == 0
            found = _best(found, self.settled(begin, found, together_first=first))
        return found

    def _polished(self, found: Found) -> Found:
        """Return where exchanges lead whose sets are valued exactly, not to first order."""
        for _ in range(_POLISHES):
            end, one = found.end, self.instance
            walk = open_walk(one, self.space, found.today, end.table, end.fleet)
            table, budget = exact_values(end.table, walk, end.table.is_open), move_limit(one)
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
        known_by: Found | None = None,
        *,
        thorough: bool = False,
        together_first: bool = True,
    ) -> Found:
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
                return Found(end, known, int(((bits != 0) | excused).sum()), shortage)
            if shortage is None and held.any():
                shortage = self.shortage(end)
            slowest = np.where(slow, np.inf, known.slowest_ms)
            known = replace(known, slowest_ms=slowest, pinned=known.pinned | held)
            begin = np.where(held, known.home, end.fleet.chosen)
            together_first = together_first and not self.is_quick
            end = self._descended(begin, known, thorough=thorough, together_first=together_first)

    def shortage(self, found: End) -> tuple[PlanTable, Master] | None:
        """Return the master problem where its relaxation proves that the shared rows are short."""
        capacity, budget = row_limits(self.instance), move_limit(self.instance)
        master = solve_master(found.table, capacity, budget, exact=False)
        return None if master.is_feasible else (found.table, master)


def exact_values(table: PlanTable, walk: Walk, wanted: Flags) -> PlanTable:
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
