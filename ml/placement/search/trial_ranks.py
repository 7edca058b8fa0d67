"""Plans in order: shared rows kept, then rules kept, then cost; for many changes at once."""

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
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.rows import ROW_SLACK, overrun, row_limits, used_by
from ml.placement.problem.subsets import SetSpace

# Whoever is slowed down did not ask for it: no other rule is kept at that price.
_SLOW_WEIGHT = 1000
Rank = tuple[int, int, int]


def move_limit(instance: Instance) -> float:
    """Return the move budget, infinite where the policy sets none or more moves are paid for."""
    budget = instance.policy.move_budget
    return float("inf") if budget is None or instance.move_rent_usd > 0 else float(budget)


def rank_of(instance: Instance, table: PlanTable, fleet: Fleet) -> Rank:
    """Order plans: no shared row overrun, then no rule broken that could be kept, then cost.

    A service that no set can satisfy, or that is fixed, stays where it is; its broken rules are
    reported, and any plan has them.
    """
    n = np.arange(instance.n_services)
    over = overrun(instance, table.space, fleet)
    over += max(0.0, table.added[n, fleet.chosen].sum() - move_limit(instance))
    bits = fleet.assessed.broken[:, 0]
    broken = int(_weight(bits, broken_in(instance, table, fleet)).sum())
    return int(np.ceil(over)), broken, int(fleet.cost_micro.sum())


def broken_in(instance: Instance, table: PlanTable, fleet: Fleet) -> Flags:
    """Return the services that break a rule, or left the regions they must keep."""
    n = np.arange(instance.n_services)
    return _breaks(instance, table, n, fleet.chosen, fleet.assessed.broken[:, 0])


def _breaks(instance: Instance, table: PlanTable, s: Ints, chosen: Ints, bits: Ints) -> Flags:
    stays = (table.is_stuck | instance.is_fixed)[s]
    astray = ~table.is_open[s, chosen]
    # Services that stay cannot mend their own rules, but nobody may slow them down.
    return np.asarray(np.where(stays, astray | (bits & SLOWER != 0), bits != 0))


def _weight(bits: Ints, is_broken: Flags) -> Ints:
    return np.asarray(is_broken.astype(np.int64) + _SLOW_WEIGHT * (bits & SLOWER != 0))


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
        """Return the rank of the plan after each change."""
        return self.looked(changes)[0]

    def looked(self, changes: Sequence[Change]) -> tuple[list[Rank], Reached]:
        """Return the rank of the plan after each change, and whom each change reaches."""
        found = self.changes.reach(changes)
        n, base = len(changes), self.base
        cost = np.full(n, int(base.cost_micro.sum()), dtype=np.int64)
        np.add.at(cost, found.change, found.cost_micro - base.cost_micro[found.service])
        bits = base.assessed.broken[:, 0]
        every = np.arange(self.instance.n_services)
        before = _weight(bits, _breaks(self.instance, self.table, every, base.chosen, bits))
        is_broken = _breaks(self.instance, self.table, found.service, found.chosen, found.broken)
        after = _weight(found.broken, is_broken)
        broken = np.full(n, int(before.sum()), dtype=np.int64)
        np.add.at(broken, found.change, after - before[found.service])
        over = np.ceil(self._over(found, n))
        ranks = [(int(o), int(b), int(c)) for o, b, c in zip(over, broken, cost, strict=True)]
        return ranks, found

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
