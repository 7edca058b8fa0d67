"""Which of the proposed changes of a plan an exact evaluation of the whole fleet confirms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.placement.fleet.changes import Change
from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.master import Master
from ml.placement.search.trial_ranks import Rank, Ranker, broken_in, move_limit, rank_of

# The cheapest sets of a service whose own proposal breaks a neighbour's rule.
_VALUED, _LARGE = 24, 400
# Services moved by the parts of a proposal that are evaluated at once: so many, or a part of all.
_AHEAD, _AHEAD_PART = 24, 6
# After so many, a large fleet is better priced anew than taken apart further.
_LOOKS_LARGE = 10


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

    @cached_property
    def _here(self) -> Ranker:
        return Ranker(self.instance, self.space, self.today, self.table, self.fleet)

    def _to(self, services: Ints) -> Change:
        return services, self.master.chosen[services]

    def together(self) -> Fleet:
        """Return the fleet with all changes, or the present one where that is no better."""
        services = self.changed
        if not services.size:
            return self.fleet
        following = self._here.after(*self._to(services))
        return following.base if following.rank < self._here.rank else self.fleet

    def correct(self, known: set[tuple[int, int]]) -> bool:
        """Give proposed changes their exact value when nothing else changes.

        Args:
            known: Plans whose value is exact already; grows.

        Returns:
            Whether any value was not known before.
        """
        fresh = [
            (int(s), int(self.master.chosen[s]))
            for s in self.changed
            if (int(s), int(self.master.chosen[s])) not in known
        ]
        broken = broken_in(self.instance, self.table, self.fleet)
        self._value(fresh, known)
        closed = [s for s, plan in fresh if broken[s] and not self.table.is_open[s, plan]]
        self._value([pair for s in closed for pair in self._cheapest(s)], known)
        for s, _ in fresh:
            if not self.table.is_open[s].any():
                # Whatever it does breaks a rule, its own or a neighbour's: it stays at home.
                self.table.is_open[s, self.today.home[s]] = True
                self.table.is_stuck[s] = True
        return bool(fresh)

    def _cheapest(self, s: int) -> list[tuple[int, int]]:
        ready = np.flatnonzero(self.table.is_open[s])
        order = np.argsort(self.table.cost_micro[s, ready], kind="stable")
        few = self.instance.n_services > _LARGE
        return [(s, int(plan)) for plan in ready[order][: _VALUED // 4 if few else _VALUED]]

    def _value(self, pairs: list[tuple[int, int]], known: set[tuple[int, int]]) -> None:
        """Write the exact value of plans into the table, or close those that break a rule."""
        known.update(pairs)
        here = self._here
        broken = broken_in(self.instance, self.table, self.fleet)
        ranks = here.ranks([(np.array([s]), np.array([plan])) for s, plan in pairs])
        for (s, plan), rank in zip(pairs, ranks, strict=True):
            if rank[1] > here.rank[1] or (rank[1] == here.rank[1] > 0 and broken[s]):
                self.table.is_open[s, plan] = False
            else:
                now = self.table.cost_micro[s, self.fleet.chosen[s]]
                self.table.cost_micro[s, plan] = now + rank[2] - here.rank[2]

    def in_parts(self) -> Fleet:
        """Return the fleet with those halves, quarters and single changes that each help."""

        base, services = self._here, self.changed
        todo = _halves(0, services.size)
        is_large = self.instance.n_services > _LARGE
        ahead_most = self.instance.n_services // _AHEAD_PART if is_large else _AHEAD
        looks = _LOOKS_LARGE if is_large else len(todo)
        while todo and looks > 0:
            looks -= 1
            # Looking ahead costs little where parts are small, and most of them do not help.
            sizes = np.cumsum([last - first for first, last in todo])
            ahead = todo[: max(1, int((sizes <= ahead_most).sum()))]
            ranks, found = base.looked([self._to(services[i:j]) for i, j in ahead])
            reach = np.split(found.service, np.searchsorted(found.change, range(1, len(ahead))))
            taken, near = _apart(ranks, reach, ahead, base)
            if not taken:
                todo = todo[len(ahead) :]
                continue
            moved = np.concatenate([services[i:j] for i, j in taken])
            following = base.after(*self._to(moved))
            if following.rank >= base.rank:
                # Together they overrun a row that each alone leaves free.
                taken, near = taken[:1], [True] * len(ahead)
                following = base.after(*self._to(services[taken[0][0] : taken[0][1]]))
            base = following
            again = [part for part, is_near in zip(ahead, near, strict=True) if is_near]
            todo = [
                part
                for part in again + todo[len(ahead) :]
                if all(part[1] <= i or part[0] >= j for i, j in taken)
            ]
        return base.base

    def in_pairs(self) -> Fleet:
        """Return the fleet with those exchanges of two services that each help.

        Under a move budget one service can only gain a region that another gives up: halves of a
        proposal part the two, and neither helps alone.
        """
        left = [int(s) for s in self.changed]
        base = self._here
        while left:
            first = left.pop(0)
            pairs = [self._to(np.array([first, second])) for second in left]
            ranks = base.ranks(pairs)
            better = [i for i, rank in enumerate(ranks) if rank < base.rank]
            if better:
                base = base.after(*pairs[better[0]])
                del left[better[0]]
        return base.base


def _apart(
    ranks: list[Rank], reach: list[Ints], ahead: list[tuple[int, int]], base: Ranker
) -> tuple[list[tuple[int, int]], list[bool]]:
    """Return the parts that help and reach nobody in common, and which others are reached by them.

    Parts that reach different services add up; those that share some are looked at again. In a
    small fleet nearly all parts share some: there they are taken one by one.
    """
    is_large = base.instance.n_services > _LARGE
    touched = np.zeros(base.instance.n_services, dtype=bool)
    taken: list[tuple[int, int]] = []
    for part, rank, services in zip(ahead, ranks, reach, strict=True):
        if rank < base.rank and not touched[services].any() and (is_large or not taken):
            taken.append(part)
            touched[services] = True
    first = ahead.index(taken[0]) if taken else 0
    # Whatever stands before the first part that helps was tried at the same plan already.
    near = [i > first and (not is_large or bool(touched[s].any())) for i, s in enumerate(reach)]
    return taken, near


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    """Return a range, its halves, their halves and so on, each before its own parts."""
    if last <= first:
        return []
    middle = first + (last - first + 1) // 2
    parts = _halves(first, middle) + _halves(middle, last) if last - first > 1 else []
    return [(first, last), *parts]


__all__ = ["Trial", "broken_in", "move_limit", "rank_of"]
