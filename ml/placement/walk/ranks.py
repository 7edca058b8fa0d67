"""Plans in order: shared rows kept, then rules kept, then cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.placement.fleet.changes import Change, Changes
from ml.placement.fleet.evaluate import SLOWER, Today
from ml.placement.fleet.fleet import Fleet
from ml.placement.fleet.pricing import PlanTable
from ml.placement.fleet.rows import Reached
from ml.placement.problem.instance import Floats, Instance, Ints
from ml.placement.problem.rows import ROW_SLACK, overrun, row_limits, used_by
from ml.placement.problem.subsets import SetSpace

# Whoever is slowed down did not ask for it: no other rule is kept at that price.
HEAVY = 1_000
# Whoever has to stay does, whatever that costs.
ASTRAY = 1_000_000
Rank = tuple[int, int, int]


def move_limit(instance: Instance) -> float:
    """Return the move budget, infinite where the policy sets none or more moves are paid for."""
    budget = instance.policy.move_budget
    return float("inf") if budget is None or instance.move_rent_usd > 0 else float(budget)


def rank_of(instance: Instance, table: PlanTable, fleet: Fleet) -> Rank:
    """Order plans: no shared row overrun, then fewest services that break a rule, then cost.

    A service that no set can satisfy counts as well, wherever it is: whether one can satisfy it
    depends on how fast its callees answer, so on the plan.
    """
    n = np.arange(instance.n_services)
    over = overrun(instance, table.space, fleet)
    over += max(0.0, table.added[n, fleet.chosen].sum() - move_limit(instance))
    bits = fleet.assessed.broken[:, 0]
    broken = int(_weight(instance, table, n, fleet.chosen, bits).sum())
    return int(np.ceil(over)), broken, int(fleet.cost_micro.sum())


def priced(rank: Rank, prices: Ints) -> int:
    """Return the cost of a plan, overrun and broken rules included at their prices, micro-dollars.

    Args:
        rank: Of the plan.
        prices: Of a unit of overrun, of a service that breaks a rule, of one that is slowed down,
            of one that does not stay although it has to, ``(4,)`` micro-dollars.
    """
    over, broken, cost = rank
    counts = (over, broken % HEAVY, broken % ASTRAY // HEAVY, broken // ASTRAY)
    return cost + sum(count * int(price) for count, price in zip(counts, prices, strict=True))


def _weight(instance: Instance, table: PlanTable, s: Ints, chosen: Ints, bits: Ints) -> Ints:
    stays = (table.is_stuck | instance.is_fixed)[s]
    is_astray = stays & ~table.is_open[s, chosen]
    return np.asarray((bits != 0) + HEAVY * (bits & SLOWER != 0) + ASTRAY * is_astray)


@dataclass(frozen=True)
class Ranker:
    """Ranks many changes of one plan, each as if it were made alone."""

    instance: Instance
    space: SetSpace
    today: Today
    table: PlanTable
    base: Fleet

    @cached_property
    def changes(self) -> Changes:
        """The evaluation of changes of the base."""
        return Changes(self.instance, self.space, self.today, self.base)

    @cached_property
    def rank(self) -> Rank:
        """Rank of the base."""
        return rank_of(self.instance, self.table, self.base)

    def after(self, services: Ints, plans: Ints) -> Ranker:
        """Return the ranker of the plan with one change made."""
        fleet = self.changes.apply(services, plans)
        return Ranker(self.instance, self.space, self.today, self.table, fleet)

    def ranks(self, changes: Sequence[Change]) -> list[Rank]:
        """Return the rank of the plan after each change, as if it were made alone."""
        found = self.changes.reach(changes)
        n, base = len(changes), self.base
        cost = np.full(n, int(base.cost_micro.sum()), dtype=np.int64)
        np.add.at(cost, found.change, found.cost_micro - base.cost_micro[found.service])
        bits = base.assessed.broken[:, 0]
        every = np.arange(self.instance.n_services)
        before = _weight(self.instance, self.table, every, base.chosen, bits)
        after = _weight(self.instance, self.table, found.service, found.chosen, found.broken)
        broken = np.full(n, int(before.sum()), dtype=np.int64)
        np.add.at(broken, found.change, after - before[found.service])
        over = np.ceil(self._over(found, n))
        return [(int(o), int(b), int(c)) for o, b, c in zip(over, broken, cost, strict=True)]

    def _over(self, found: Reached, n: int) -> Floats:
        """Return by how much each change exceeds the rows, as :func:`rank_of` measures it."""
        one, space, base, table = self.instance, self.space, self.base, self.table
        use = np.tile(used_by(one, space, base), (n, 1))
        s, regions = found.service, one.n_regions
        old = (space.slot_region[base.chosen[s]], base.assessed.instances[s, 0])
        new = (space.slot_region[found.chosen], found.instances)
        sizes = (
            [one.cpu_cores] if one.memory_capacity_gb is None else [one.cpu_cores, one.memory_gb]
        )
        for i, size in enumerate(sizes):
            for sign, (region, count) in ((-1.0, old), (1.0, new)):
                taken = sign * count * size[s][:, None]
                np.add.at(use, (found.change[:, None], i * regions + region), taken)
        if np.isfinite(one.bill_cap_usd):
            found_before = base.assessed
            bill = (found_before.compute + found_before.open + found_before.egress)[s, 0]
            np.add.at(use[:, -1], found.change, found.bill_usd - bill)
        every = np.arange(one.n_services)
        added = np.full(n, float(table.added[every, base.chosen].sum()))
        more = table.added[s, found.chosen] - table.added[s, base.chosen[s]]
        np.add.at(added, found.change, more)
        over: Floats = np.maximum(0.0, use - row_limits(one) - ROW_SLACK).sum(axis=1)
        return over + np.maximum(0.0, added - move_limit(one))
