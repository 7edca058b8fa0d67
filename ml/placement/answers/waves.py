"""In which order to move: waves that break no rule that holds both today and in the plan.

Old and new run side by side during a wave: every region must hold, for every service, the more of
what it needs before and after the wave. The fleet is evaluated after each wave like any plan, so
callers that moved already meet their callees where these are. Callees move before their callers,
and together with one that sends them most of their requests; a service with state moves alone;
services whose loss loses the product move last. Undoing a wave needs the same room as the wave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.placement.fleet.changes import Changes
from ml.placement.fleet.evaluate import SLOWER
from ml.placement.fleet.fleet import Fleet, evaluate_fleet, migration_usd
from ml.placement.problem.instance import Flags, Floats, Ints
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH

_SLACK = 1e-6
_DAYS_PER_MONTH = HOURS_PER_MONTH / 24
_SAVED_AT_LEAST_USD = 1e-6
# Units that may be left for a later wave before one is closed.
_SKIPS = 4


@dataclass(frozen=True)
class Unit:
    """Services that move together, and what decides their turn."""

    services: tuple[int, ...]
    added: int
    is_last: bool
    has_state: bool
    payback_days: float

    @property
    def key(self) -> tuple[bool, float, int]:
        """Order among units that may move: the best payback first, ids end the order."""
        return self.is_last, self.payback_days, self.services[0]


@dataclass(frozen=True)
class Wave:
    """One wave and the fleet after it."""

    number: int
    units: tuple[Unit, ...]
    fleet: Fleet
    side_by_side: Floats
    newly_broken: int


@dataclass(frozen=True)
class _Trial:
    """What a wave would need and break."""

    use: Floats
    """vCPU by region while every service keeps the more of what it needs before and after."""
    limit: Floats
    broken: Ints
    """Bits of rules, by service, that hold today and in the end."""


@dataclass
class Schedule:
    """Waves in order, and what found no place."""

    waves: list[Wave] = field(default_factory=list)
    stuck: list[Unit] = field(default_factory=list)
    obstacle: dict[int, str] = field(default_factory=dict)
    """Why a service waits for ever, by its number."""


@dataclass(frozen=True)
class Planner:
    """Finds waves from today's plan to the recommended one."""

    solution: Solution

    def schedule(self) -> Schedule:
        """Return the waves; services that no order makes room for are left over, with reasons."""
        solution, out = self.solution, Schedule()
        left = self._units()
        fleet = self._fleet(solution.today.home)
        while left:
            found = self._next(fleet, left, out)
            if found is None:
                out.stuck = left
                break
            out.waves.append(found)
            fleet = found.fleet
            moved = {unit.services for unit in found.units}
            left = [unit for unit in left if unit.services not in moved]
        return out

    def _next(self, fleet: Fleet, left: list[Unit], out: Schedule) -> Wave | None:
        """Return the next wave; the order of calls gives way before a slowdown in passing does."""
        alone = self._tried(fleet, [(unit,) for unit in left])
        legal = {unit.services: trial for unit, trial in zip(left, alone, strict=True)}
        for may_slow in (False, True):
            for pool in (self._ready(left), sorted(left, key=lambda unit: unit.key)):
                usable = [u for u in pool if self._obstacle(legal[u.services], may_slow) is None]
                if usable:
                    return self._filled(len(out.waves) + 1, fleet, usable, may_slow=may_slow)
        for unit in left:
            text = self._obstacle(legal[unit.services], may_slow=True) or ""
            out.obstacle |= dict.fromkeys(unit.services, text)
        return None

    def _filled(self, number: int, fleet: Fleet, pool: list[Unit], *, may_slow: bool) -> Wave:
        """Return a wave of units in order, as many as fit together; the first does by itself."""
        most = self.solution.instance.policy.wave_moves_max
        taken = [pool[0]]
        rest = [u for u in pool[1:] if u.is_last == pool[0].is_last and not u.has_state]
        for _ in range(_SKIPS if not pool[0].has_state else 0):
            room = most - sum(unit.added for unit in taken)
            sizes = np.cumsum([unit.added for unit in rest])
            rest = rest[: int(np.searchsorted(sizes, room, side="right"))] if rest else []
            if not rest:
                break
            trials = self._tried(fleet, [(*taken, *rest[: i + 1]) for i in range(len(rest))])
            ok = [self._obstacle(trial, may_slow) is None for trial in trials]
            good = ok.index(False) if False in ok else len(ok)
            taken, rest = taken + rest[:good], rest[good + 1 :]
        trial = self._tried(fleet, [tuple(taken)])[0]
        services = np.array([s for unit in taken for s in unit.services])
        after = self._changes(fleet).apply(services, self.solution.fleet.chosen[services])
        return Wave(number, tuple(taken), after, trial.use, int((trial.broken != 0).sum()))

    def _changes(self, fleet: Fleet) -> Changes:
        solution = self.solution
        return Changes(solution.instance, solution.space, solution.today, fleet)

    def _tried(self, fleet: Fleet, groups: Sequence[tuple[Unit, ...]]) -> list[_Trial]:
        """Return what follows if each group of units moved next, each as if alone."""
        solution, instance = self.solution, self.solution.instance
        moves = [np.array([s for unit in group for s in unit.services]) for group in groups]
        found = self._changes(fleet).reach([(s, solution.fleet.chosen[s]) for s in moves])
        need, bits = self.instances_of(fleet), self._newly_broken(fleet.assessed.broken[:, 0])
        held = np.asarray((need * instance.cpu_cores[:, None]).sum(axis=0))
        # A region that is too full today must not forbid moves that leave it no fuller.
        limit = np.maximum(instance.capacity_vcpu, held) + _SLACK
        out = []
        for i in range(len(groups)):
            hit = found.change == i
            s = found.service[hit]
            later = self._need_of(s, found.chosen[hit], found.instances[hit])
            more = np.maximum(need[s], later) - need[s]
            broken = bits.copy()
            broken[s] = self._newly_broken(found.broken[hit], s)
            use = held + (more * instance.cpu_cores[s][:, None]).sum(axis=0)
            out.append(_Trial(use, limit, broken))
        return out

    def _obstacle(self, trial: _Trial, may_slow: bool) -> str | None:
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

    def _fleet(self, chosen: Ints) -> Fleet:
        solution = self.solution
        return evaluate_fleet(solution.instance, solution.space, chosen, solution.today)

    def instances_of(self, fleet: Fleet) -> Ints:
        """Return instances by service and region, ``(S, R)``."""
        every = np.arange(self.solution.instance.n_services)
        return self._need_of(every, fleet.chosen, fleet.assessed.instances[:, 0])

    def _need_of(self, services: Ints, chosen: Ints, instances: Ints) -> Ints:
        space = self.solution.space
        out = np.zeros((len(services), space.member.shape[1]), dtype=np.int64)
        np.add.at(out, (np.arange(len(out))[:, None], space.slot_region[chosen]), instances)
        return out

    def _newly_broken(self, broken: Ints, services: Ints | None = None) -> Ints:
        """Return the bits of rules that a service keeps both today and in the end."""
        solution = self.solution
        ends = (solution.today_fleet.assessed.broken | solution.fleet.assessed.broken)[:, 0]
        return np.asarray(broken & ~(ends if services is None else ends[services]))

    def _ready(self, left: list[Unit]) -> list[Unit]:
        """Return units whose callees have moved, in order."""
        edges = self.solution.instance.edges
        waiting = {s for unit in left for s in unit.services}
        ready = []
        for unit in left:
            mine = np.isin(edges.caller, unit.services)
            callees = {int(t) for t in edges.callee[mine]} & waiting
            if callees <= set(unit.services):
                ready.append(unit)
        return sorted(ready, key=lambda unit: unit.key)

    def _units(self) -> list[Unit]:
        """Return the services that change, grouped where a heavy call ties two of them."""
        solution = self.solution
        changed = np.flatnonzero(solution.fleet.chosen != solution.today.home)
        group = {int(s): int(s) for s in changed}

        def root(s: int) -> int:
            while group[s] != s:
                s = group[s]
            return s

        for caller, callee in self._heavy(set(group)):
            a, b = root(caller), root(callee)
            together = [s for s in group if root(s) in (a, b)]
            if a != b and self._may_join(together):
                group[max(a, b)] = min(a, b)
        found: dict[int, list[int]] = {}
        for s in group:
            found.setdefault(root(s), []).append(s)
        return [self._unit(tuple(sorted(members))) for _, members in sorted(found.items())]

    def _heavy(self, changed: set[int]) -> list[tuple[int, int]]:
        """Return calls that bring a callee the larger part of its requests, heaviest first."""
        instance, edges = self.solution.instance, self.solution.instance.edges
        total = self.solution.fleet.clients.mean_rps.sum(axis=1)
        rate = edges.calls * total[edges.caller]
        share = rate / np.maximum(total[edges.callee], 1e-12)
        heavy = [
            (-float(share[e]), int(edges.caller[e]), int(edges.callee[e]))
            for e in np.flatnonzero(share >= instance.policy.wave_heavy_call_share)
            if int(edges.caller[e]) in changed and int(edges.callee[e]) in changed
        ]
        return [(caller, callee) for _, caller, callee in sorted(heavy)]

    def _may_join(self, services: list[int]) -> bool:
        instance = self.solution.instance
        added = int(self.solution.fleet.assessed.added[services].sum())
        few = added <= instance.policy.wave_moves_max
        # A service with state moves alone, and tiers must not drag each other forward.
        same = len({bool(f) for f in self._is_last(np.array(services))}) == 1
        return few and same and not (instance.state_gb[services] > 0).any()

    def _is_last(self, services: Ints) -> Flags:
        instance = self.solution.instance
        return np.isin(instance.tier[services], instance.policy.loss_proof_tiers)

    def _unit(self, services: tuple[int, ...]) -> Unit:
        solution, members = self.solution, list(services)
        paid = float(moving_usd(solution)[members].sum())
        return Unit(
            services,
            int(solution.fleet.assessed.added[members].sum()),
            bool(self._is_last(np.array(members)).any()),
            bool((solution.instance.state_gb[members] > 0).any()),
            payback(paid, float(monthly_saving_usd(solution)[members].sum())),
        )


def moving_usd(solution: Solution) -> Floats:
    """Return the one-off transfer of state of each service, $, ``(S,)``."""
    instance, chosen = solution.instance, solution.fleet.chosen
    added = solution.space.member[chosen] & ~instance.current
    return np.asarray(np.where(added, migration_usd(instance), 0.0).sum(axis=1))


def monthly_saving_usd(solution: Solution) -> Floats:
    """Return what each service's bill falls by, $ a month, ``(S,)``."""
    before, after = (
        (fleet.assessed.compute + fleet.assessed.egress)[:, 0]
        for fleet in (solution.today_fleet, solution.fleet)
    )
    return np.asarray((before - after) * HOURS_PER_MONTH)


def payback(paid_usd: float, saved_usd_per_month: float) -> float:
    """Return days until a saving has paid a one-off cost; infinite where nothing is saved.

    Example:
        >>> round(payback(50.0, 100.0), 2)
        15.21
    """
    if saved_usd_per_month <= _SAVED_AT_LEAST_USD:
        return float("inf")
    return paid_usd / saved_usd_per_month * _DAYS_PER_MONTH
