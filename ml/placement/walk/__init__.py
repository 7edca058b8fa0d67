"""Changes of a plan, followed through the calls one after another: what a search is made of."""

from __future__ import annotations

from typing import Protocol

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet
from ml.placement.fleet.pricing import PlanTable
from ml.placement.fleet.rows import Reached
from ml.placement.kernel.jit import is_available
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.walk.moves import Moves
from ml.placement.walk.ranks import Rank
from ml.placement.walk.slow import SlowWalk
from ml.placement.walk.walk import CompiledWalk


class Walk(Protocol):
    """A plan that changes, with its rank."""

    @property
    def chosen(self) -> Ints:
        """Set of every service now, ``(S,)``."""
        ...

    @property
    def rank(self) -> Rank:
        """Rank of the plan now: shared rows overrun, rules broken, cost in micro-dollars."""
        ...

    @property
    def broken(self) -> Flags:
        """Services that break a rule now, ``(S,)``."""
        ...

    def ranks(self, moves: Moves) -> Ints:
        """Return the rank of the plan after each group, as if it were made alone, ``(G, 3)``."""
        ...

    def reach(self, moves: Moves) -> Reached:
        """Return whom each group reaches and what follows for them, as if it were made alone."""
        ...

    def make(self, services: Ints, plans: Ints) -> None:
        """Make one change, whatever it does to the rank."""
        ...

    def take(self, moves: Moves) -> bool:
        """Make one group after another, each where it betters the plan so far; say if any did."""
        ...

    def accept(self, moves: Moves, dearer: Ints, prices: Ints) -> None:
        """Make one group after another, each where it makes the plan dearer by no more than said.

        ``dearer`` in micro-dollars by group; for ``prices`` see
        :func:`ml.placement.walk.ranks.priced`.
        """
        ...


def open_walk(
    instance: Instance, space: SetSpace, today: Today, table: PlanTable, fleet: Fleet
) -> Walk:
    """Return a walk that starts at ``fleet``: compiled where the compiler is installed."""
    if is_available():
        return CompiledWalk(instance, space, today, table, fleet.chosen)
    return SlowWalk(instance, space, today, table, fleet)


__all__ = ["Moves", "Walk", "open_walk"]
