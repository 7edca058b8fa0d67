"""Ways out of a deadlock: units that must move together, and temporary regions that make room.

Where moves wait for each other's room, one service steps aside: it leaves the full region for a set
that is neither today's nor the plan's, and takes its place in the plan once there is room again.
Every such step is a wave of its own and keeps what every wave keeps. Services with state do not
step aside, since their state would be copied twice; nobody does so more than once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.placement.answers.waves_trial import Trial, Trials
from ml.placement.answers.waves_units import Unit, Units
from ml.placement.fleet.fleet import Fleet
from ml.placement.problem.instance import Floats
from ml.placement.search.solve import Solution

# Units whose lack of room is looked into, steps aside that may serve one of them, services that
# are asked to step aside. More of each finds a few more ways at the price of many more trials.
_AIMS, _CHAIN, _ASKED = 3, 4, 24
_GROUPS = 100
_BRIDGES = 12
_ROUNDING = 6


@dataclass(frozen=True)
class Detours:
    """Looks for ways out where no unit can move by itself."""

    trials: Trials

    @property
    def solution(self) -> Solution:
        """The recommended plan."""
        return self.trials.solution

    def together(self, fleet: Fleet, stuck: Sequence[Unit]) -> tuple[Unit, ...] | None:
        """Return units that are legal only as one wave: half-way they would break a rule."""
        most = self.solution.instance.policy.wave_moves_max
        free = [unit for unit in stuck if not unit.has_state]
        alone = self.trials.of(fleet, [(unit,) for unit in free])
        torn = [u for u, t in zip(free, alone, strict=True) if not (t.use > t.limit).any()]
        every = [(*combinations(free, 2),), (*combinations(torn, 3),), (tuple(torn),)]
        groups = [
            group
            for some in every
            for group in some[:_GROUPS]
            if any(unit in torn for unit in group) and sum(unit.added for unit in group) <= most
        ]
        if not groups:
            return None
        tried = self.trials.of(fleet, groups)
        for may_slow in (False, True):
            for group, trial in zip(groups, tried, strict=True):
                if self.trials.obstacle(trial, may_slow=may_slow) is None:
                    return group
        return None

    def aside(
        self, fleet: Fleet, stuck: Sequence[Unit], barred: Collection[int], most: int = _CHAIN
    ) -> list[Unit] | None:
        """Return steps aside, in order, after which a stuck unit can move; None if none is found.

        Args:
            fleet: Where everybody is.
            stuck: Units that cannot move.
            barred: Services that may not step aside (again).
            most: Steps that one unit is worth.
        """
        tried = self.trials.of(fleet, [(unit,) for unit in stuck])
        short = [float(self._short(trial).sum()) for trial in tried]
        waiting = [(amount, unit) for amount, unit in zip(short, stuck, strict=True) if amount > 0]
        found = []
        for _, unit in sorted(waiting, key=lambda one: (one[0], one[1].key))[:_AIMS]:
            steps = self._chain(fleet, unit, {*barred, *unit.services}, most)
            if steps:
                found.append(steps)
                most = len(steps) - 1
        return found[-1] if found else self._bridge(fleet, stuck, barred)

    def _bridge(
        self, fleet: Fleet, stuck: Sequence[Unit], barred: Collection[int]
    ) -> list[Unit] | None:
        """Return one step after which a unit no longer breaks a rule half-way; None if none is.

        A service that runs in its old and its new regions at once, or in those they share, keeps
        a rule that neither order of two moves keeps.
        """
        space, units = self.solution.space, Units(self.solution)
        options = []
        for s in sorted(s for unit in stuck if not unit.has_state for s in unit.services):
            here, there = fleet.chosen[s], self.solution.fleet.chosen[s]
            if s in barred:
                continue
            old, new = space.member[here], space.member[there]
            for both in (old | new, old & new):
                plan = space.index.get(tuple(int(r) for r in np.flatnonzero(both)))
                if plan is not None and plan not in (self.solution.today.home[s], here, there):
                    options.append(units.aside(s, int(plan), fleet))
        tried = self.trials.of(fleet, [(unit,) for unit in options])
        legal = [
            unit
            for unit, trial in zip(options, tried, strict=True)
            if self.trials.obstacle(trial, may_slow=True) is None
        ]
        for step in legal[:_BRIDGES]:
            after = self.trials.after(fleet, [step])
            again = self.trials.of(after, [(u,) for u in stuck if u.services != step.services])
            if any(self.trials.obstacle(trial, may_slow=True) is None for trial in again):
                return [step]
        return None

    def _chain(self, fleet: Fleet, aim: Unit, barred: set[int], most: int) -> list[Unit] | None:
        steps: list[Unit] = []
        for made in range(most + 1):
            trial = self.trials.of(fleet, [(aim,)])[0]
            if self.trials.obstacle(trial, may_slow=True) is None:
                return steps
            short = self._short(trial)
            if not short.any() or made == most:
                return None
            unit = self._step(fleet, short, barred)
            if unit is None:
                return None
            fleet = self.trials.after(fleet, [unit])
            barred = barred | set(unit.services)
            steps.append(unit)
        return None

    def _short(self, trial: Trial) -> Floats:
        """Return the vCPU that are missing, by region.

        A region that is too full today takes nobody before it is within its capacity.
        """
        lack = trial.use - self.solution.instance.capacity_vcpu
        return np.asarray(np.where(trial.use > trial.limit, np.maximum(lack, 0.0), 0.0))

    def _step(self, fleet: Fleet, short: Floats, barred: set[int]) -> Unit | None:
        """Return the legal step that frees most of what is missing in the fullest region."""
        r = int(np.argmax(short))
        options = self._options(fleet, r, float(short[r]), barred)
        if not options:
            return None
        cores = self.solution.instance.cpu_cores[:, None]
        held = float((self.trials.instances_of(fleet) * cores).sum(axis=0)[r])
        moves = self.solution.fleet.chosen != self.solution.today.home
        found = []
        for unit, trial in zip(
            options, self.trials.of(fleet, [(u,) for u in options]), strict=True
        ):
            freed = min(held - float(trial.after[r]), float(short[r]))
            slows = self.trials.obstacle(trial, may_slow=False) is not None
            if freed <= 0 or (slows and self.trials.obstacle(trial, may_slow=True) is not None):
                continue
            s = unit.services[0]
            rank = (
                -round(freed / float(short[r]), _ROUNDING),
                slows,
                not moves[s],
                round(trial.more_usd, _ROUNDING),
            )
            found.append((*rank, s, unit.plans[0], unit))
        return min(found, key=lambda one: one[:-1])[-1] if found else None

    def _options(self, fleet: Fleet, r: int, short: float, barred: set[int]) -> list[Unit]:
        """Return single steps of services out of region ``r``, for another one or for none."""
        solution = self.solution
        instance, space = solution.instance, solution.space
        use = self.trials.instances_of(fleet)[:, r] * instance.cpu_cores
        fixed = instance.is_fixed | solution.today.pinned | (instance.state_gb > 0)
        asked = [int(s) for s in np.flatnonzero((use > 0) & ~fixed) if int(s) not in barred]
        # Just enough first: a larger service than needed costs more to move twice.
        asked.sort(key=lambda s: (use[s] < short, abs(use[s] - short), s))
        units = Units(solution)
        out = []
        for s in asked[:_ASKED]:
            rest = [q for q in space.sets[fleet.chosen[s]] if q != r]
            others = np.flatnonzero((instance.blocker[s] == 0) & ~space.member[fleet.chosen[s]])
            known = {int(x[s]) for x in (solution.today.home, fleet.chosen, solution.fleet.chosen)}
            for more in ([], *([int(q)] for q in others)):
                plan = space.index.get(tuple(sorted([*rest, *more])))
                if plan is not None and plan not in known:
                    out.append(units.aside(s, int(plan), fleet))
        return out
