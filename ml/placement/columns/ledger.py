"""What is known of plans that no list holds, so that most services need no second pricing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.types import Pricer
from ml.placement.problem.instance import Floats

_FIRST = 3
_SLACK = 1.0
"""Micro-dollars: two values this close count as equal."""


@dataclass
class Ledger:
    """The least value that a plan outside the pool can have, by service.

    The first pricing is at prices of nothing. A plan that it did not list costs at least as much
    as the last it listed, and prices only add to that. So while a service's best known plan stays
    below, it is its best of all, and the bound stays exact without looking again.
    """

    pricer: Pricer
    rows: Rows
    floor: Floats | None = None
    """Micro-dollars, ``(S,)``; ``None`` until all services were priced at nothing."""

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
        n, prices = self.pricer.n_services, self.rows.prices(duals, cost_weight)
        known, limit = self._known(pool, duals, best)
        if cost_weight == 0:
            batch = self.pricer.price(prices, best)
            return batch.value[:, 0], pool.with_batch(batch), batch.evaluated
        counts = np.bincount(pool.service, minlength=n)
        wanted = np.ones(n, dtype=bool)
        if self.floor is not None:
            # A service with a single plan may have none that keeps its rules: the pricer says so.
            wanted = (counts < 2) | (known > self.floor - _SLACK)
        some = np.flatnonzero(wanted)
        if not some.size:
            return known, pool, 0
        many = best if self.floor is not None or duals.any() else _FIRST * best
        batch = self.pricer.price(prices, many, some, limit[some])
        known[some] = batch.value[:, 0]
        if self.floor is None and not duals.any() and np.isinf(limit).all():
            self.floor = batch.value[:, -1].copy()
        return known, pool.with_batch(batch), batch.evaluated

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
