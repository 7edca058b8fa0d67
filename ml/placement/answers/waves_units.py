"""What moves together: services that change, and what decides their turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ml.placement.fleet.fleet import Fleet, migration_usd
from ml.placement.problem.instance import Flags, Floats, Ints
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH

_DAYS_PER_MONTH = HOURS_PER_MONTH / 24
_SAVED_AT_LEAST_USD = 1e-6


@dataclass(frozen=True)
class Unit:
    """Services that move together, where to, and what decides their turn.

    Attributes:
        services: Their numbers, ascending.
        plans: The set that each takes.
        added: Regions that they gain.
        is_last: Whether losing them loses the product.
        has_state: Whether state is copied.
        payback_days: Days until the saving has paid the transfer.
        step: ``plan`` to where the plan wants them; ``aside`` to a temporary set that makes room;
            ``back`` for one that stepped aside although it had its place already.
    """

    services: tuple[int, ...]
    plans: tuple[int, ...]
    added: int
    is_last: bool
    has_state: bool
    payback_days: float
    step: Literal["plan", "aside", "back"] = "plan"

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
    """Without the hours of its clients; a large fleet has hundreds of waves."""
    side_by_side: Floats
    newly_broken: int


def without_hours(fleet: Fleet) -> Fleet:
    """Return the fleet without its clients' load by hour, which is nearly all of its size."""
    peak = fleet.clients.peak_rps[:, :, :0]
    return replace(fleet, clients=replace(fleet.clients, peak_rps=peak.copy()))


def change_of(units: Sequence[Unit]) -> tuple[Ints, Ints]:
    """Return the services that move and the numbers of their new sets."""
    services = np.array([s for unit in units for s in unit.services], dtype=np.int64)
    plans = np.array([p for unit in units for p in unit.plans], dtype=np.int64)
    return services, plans


@dataclass(frozen=True)
class Units:
    """Groups the services that change."""

    solution: Solution

    def every(self) -> list[Unit]:
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
        return [self.one(tuple(sorted(members))) for _, members in sorted(found.items())]

    def one(self, services: tuple[int, ...]) -> Unit:
        """Return the unit that takes some services to where the plan wants them."""
        solution, members = self.solution, list(services)
        paid = float(moving_usd(solution)[members].sum())
        return Unit(
            services,
            tuple(int(p) for p in solution.fleet.chosen[members]),
            int(solution.fleet.assessed.added[members].sum()),
            bool(self._is_last(np.array(members)).any()),
            bool((solution.instance.state_gb[members] > 0).any()),
            payback(paid, float(monthly_saving_usd(solution)[members].sum())),
        )

    def aside(self, s: int, plan: int, base: Fleet) -> Unit:
        """Return the step of one service from where it is to a temporary set."""
        member = self.solution.space.member
        added = int((member[plan] & ~member[base.chosen[s]]).sum())
        whole = self.one((s,))
        return replace(whole, plans=(plan,), added=added, step="aside")

    def back(self, s: int, plan: int) -> Unit:
        """Return the step of a service from ``plan`` to its place, which the plan had given it."""
        member, place = self.solution.space.member, int(self.solution.fleet.chosen[s])
        added = int((member[place] & ~member[plan]).sum())
        return replace(self.one((s,)), added=added, step="back")

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
