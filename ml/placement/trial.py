"""Which of the proposed changes of a plan an exact evaluation of the whole fleet confirms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.evaluate import SLOWER, Today
from ml.placement.fleet import Fleet, evaluate_fleet
from ml.placement.instance import Flags, Instance, Ints
from ml.placement.master import Master
from ml.placement.pricing import PlanTable
from ml.placement.rows import overrun
from ml.placement.subsets import SetSpace

# Whoever is slowed down did not ask for it: no other rule is kept at that price.
_SLOW_WEIGHT = 1000
# The cheapest sets of a service whose own proposal breaks a neighbour's rule.
_VALUED = 24
Rank = tuple[int, int, int]


def move_limit(instance: Instance) -> float:
    """Return the move budget, infinite where the policy sets none."""
    budget = instance.policy.move_budget
    return float("inf") if budget is None else float(budget)


def rank_of(instance: Instance, table: PlanTable, fleet: Fleet) -> Rank:
    """Order plans: no shared row overrun, then no rule broken that could be kept, then cost.

    A service that no set can satisfy, or that is fixed, stays where it is; its broken rules are
    reported, and any plan has them.
    """
    n = np.arange(instance.n_services)
    over = overrun(instance, table.space, fleet)
    over += max(0.0, table.added[n, fleet.chosen].sum() - move_limit(instance))
    slow = fleet.assessed.broken[:, 0] & SLOWER != 0
    broken = int(broken_in(instance, table, fleet).sum() + _SLOW_WEIGHT * slow.sum())
    return int(np.ceil(over)), broken, int(fleet.cost_micro.sum())


def broken_in(instance: Instance, table: PlanTable, fleet: Fleet) -> Flags:
    """Return the services that break a rule, or left the regions they must keep."""
    stays = table.is_stuck | instance.is_fixed
    astray = ~table.is_open[np.arange(instance.n_services), fleet.chosen]
    # Services that stay cannot mend their own rules, but nobody may slow them down.
    bits = fleet.assessed.broken[:, 0]
    return np.asarray(np.where(stays, astray | (bits & SLOWER != 0), bits != 0))


@dataclass(frozen=True)
class Trial:
    """Proposed changes of a plan, tried on the whole fleet.

    The table prices a change of one service to first order. What the fleet then really costs
    decides: a change that breaks another service's rule is closed, and one that was proposed is
    given its exact value, before the master problem proposes again.
    """

    instance: Instance
    space: SetSpace
    today: Today
    table: PlanTable
    fleet: Fleet
    master: Master

    @property
    def changed(self) -> Ints:
        """Services that the proposal moves, largest gain first."""
        n = np.arange(self.instance.n_services)
        cost = self.table.cost_micro
        gain = cost[n, self.fleet.chosen] - cost[n, self.master.chosen]
        found = np.flatnonzero(self.fleet.chosen != self.master.chosen)
        return np.asarray(found[np.lexsort((found, -gain[found]))])

    def _with(self, base: Fleet, services: Ints) -> Fleet:
        chosen = base.chosen.copy()
        chosen[services] = self.master.chosen[services]
        return evaluate_fleet(self.instance, self.space, chosen, self.today)

    def _rank(self, fleet: Fleet) -> Rank:
        return rank_of(self.instance, self.table, fleet)

    def together(self) -> Fleet:
        """Return the fleet with all changes, or the present one where that is no better."""
        services = self.changed
        if not services.size:
            return self.fleet
        trial = self._with(self.fleet, services)
        return trial if self._rank(trial) < self._rank(self.fleet) else self.fleet

    def correct(self, known: set[tuple[int, int]]) -> bool:
        """Give proposed changes their exact value when nothing else changes.

        Args:
            known: Plans whose value is exact already; grows.

        Returns:
            Whether any value was not known before.
        """
        is_new = False
        before = self._rank(self.fleet)
        broken = broken_in(self.instance, self.table, self.fleet)
        for s in self.changed:
            plans = [int(self.master.chosen[s])]
            if (int(s), plans[0]) in known:
                continue
            is_new = True
            self._value(int(s), plans[0], before, known)
            if broken[s] and not self.table.is_open[s, plans[0]]:
                ready = np.flatnonzero(self.table.is_open[s])
                order = np.argsort(self.table.cost_micro[s, ready], kind="stable")
                for plan in ready[order][:_VALUED]:
                    self._value(int(s), int(plan), before, known)
            if not self.table.is_open[s].any():
                # Whatever it does breaks a rule, its own or a neighbour's: it stays at home.
                self.table.is_open[s, self.today.home[s]] = True
                self.table.is_stuck[s] = True
        return is_new

    def _value(self, s: int, plan: int, before: Rank, known: set[tuple[int, int]]) -> None:
        known.add((s, plan))
        chosen = self.fleet.chosen.copy()
        chosen[s] = plan
        trial = self._rank(evaluate_fleet(self.instance, self.space, chosen, self.today))
        if trial[1] > before[1] or (trial[1] == before[1] > 0 and self._is_broken_now(s)):
            self.table.is_open[s, plan] = False
        else:
            here = self.table.cost_micro[s, self.fleet.chosen[s]]
            self.table.cost_micro[s, plan] = here + trial[2] - before[2]

    def _is_broken_now(self, s: int) -> bool:
        return bool(broken_in(self.instance, self.table, self.fleet)[s])

    def in_parts(self) -> Fleet:
        """Return the fleet with those halves, quarters and single changes that each help."""

        def apply(base: Fleet, services: Ints) -> Fleet:
            if not services.size:
                return base
            trial = self._with(base, services)
            if self._rank(trial) < self._rank(base):
                return trial
            if services.size == 1:
                return base
            half = (services.size + 1) // 2
            return apply(apply(base, services[:half]), services[half:])

        return apply(self.fleet, self.changed)

    def in_pairs(self) -> Fleet:
        """Return the fleet with those exchanges of two services that each help.

        Under a move budget one service can only gain a region that another gives up: halves of a
        proposal part the two, and neither helps alone.
        """
        services = self.changed
        base = self.fleet
        rank = self._rank(base)
        for i, first in enumerate(services):
            for second in services[i + 1 :]:
                pair = np.array([first, second])
                if (base.chosen[pair] == self.master.chosen[pair]).any():
                    continue
                trial = self._with(base, pair)
                if (found := self._rank(trial)) < rank:
                    base, rank = trial, found
        return base
