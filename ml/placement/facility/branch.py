"""Branch and bound on sites: the same for every problem with the shared relaxation.

A node keeps some sites open and some closed. Its bound comes from a short ascent that begins at
its parent's prices; sites whose other decision would cost too much are decided for good. What
is left is split on a site that the relaxation chooses often but not always.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from ml.placement.facility.dual import Ascent, Relaxation, ascend, changed_values, choose
from ml.placement.facility.problem import (
    PROOF_TOLERANCE,
    Flags,
    Floats,
    Ints,
    NoPlanError,
    Plan,
    Solved,
)

_ROOT_ROUNDS, _ROOT_STEPS, _ROOT_SCALE, _ROOT_PATIENCE = 8, 100, 1.5, 20
_ROOT_COOLING = 0.7
_NODE_STEPS, _NODE_SCALE, _NODE_PATIENCE = 80, 1.0, 12
# An exchange costs as much as some nodes, and the root has nearly always found the best plan.
_SEARCH_EVERY = 50
# Opening a site that is chosen nearly always changes nothing; measured against 0.5 and 1.
_SPLIT_SHARE = 0.7
_R = TypeVar("_R", bound=Relaxation)
_R_co = TypeVar("_R_co", bound=Relaxation, covariant=True)


class Task(Protocol[_R_co]):
    """What the search asks of a problem."""

    @property
    def is_whole(self) -> bool:
        """Whether every plan's cost is a whole number."""

    def root(self) -> _R_co:
        """Return the relaxation over all sites."""

    def first_price(self) -> Floats:
        """Return prices to begin with, ``(n,)``."""

    def plan_near(self, sites: Ints) -> Plan | None:
        """Return a good plan near a choice of sites; ``None`` if it knows none."""

    def settle(self, sites: Ints) -> tuple[Plan | None, float]:
        """Return the best plan with these sites and a certified bound of its cost."""


@dataclass(frozen=True)
class Limits:
    """When to give up; what is proved by then is returned."""

    nodes: int = 200_000
    is_over: Callable[[], bool] | None = None
    """Asked once a node; an emergency stop, since its answer may differ from run to run."""


@dataclass(order=True)
class _Node:
    """Sites not closed and, among them, open; ordered by bound, then by age."""

    bound: float
    number: int
    sites: Ints = field(compare=False)
    is_open: Flags = field(compare=False)
    price: Floats = field(compare=False)
    share: Floats = field(compare=False)


def solve(task: Task[_R], limits: Limits | None = None) -> Solved:
    """Return the best plan, proved unless a limit ends the search.

    Raises:
        NoPlanError: If no choice of sites serves everybody.
    """
    return _Search(task, limits or Limits()).run()


class _Search(Generic[_R]):
    """One search: the best plan so far, open nodes, counters."""

    def __init__(self, task: Task[_R], limits: Limits) -> None:
        self.task, self.limits = task, limits
        self.plan: Plan | None = None
        self.queue: list[_Node] = []
        self.seen: set[bytes] = set()
        self.nodes, self.steps = 1, 0
        self.unproved = math.inf
        """Least bound of a decided choice whose plan the solver did not close."""

    @property
    def upper(self) -> float:
        return math.inf if self.plan is None else self.plan.cost

    def is_enough(self, bound: float) -> bool:
        """Say whether nothing within a bound can be better than the best plan."""
        if self.plan is None or not math.isfinite(bound):
            return bound > 0 and math.isinf(bound)
        if self.task.is_whole:
            return math.ceil(bound) >= self.upper
        return bound >= self.upper - PROOF_TOLERANCE * abs(self.upper)

    def run(self) -> Solved:
        root = self.task.root()
        first = self._climb_root(root)
        self._keep(root, first)
        if self.queue:
            root = root.restricted(self.queue[0].sites, self.queue[0].is_open)
        stop = "proved"
        while self.queue and not self.is_enough(self.queue[0].bound):
            if self.nodes >= self.limits.nodes:
                stop = "nodes"
                break
            if self.limits.is_over is not None and self.limits.is_over():
                stop = "time"
                break
            self._split(root, heapq.heappop(self.queue))
        return self._result(stop)

    def _result(self, stop: str) -> Solved:
        assert self.plan is not None
        lower = min([self.unproved, *(node.bound for node in self.queue[:1])])
        is_proved = self.is_enough(lower)
        if is_proved:
            slack = 0.0 if self.task.is_whole else PROOF_TOLERANCE * abs(self.upper)
            lower = self.upper - slack
        elif self.task.is_whole:
            lower = float(math.ceil(lower))
        stop = stop if is_proved or stop != "proved" else "precision"
        return Solved(self.plan, lower, self.nodes, self.steps, is_proved, stop)

    def _climb_root(self, root: _R) -> Ascent:
        """Raise the bound in rounds, each from where the last ended, and look for plans between."""
        price = self.task.first_price()
        values = root.values(price)
        choice = choose(values, root.is_open, root.least, root.most)
        if choice is None:
            raise NoPlanError("no choice of sites serves everybody")
        self._look(root.sites[choice.chosen])
        if self.plan is None:
            raise NoPlanError("no choice of sites serves everybody")
        scale, best = _ROOT_SCALE, None
        for _ in range(_ROOT_ROUNDS):
            here = self._climb(root, price, _ROOT_STEPS, scale, _ROOT_PATIENCE)
            best = here if best is None or here.bound >= best.bound else best
            if here.choice is not None:
                self._look(root.sites[here.choice.chosen])
                often = np.argsort(-here.share, kind="stable")[: len(here.choice.chosen)]
                self._look(root.sites[often])
            if self.is_enough(best.bound):
                break
            price, scale = best.price, scale * _ROOT_COOLING
        assert best is not None
        return best

    def _climb(self, at: _R, price: Floats, steps: int, scale: float, patience: int) -> Ascent:
        found = ascend(
            at, price, self.upper, self.is_enough, steps=steps, scale=scale, patience=patience
        )
        self.steps += found.steps
        return found

    def _look(self, sites: Ints) -> None:
        """Try a choice of sites once, as a start of the problem's own improvement."""
        sites = np.sort(sites)
        if sites.tobytes() in self.seen:
            return
        self.seen.add(sites.tobytes())
        self._offer(self.task.plan_near(sites))

    def _offer(self, plan: Plan | None) -> None:
        if plan is not None and plan.cost < self.upper:
            self.plan = plan

    def _split(self, root: _R, node: _Node) -> None:
        """Decide a site that the relaxation chooses often but not always, both ways."""
        free = np.flatnonzero(~node.is_open)
        at = free[np.argmin(np.abs(node.share[free] - _SPLIT_SHARE))]
        opened = node.is_open.copy()
        opened[at] = True
        rest = np.arange(len(node.sites)) != at
        for kept, is_open in ((np.ones(len(rest), dtype=bool), opened), (rest, node.is_open)):
            self.nodes += 1
            child = root.restricted(node.sites[kept], is_open[kept])
            found = self._climb(child, node.price, _NODE_STEPS, _NODE_SCALE, _NODE_PATIENCE)
            if found.choice is not None and self.nodes % _SEARCH_EVERY < 2:
                self._look(child.sites[found.choice.chosen])
            self._keep(child, found, node.bound)

    def _keep(self, at: _R, found: Ascent, parent: float = -math.inf) -> None:
        """Queue what may still hold a better plan, less the sites that are decided by now."""
        if found.choice is None or self.is_enough(found.bound):
            return
        choice = found.choice
        shut, opened = changed_values(choice, found.values, at.least, at.most)
        is_open, is_kept = at.is_open.copy(), np.ones(len(at.sites), dtype=bool)
        for position, rise in zip(choice.chosen[choice.n_must :], shut, strict=True):
            is_open[position] = self.is_enough(found.bound + rise)
        for position, rise in zip(choice.spare, opened, strict=True):
            is_kept[position] = not self.is_enough(found.bound + rise)
        sites, is_open = at.sites[is_kept], is_open[is_kept]
        if np.count_nonzero(is_open) >= at.most:
            sites, is_open = sites[is_open], is_open[is_open]
        if is_open.all():
            plan, bound = self.task.settle(sites)
            self._offer(plan)
            if not self.is_enough(bound):
                self.unproved = min(self.unproved, bound)
            return
        bound = max(found.bound, parent)
        number = self.nodes
        node = _Node(bound, number, sites, is_open, found.price, found.share[is_kept])
        heapq.heappush(self.queue, node)
