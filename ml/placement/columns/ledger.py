"""What is known of plans that no list holds, so that most services need no second pricing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.types import Batch, Pricer
from ml.placement.problem.instance import Flags, Floats, Ints

_FIRST = 3
_SLACK = 1.0
"""Micro-dollars: two values this close count as equal."""


@dataclass(frozen=True)
class Floor:
    """What no plan outside the pool is below, by service, each at the prices it was found at."""

    value: Floats
    """Micro-dollars, ``(S,)``; minus infinity where nothing is known."""
    at: Ints
    """Place in ``duals`` of those prices, ``(S,)``."""
    duals: tuple[Floats, ...]
    """Prices of the rows, ``(2 R + 1,)`` each."""

    @classmethod
    def unknown(cls, services: int) -> Floor:
        """Return a floor that says nothing."""
        return cls(np.full(services, -np.inf), np.zeros(services, dtype=np.int64), ())

    def raised(self, services: Ints, value: Floats, duals: Floats) -> Floor:
        """Return the floor with new values of some services."""
        values, at = self.value.copy(), self.at.copy()
        values[services], at[services] = value, len(self.duals)
        return Floor(values, at, (*self.duals, duals))


@dataclass
class Ledger:
    """The least value that a plan outside the pool can have, by service.

    A plan that a pricing did not list costs at least as much as the last it listed; at other
    prices at least that less what the prices that fell can take off. So while a service's best
    known plan stays below, it is its best of all, and the bound stays exact without looking again.
    """

    pricer: Pricer
    rows: Rows
    floor: Floor | None = None

    def price(
        self, pool: Pool, duals: Floats, best: int, cost_weight: float
    ) -> tuple[Floats, Pool, int]:
        """Return each service's least value at the prices, the larger pool, and plans looked at.

        Args:
            pool: Plans known.
            duals: Prices of the rows, ``(2 R + 1,)``.
            best: Plans asked for where a service is priced.
            cost_weight: 0 asks for the use of the rows alone; then nothing is known beforehand.
        """
        prices = self.rows.prices(duals, cost_weight)
        known, limit = self._known(pool, duals, best)
        if cost_weight == 0:
            batch = self.pricer.price(prices, best)
            return batch.value[:, 0], pool.with_batch(batch), batch.evaluated
        some = np.flatnonzero(self._wanted(pool, known, duals))
        if not some.size:
            return known, pool, 0
        batch = self.pricer.price(prices, self._many(best, duals), some, limit[some])
        known[some] = batch.value[:, 0]
        self._note(batch, limit[some], duals)
        return known, pool.with_batch(batch), batch.evaluated

    def _many(self, best: int, duals: Floats) -> int:
        """Return how many plans to list: none but the best is of use where no row is limited."""
        if not np.isfinite(self.rows.limits).any():
            return 1
        # At prices of nothing all is still ahead: a longer list serves many rounds.
        return best if self.floor is not None or duals.any() else _FIRST * best

    def _wanted(self, pool: Pool, known: Floats, duals: Floats) -> Flags:
        """Return the services of which a plan outside the pool may be the best."""
        # A service with a single plan may have none that keeps its rules: the pricer says so.
        wanted = np.bincount(pool.service, minlength=self.pricer.n_services) < 2
        if self.floor is None:
            return np.ones_like(wanted)
        new = self.rows.prices(duals)
        for place, old in enumerate(self.floor.duals):
            some = np.flatnonzero(self.floor.at == place)
            value = self.floor.value[some]
            least = self.pricer.floor_at(value, some, self.rows.prices(old), new)
            wanted[some] |= known[some] > least - _SLACK
        return wanted

    def _note(self, batch: Batch, limit: Floats, duals: Floats) -> None:
        if self.floor is None:
            self.floor = Floor.unknown(self.pricer.n_services)
        # A list that is not full holds all plans below its limit.
        last = np.minimum(batch.value[:, -1], limit)
        self.floor = self.floor.raised(batch.services, last, duals)

    def _known(self, pool: Pool, duals: Floats, best: int) -> tuple[Floats, Floats]:
        """Return the best and the last of the ``best`` best known values by service."""
        n = self.pricer.n_services
        least, limit = np.full(n, np.inf), np.full(n, np.inf)
        if pool.n:
            value, starts = pool.value(duals), pool.starts
            order = np.lexsort((value, pool.service))
            names, counts = pool.service[starts[:-1]], np.diff(starts)
            least[names] = value[order[starts[:-1]]]
            enough = counts >= best
            limit[names[enough]] = value[order[starts[:-1][enough] + best - 1]] + 0.5
        return least, limit
