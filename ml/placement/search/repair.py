"""Make room in a plan for services that it slows down: take changes back, or serve them nearer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml.placement.fleet.changes import Change
from ml.placement.fleet.evaluate import SLOWER, Today
from ml.placement.fleet.fleet import Fleet, evaluate_fleet
from ml.placement.fleet.pricing import PlanTable, price_all
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.trial_ranks import Rank, Ranker

_OTHER_SETS = 3
_RINGS = 4


def slowed(fleet: Fleet) -> Flags:
    """Return the services that a plan slows down more than the policy allows, ``(S,)``."""
    return np.asarray(fleet.assessed.broken[:, 0] & SLOWER != 0)


@dataclass(frozen=True)
class Repair:
    """Undoes slowdowns one service at a time, each step confirmed on the whole fleet."""

    instance: Instance
    space: SetSpace
    today: Today

    def mended(self, begin: Ints) -> Ints:
        """Return a plan near ``begin`` that slows fewer services down; none where steps exist."""
        fleet = evaluate_fleet(self.instance, self.space, begin, self.today)
        tried: set[int] = set()
        while True:
            left = [int(s) for s in np.flatnonzero(slowed(fleet)) if int(s) not in tried]
            if not left:
                return fleet.chosen
            table, _ = price_all(self.instance, self.space, fleet, self.today)
            demand = fleet.clients.mean_rps.sum(axis=1)
            for s in sorted(left, key=lambda one: (-demand[one], one)):
                if not slowed(fleet)[s]:
                    continue
                better = self._step(table, fleet, s)
                if better is None:
                    tried.add(s)
                else:
                    fleet = better

    def _step(self, table: PlanTable, fleet: Fleet, s: int) -> Fleet | None:
        here = Ranker(self.instance, self.space, self.today, table, fleet)
        options = [self._to(fleet, chosen) for chosen in self._options(table, fleet, s)]
        best: int | None = None
        least: Rank = here.rank
        for i, rank in enumerate(here.ranks(options)):
            if rank[:2] < least[:2] or (best is not None and rank < least):
                best, least = i, rank
        return self._together(here, s) if best is None else here.changes.apply(*options[best])

    def _together(self, here: Ranker, s: int) -> Fleet | None:
        """Take back the whole neighbourhood of ``s``, and of whom that slows down in turn."""
        group, fleet = {s}, here.base
        fresh = {s}
        for _ in range(_RINGS):
            for t in fresh:
                group |= {t, *self._callers(t), *self._callees(t)}
            chosen = _home(fleet.chosen, sorted(group), self.today.home)
            trial = here.after(*self._to(fleet, chosen))
            if trial.rank[:2] < here.rank[:2]:
                return trial.base
            found = slowed(trial.base) & ~slowed(fleet)
            fresh = {int(t) for t in np.flatnonzero(found)} - group
            if not fresh:
                return None
        return None

    def _to(self, fleet: Fleet, chosen: Ints) -> Change:
        services = np.flatnonzero(chosen != fleet.chosen)
        return services, chosen[services]

    def _options(self, table: PlanTable, fleet: Fleet, s: int) -> Iterator[Ints]:
        """Yield plans that may answer the callers of ``s`` as fast as today."""
        home = self.today.home
        kept = np.flatnonzero(table.broken[s] == 0)
        for p in kept[np.argsort(table.cost_micro[s, kept], kind="stable")][:_OTHER_SETS]:
            yield _with(fleet.chosen, [s], int(p))
        kin = [t for t in self._callers(s) if fleet.chosen[t] != home[t]]
        for t in kin:
            yield _with(fleet.chosen, [t], int(home[t]))
            yield _home(fleet.chosen, [s, t], home)
        yield _home(fleet.chosen, [s, *kin], home)
        below = [t for t in self._callees(s) if fleet.chosen[t] != home[t]]
        for t in below:
            yield _with(fleet.chosen, [t], int(home[t]))
        yield _home(fleet.chosen, [s, *kin, *below], home)

    def _callers(self, s: int) -> list[int]:
        edges = self.instance.edges
        return _reached(s, edges.callee, edges.caller)

    def _callees(self, s: int) -> list[int]:
        edges = self.instance.edges
        return _reached(s, edges.caller, edges.callee)


def _reached(s: int, come_from: Ints, lead_to: Ints) -> list[int]:
    """Return all services that links lead to from ``s``, sorted."""
    found: set[int] = set()
    todo = [s]
    while todo:
        fresh = {int(t) for t in lead_to[come_from == todo.pop()]} - found
        found |= fresh
        todo.extend(fresh)
    return sorted(found)


def _with(chosen: Ints, services: list[int], plan: int) -> Ints:
    out = chosen.copy()
    out[services] = plan
    return out


def _home(chosen: Ints, services: list[int], home: Ints) -> Ints:
    out = chosen.copy()
    out[services] = home[services]
    return out
