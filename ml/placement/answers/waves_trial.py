"""What a wave would need and break, before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.placement.answers.waves_units import Unit, change_of
from ml.placement.fleet.changes import Changes
from ml.placement.fleet.evaluate import SLOWER
from ml.placement.fleet.fleet import Fleet, evaluate_fleet
from ml.placement.problem.instance import Floats, Ints
from ml.placement.search.solve import Solution
from ml.placement.walk import Moves, Walk, open_walk

_SLACK = 1e-6


@dataclass(frozen=True)
class Trial:
    """What a wave would need and break."""

    use: Floats
    """vCPU by region while every service keeps the more of what it needs before and after."""
    after: Floats
    """vCPU by region once the wave is done."""
    limit: Floats
    broken: Ints
    """Bits of rules, by service, that hold today and in the end."""
    more_usd: float
    """What the bill of the fleet rises by, $ per hour."""


@dataclass(frozen=True)
class Trials:
    """Tries waves out; remembers where the fleet was last asked about, and nothing else."""

    solution: Solution

    def of(self, fleet: Fleet, groups: Sequence[Sequence[Unit]]) -> list[Trial]:
        """Return what follows if each group of units moved next, each as if alone."""
        instance = self.solution.instance
        found = self._at(fleet).reach(Moves.of([change_of(group) for group in groups]))
        need, bits = self.instances_of(fleet), self.newly_broken(fleet.assessed.broken[:, 0])
        held = np.asarray((need * instance.cpu_cores[:, None]).sum(axis=0))
        billed = _bill(fleet)
        # A region that is too full today must not forbid moves that leave it no fuller.
        limit = np.maximum(instance.capacity_vcpu, held) + _SLACK
        out = []
        for i in range(len(groups)):
            hit = found.change == i
            s = found.service[hit]
            later = self._need_of(s, found.chosen[hit], found.instances[hit])
            cores = instance.cpu_cores[s][:, None]
            broken = bits.copy()
            broken[s] = self.newly_broken(found.broken[hit], s)
            use = held + (np.maximum(later - need[s], 0) * cores).sum(axis=0)
            after = held + ((later - need[s]) * cores).sum(axis=0)
            more = float(found.bill_usd[hit].sum() - billed[s].sum())
            out.append(Trial(use, after, limit, broken, more))
        return out

    def obstacle(self, trial: Trial, *, may_slow: bool) -> str | None:
        """Return what makes a wave illegal, in words; None if nothing does."""
        instance = self.solution.instance
        hard = trial.broken & ~SLOWER if may_slow else trial.broken
        if (trial.use > trial.limit).any():
            r = int(np.argmax(trial.use - trial.limit))
            return (
                f"{instance.region_ids[r]} has no room for old and new side by side: "
                f"{trial.use[r]:.1f} of {instance.capacity_vcpu[r]:.1f} vCPU"
            )
        if hard.any():
            names = ", ".join(instance.service_ids[s] for s in np.flatnonzero(hard)[:3])
            return f"half-way the rules of {(hard != 0).sum()} services would break ({names})"
        return None

    def after(self, fleet: Fleet, units: Sequence[Unit]) -> Fleet:
        """Return the fleet after a wave."""
        solution = self.solution
        changes = Changes(solution.instance, solution.space, solution.today, fleet)
        return changes.apply(*change_of(units))

    def fleet_of(self, chosen: Ints) -> Fleet:
        """Return the fleet in which every service runs in the given set."""
        solution = self.solution
        return evaluate_fleet(solution.instance, solution.space, chosen, solution.today)

    def instances_of(self, fleet: Fleet) -> Ints:
        """Return instances by service and region, ``(S, R)``."""
        every = np.arange(self.solution.instance.n_services)
        return self._need_of(every, fleet.chosen, fleet.assessed.instances[:, 0])

    def newly_broken(self, broken: Ints, services: Ints | None = None) -> Ints:
        """Return the bits of rules that a service keeps both today and in the end."""
        solution = self.solution
        ends = (solution.today_fleet.assessed.broken | solution.fleet.assessed.broken)[:, 0]
        return np.asarray(broken & ~(ends if services is None else ends[services]))

    @cached_property
    def _walk(self) -> Walk:
        one = self.solution
        return open_walk(one.instance, one.space, one.today, one.table, one.fleet)

    def _at(self, fleet: Fleet) -> Walk:
        away = np.flatnonzero(self._walk.chosen != fleet.chosen)
        if away.size:
            self._walk.make(away, fleet.chosen[away])
        return self._walk

    def _need_of(self, services: Ints, chosen: Ints, instances: Ints) -> Ints:
        space = self.solution.space
        out = np.zeros((len(services), space.member.shape[1]), dtype=np.int64)
        np.add.at(out, (np.arange(len(out))[:, None], space.slot_region[chosen]), instances)
        return out


def _bill(fleet: Fleet) -> Floats:
    found = fleet.assessed
    return np.asarray((found.compute + found.open + found.egress)[:, 0])
