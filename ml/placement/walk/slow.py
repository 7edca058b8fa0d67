"""The walk without a compiler: the same steps, by the evaluation in NumPy."""

from __future__ import annotations

import numpy as np

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet
from ml.placement.fleet.pricing import PlanTable
from ml.placement.fleet.rows import Reached
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.walk.moves import Moves
from ml.placement.walk.ranks import Rank, Ranker, priced

# Groups evaluated at once; those behind the first that helps are evaluated again.
_AHEAD = 24


class SlowWalk:
    """One plan and what follows from it, kept up to date while it changes."""

    def __init__(
        self, instance: Instance, space: SetSpace, today: Today, table: PlanTable, fleet: Fleet
    ) -> None:
        """Start at an evaluated plan; see :class:`ml.placement.walk.walk.CompiledWalk`."""
        self._here = Ranker(instance, space, today, table, fleet)

    @property
    def chosen(self) -> Ints:
        """Set of every service now, ``(S,)``."""
        return self._here.base.chosen.copy()

    @property
    def rank(self) -> Rank:
        """Rank of the plan now."""
        return self._here.rank

    @property
    def broken(self) -> Flags:
        """Services that break a rule now, ``(S,)``."""
        return np.asarray(self._here.base.assessed.broken[:, 0] != 0)

    def ranks(self, moves: Moves) -> Ints:
        """Return the rank of the plan after each group, as if it were made alone, ``(G, 3)``."""
        found = self._here.ranks([moves.group(g) for g in range(moves.n)])
        return np.array(found, dtype=np.int64).reshape(-1, 3)

    def reach(self, moves: Moves) -> Reached:
        """Return whom each group reaches and what follows for them, as if it were made alone."""
        return self._here.changes.reach([moves.group(g) for g in range(moves.n)])

    def make(self, services: Ints, plans: Ints) -> None:
        """Make one change, whatever it does to the rank."""
        self._here = self._here.after(services, plans)

    def take(self, moves: Moves) -> bool:
        """Make one group after another, each where it betters the plan so far; say if any did."""
        before, g = self._here, 0
        while g < moves.n:
            ahead = [moves.group(i) for i in range(g, min(moves.n, g + _AHEAD))]
            ranks = self._here.ranks(ahead)
            better = [i for i, rank in enumerate(ranks) if rank < self._here.rank]
            if better:
                self._here = self._here.after(*ahead[better[0]])
            g += better[0] + 1 if better else len(ahead)
        return self._here is not before

    def accept(self, moves: Moves, dearer: Ints, prices: Ints) -> None:
        """Make one group after another, each where it makes the plan dearer by no more than said.

        See :meth:`ml.placement.walk.walk.CompiledWalk.accept`.
        """
        g = 0
        while g < moves.n:
            ahead = [moves.group(i) for i in range(g, min(moves.n, g + _AHEAD))]
            most = priced(self._here.rank, prices) + dearer[g : g + len(ahead)]
            costs = [priced(rank, prices) for rank in self._here.ranks(ahead)]
            kept = np.flatnonzero(costs <= most)
            if kept.size:
                self._here = self._here.after(*ahead[kept[0]])
            g += int(kept[0]) + 1 if kept.size else len(ahead)
