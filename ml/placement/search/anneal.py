"""Search hot, then ever colder: changes that make the plan dearer are made as well, ever fewer.

A descent ends in the first valley. What a plan of a fleet costs is decided by what callers and
callees do together and by who gets the few moves and cores that all want, so valleys are many, and
a better one lies behind plans that are worse or break a rule. At a high temperature those are
passed through; at a low one the search is a descent.

Kirkpatrick, Gelatt, Vecchi: Optimization by Simulated Annealing. Science 220, 1983.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.placement.fleet.evaluate import RULES, Today
from ml.placement.fleet.fleet import Fleet
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.walk import Moves, open_walk

_SEED = 20_260
_LEVELS, _STEPS_PER_CELL = 150, 70
"""Temperatures, and changes looked at per service and set."""
_HOURS, _PEAKS = 16, 10_000
"""Hours of the week that loads are followed in, and peaks by which they are chosen."""
# Multiples of what a service costs today on average, at the first temperature and at the last.
_TEMPERATURE = (0.5, 0.01)
_OVERRUN = (0.15, 3.0)
_BROKEN = (1.0, 6.0)
_ASTRAY = (1_000.0, 1_000.0)
_LINKS = 0.2
"""Share of changes that move a caller with its callee."""
_WAYS = (0.4, 0.85, 0.95)
"""Cumulated shares of like sets, of any, of one for each; the rest goes home."""
_ALIKE = 2
_STATIC = sum(1 << i for i, rule in enumerate(RULES) if rule not in {
    "SLO_MISSED", "N1_LOSS", "NO_CAPACITY", "SLOWER_THAN_TODAY"})  # fmt: skip


@dataclass(frozen=True)
class _Choices:
    """What may be proposed: services, alone or a caller with a callee, and where to."""

    groups: tuple[Ints, Ints]
    """Services that may move, ``(n, 1)``, and callers with callees, ``(m, 2)``."""
    allowed: Flags
    """Sets that the rules on regions and their number allow, ``(S, P)``."""
    alike: Ints
    """Sets that differ by one region more, less or other, ``(P, most)``; filled with itself."""
    home: Ints

    @classmethod
    def of(cls, instance: Instance, space: SetSpace, table: PlanTable, today: Today) -> _Choices:
        may: Flags = ~(instance.is_fixed | today.pinned)
        links = np.stack((instance.edges.caller, instance.edges.callee), axis=1)
        links = np.unique(links, axis=0)
        return cls(
            (np.flatnonzero(may)[:, None], links[may[links].all(axis=1)]),
            (table.broken & _STATIC) == 0,
            _alike(space),
            today.home,
        )

    def drawn(self, rng: np.random.Generator, chosen: Ints, count: int) -> Moves:
        """Return about ``count`` random changes of a plan."""
        alone, links = self.groups
        n_links = rng.binomial(count, _LINKS) if len(links) else 0
        parts = [
            self._moved(rng, chosen, group[rng.integers(len(group), size=n)])
            for group, n in ((alone, count - n_links), (links, n_links))
        ]
        order = rng.permutation(sum(len(services) for services, _ in parts))
        changes = [
            (s, p) for services, plans in parts for s, p in zip(services, plans, strict=True)
        ]
        return Moves.of([changes[i] for i in order])

    def _moved(self, rng: np.random.Generator, chosen: Ints, s: Ints) -> tuple[Ints, Ints]:
        """Return groups ``(G, k)`` and where they go: what is not allowed is left out."""
        n_sets, one = self.allowed.shape[1], (len(s), 1)
        way = np.searchsorted(_WAYS, rng.random(one), side="right")
        like = self.alike[chosen[s], rng.integers(self.alike.shape[1], size=one)]
        any_set = np.broadcast_to(rng.integers(n_sets, size=one), s.shape)
        plans = np.choose(way, (like, any_set, rng.integers(n_sets, size=s.shape), self.home[s]))
        kept = self.allowed[s, plans].all(axis=1) & (plans != chosen[s]).any(axis=1)
        return s[kept], plans[kept]


def _alike(space: SetSpace) -> Ints:
    apart = (space.member[:, None, :] != space.member[None]).sum(axis=2)
    resized = np.abs(space.size[:, None] - space.size[None])
    is_alike = (apart == 1) | ((apart == _ALIKE) & (resized == 0))
    most = max(1, int(is_alike.sum(axis=1).max()))
    out = np.repeat(np.arange(len(space.sets))[:, None], most, axis=1)
    for plan, row in enumerate(is_alike):
        near = np.flatnonzero(row)
        out[plan, : len(near)] = near
    return out


def _telling_hours(instance: Instance, space: SetSpace, fleet: Fleet) -> Ints:
    """Return the hours whose peaks come nearest to those of all hours, sorted.

    To size for 16 hours instead of 168 takes half the time, and under-states a peak by 1 % in the
    mean. They are chosen one after another, each for what it adds over services and regions.
    """
    rows = np.unique(space.slot_row)
    count = len(rows) * instance.n_services
    s, row = np.divmod(np.arange(0, count, 1 + count // _PEAKS), len(rows))
    demand, share = fleet.clients.peak_rps[s], space.peak_share[rows[row]]
    load = np.matmul(share[:, None, :], demand)[:, 0]
    load = load[load.any(axis=1)]
    load /= load.max(axis=1, keepdims=True)
    covered, hours = np.zeros(len(load)), set[int]()
    for _ in range(min(_HOURS, load.shape[1])):
        hour = int(np.maximum(load, covered[:, None]).mean(axis=0).argmax())
        hours.add(hour)
        covered = np.maximum(covered, load[:, hour])
    return np.array(sorted(hours), dtype=np.int64)


def annealed(
    instance: Instance, space: SetSpace, today: Today, table: PlanTable, fleet: Fleet, chain: int
) -> Ints:
    """Return the plan at the cold end, ``(S,)``.

    Args:
        instance: The problem.
        space: Its region sets.
        today: What to compare with.
        table: Plans priced at the plan to begin at; says who stays.
        fleet: The plan to begin at.
        chain: Number of the chain; each draws its own changes.
    """
    # Whom no set satisfies beside this plan, one may beside another.
    table = replace(table, is_stuck=np.zeros_like(table.is_stuck))
    choices = _Choices.of(instance, space, table, today)
    if not choices.groups[0].size:
        return fleet.chosen
    rng = np.random.default_rng((_SEED, chain))
    hours = _telling_hours(instance, space, fleet)
    rough = replace(instance, peak_rps=instance.peak_rps[:, :, hours])
    walk = open_walk(rough, space, today, table, fleet)
    unit = max(1.0, float(np.abs(fleet.cost_micro).sum()) / instance.n_services)
    count = -(-_STEPS_PER_CELL * instance.n_services * len(space.sets) // _LEVELS)
    for level in range(_LEVELS):
        at = level / (_LEVELS - 1)
        prices = np.array([_between(p, at) for p in (_OVERRUN, _BROKEN, _BROKEN, _ASTRAY)])
        moves = choices.drawn(rng, walk.chosen, count)
        dearer = unit * _between(_TEMPERATURE, at) * rng.standard_exponential(moves.n)
        walk.accept(moves, dearer.astype(np.int64), (unit * prices).astype(np.int64))
    return walk.chosen


def _between(ends: tuple[float, float], at: float) -> float:
    return float(ends[0] * (ends[1] / ends[0]) ** at)


__all__ = ["annealed"]
