"""Improve a whole plan by swapping one service's column, or two services' at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.columns.pool import Pool, Rows
from ml.placement.problem.instance import Flags, Floats, Ints

_FITS = 1e-7
_MOST_STEPS = 2_000
_PARTNERS = 60
_PASSES = 40


@dataclass
class Exchange:
    """A whole plan under change: the columns that may be swapped in, and what is left of rows."""

    pool: Pool
    columns: Ints
    """Columns that may be chosen, ascending; the chosen ones are among them."""
    at: Ints
    """Place in ``columns`` of each service's choice, by place of the service."""
    of: Ints
    """Place of the service of each column."""
    use: Floats
    """``(n, rows)`` of the limited rows alone."""
    cost: Ints
    left: Floats

    @classmethod
    def start(cls, pool: Pool, columns: Ints, chosen: Ints, rows: Rows) -> Exchange:
        """Prepare swaps of a plan.

        Args:
            pool: All columns.
            columns: Columns that may be chosen.
            chosen: One column of every service, ascending.
            rows: Limits.
        """
        active = np.flatnonzero(np.isfinite(rows.limits))
        every = np.union1d(columns, chosen)
        use = pool.use(every)[:, active]
        at = np.searchsorted(every, chosen)
        of = np.searchsorted(pool.service[chosen], pool.service[every])
        left = rows.limits[active] - use[at].sum(axis=0)
        return cls(pool, every, at, of, use, pool.cost_micro[every], left)

    @property
    def chosen(self) -> Ints:
        """Chosen columns as numbers of the pool, ascending."""
        return self.columns[self.at]

    @property
    def overload(self) -> float:
        """Units above the limits, all rows together."""
        return float(np.maximum(0.0, -self.left - _FITS).sum())

    def _delta(self) -> tuple[Floats, Ints]:
        """Return what each swap adds to the rows and to the cost."""
        now = self.at[self.of]
        return self.use - self.use[now], self.cost - self.cost[now]

    def _swap(self, column: int) -> None:
        service = self.of[column]
        self.left = self.left - (self.use[column] - self.use[self.at[service]])
        self.at[service] = column

    def relieve(self) -> None:
        """Take load off overloaded rows, the cheapest unit first, until nothing helps."""
        for _ in range(_MOST_STEPS):
            over = np.maximum(0.0, -self.left - _FITS)
            if not over.any():
                return
            delta, cost = self._delta()
            after = np.maximum(0.0, delta - self.left - _FITS).sum(axis=1)
            gain = over.sum() - after
            helps = np.flatnonzero(gain > _FITS)
            if not helps.size:
                return
            # A swap that ends the overload at once beats a cheaper one that leaves a crumb.
            rate = np.maximum(cost[helps], 0) / gain[helps] - 1e-3 * gain[helps]
            self._swap(int(helps[np.lexsort((helps, rate))[0]]))

    def improve(self) -> None:
        """Swap single columns, then pairs, while the cost falls and the rows hold."""
        for _ in range(_PASSES):
            self._singles()
            if not self._pair():
                return

    def _singles(self) -> None:
        for _ in range(_MOST_STEPS):
            delta, cost = self._delta()
            cheaper = np.flatnonzero(cost < 0)
            fits = cheaper[(delta[cheaper] <= np.maximum(self.left, 0.0) + _FITS).all(axis=1)]
            if not fits.size:
                return
            self._swap(int(fits[np.lexsort((fits, cost[fits]))[0]]))

    def _pair(self) -> bool:
        """Apply the first pair that saves: one service gains what the other gives up."""
        delta, cost = self._delta()
        wanted = np.flatnonzero(cost < 0)
        order = wanted[np.lexsort((wanted, cost[wanted]))][:_PARTNERS]
        room = np.maximum(self.left, 0.0) + _FITS
        found = False
        done: set[int] = set()
        for first in order:
            if int(self.of[first]) in done:
                continue
            other = self._partner(int(first), delta, cost, room, done)
            if other is None:
                continue
            done |= {int(self.of[first]), int(self.of[other])}
            self._swap(int(first))
            self._swap(other)
            room = np.maximum(self.left, 0.0) + _FITS
            found = True
        return found

    def _partner(
        self, first: int, delta: Floats, cost: Ints, room: Floats, done: set[int]
    ) -> int | None:
        pays: Flags = (cost > 0) & (cost + cost[first] < 0) & (self.of != self.of[first])
        some = np.flatnonzero(pays)
        some = some[(delta[some] + delta[first] <= room).all(axis=1)]
        for column in some[np.lexsort((some, cost[some]))]:
            if int(self.of[column]) not in done:
                return int(column)
        return None
