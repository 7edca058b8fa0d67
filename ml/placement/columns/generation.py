"""Column generation: one plan per service within shared rows, at any size, with a certificate.

Prices of the rows are raised until the certified bound is close to what any mix of plans allows;
then shares of plans become whole plans. Three ends are told apart: a feasible plan with its gap, a
proof that no plan exists, and neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ml.placement.columns.dive import closest, dive, near_ties
from ml.placement.columns.dual import Ascent, Plan, Report, Stop, ascend, certified
from ml.placement.columns.exchange import Exchange
from ml.placement.columns.ledger import Floor, Ledger
from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.solver import Programme
from ml.placement.columns.types import Pricer
from ml.placement.problem.instance import Flags, Floats, Ints

State = Literal["feasible", "infeasible", "unknown"]
_NO_PLAN = 2**62
_WARM_STEP = 0.02


@dataclass(frozen=True)
class Options:
    """Budgets of a solve: rounds, plans and columns, never seconds."""

    best: int = 4
    """Plans per service and pricing."""
    whole: int = 24
    """The same for the services whose choice is closest, once shares become wholes."""
    tolerance: float = 1e-5
    max_rounds: int = 40
    near_ties: tuple[int, ...] = (1_500, 4_000)
    """Services that keep a choice in a dive; the next number where one ends above a limit."""
    repairs: int = 3
    exact_services: int = 300
    """Fleets up to this size are finished exactly."""
    exact_columns: int = 64
    nodes: int = 2_000
    box_max: float = 30.0
    """Largest price tried before a shortage is suspected, in usual prices."""


@dataclass(frozen=True)
class Warm:
    """What an earlier solve of a similar problem leaves behind."""

    duals: Floats
    pool: Pool
    floor: Floor | None = None
    """What no plan outside the pool is below; valid while no plan became possible or cheaper."""
    limits: Floats | None = None
    """Of the rows it was solved for, ``(2 R + 1,)``."""


@dataclass(frozen=True)
class Solved:
    """Result; money in micro-dollars per hour."""

    state: State
    pool: Pool
    chosen: Ints
    """Columns of the pool, one per service by number; of the least overload where not feasible."""
    upper_micro: int
    lower_micro: int
    duals: Floats
    """$ per unit of every row, ``(2 R + 1,)``."""
    rounds: int
    stop_reason: str
    shortage: Floats
    """Units missing of every row; with a proof, of no plan can be less in all."""
    overload: float
    is_exact: bool
    floor: Floor | None = None
    limits: Floats | None = None

    @property
    def gap(self) -> float:
        """Relative distance between the bounds; infinite without a feasible plan."""
        if self.state != "feasible":
            return float("inf")
        return (self.upper_micro - self.lower_micro) / max(1, abs(self.lower_micro))

    @property
    def warm(self) -> Warm:
        """What a later solve may start from."""
        return Warm(self.duals, self.pool, self.floor, self.limits)


def solve_columns(
    pricer: Pricer,
    rows: Rows,
    scale: Floats,
    options: Options | None = None,
    *,
    warm: Warm | None = None,
    stop: Stop | None = None,
    report: Report | None = None,
) -> Solved:
    """Choose one plan per service at least cost within the rows.

    Args:
        pricer: Prices all plans of a service.
        rows: Limits.
        scale: A usual price of each row, $ per unit, ``(2 R + 1,)``.
        options: Budgets.
        warm: Prices and plans of an earlier solve; plans must still cost what they did.
        stop: Asked between rounds; true returns the best found so far.
        report: Told after every round.
    """
    return _Solve(
        pricer,
        Ledger(pricer, rows, None if warm is None else warm.floor),
        rows,
        scale,
        options or Options(),
        stop,
        report,
    ).run(warm)


@dataclass
class _Solve:
    pricer: Pricer
    ledger: Ledger
    rows: Rows
    scale: Floats
    options: Options
    stop: Stop | None
    report: Report | None

    def run(self, warm: Warm | None) -> Solved:
        found = self._run(warm)
        return replace(found, floor=self.ledger.floor, limits=self.rows.limits)

    def _run(self, warm: Warm | None) -> Solved:
        ascent = self._widened(self._ascend(warm))
        chosen, over = self._round(ascent)
        for _ in range(self.options.repairs):
            if over <= 0.0 or self._is_over():
                break
            ascent = self._evacuate(ascent, chosen)
            chosen, over = self._round(ascent, chosen)
        if over > 0.0:
            return self._without_plan(ascent, chosen, over)
        found = self._solved(ascent, chosen)
        return self._exact(found, ascent) if found.gap > 0 else found

    def _is_over(self) -> bool:
        return self.stop is not None and self.stop()

    def _ascend(self, warm: Warm | None) -> Ascent:
        o, n = self.options, len(self.rows.vcpu)
        if warm is None:
            cores, memory = self.pricer.cpu_cores, self.pricer.memory_gb
            pool, start, step = Pool.empty(cores, memory, n), 0.0 * self.scale, 0.3
        else:
            pool, start, step = warm.pool, warm.duals, _WARM_STEP
        plan = Plan(o.best, o.tolerance, o.max_rounds, 1.0, o.box_max)
        return ascend(
            self.ledger, self.rows, pool, start, step * self.scale, self.scale, plan,
            stop=self.stop, report=self.report,
        )  # fmt: skip

    def _widened(self, ascent: Ascent) -> Ascent:
        """Give the services whose choice is closest more plans: wholes need more than shares."""
        o = self.options
        if not ascent.duals.any() or self._is_over():
            return ascent
        some = closest(ascent.pool, ascent.last, o.near_ties[0])
        batch = self.pricer.price(self.rows.prices(ascent.last), o.whole, some)
        return replace(ascent, pool=ascent.pool.with_batch(batch))

    def _round(self, ascent: Ascent, failed: Ints | None = None) -> tuple[Ints, float]:
        """Return a whole plan and what it takes above the limits."""
        pool, best = ascent.pool, None
        value = pool.value(ascent.duals)
        free = pool.cheapest(value)
        if self._overload(pool, free) <= 0 and not ascent.duals.any():
            return free, 0.0
        forced = None if failed is None else self._touching(pool, failed)
        for most in self.options.near_ties:
            columns = near_ties(pool, ascent.last, most, forced)
            chosen, _ = dive(pool, columns, self.rows, 10.0 * (self.scale + ascent.duals))
            exchange = Exchange.start(pool, columns, chosen, self.rows)
            exchange.relieve()
            if exchange.overload <= 0:
                exchange.improve()
                return exchange.chosen, 0.0
            if best is None or exchange.overload < best[1]:
                best = exchange.chosen, exchange.overload
            if most >= len(pool.starts) - 1 or self._is_over():
                break
        assert best is not None
        return best

    def _overload(self, pool: Pool, chosen: Ints) -> float:
        limits = self.rows.limits
        over = pool.total_use(chosen)[np.isfinite(limits)] - limits[np.isfinite(limits)]
        return float(np.maximum(0.0, over - 1e-6).sum())

    def _touching(self, pool: Pool, chosen: Ints) -> Flags:
        """Return the services that use an overloaded row, at most the 4,000 largest users."""
        over = self._over_rows(pool, chosen)
        use = pool.use(chosen)[:, over].sum(axis=1)
        order = np.lexsort((chosen, -use))[:4_000]
        flags = np.zeros(self.pricer.n_services, dtype=bool)
        flags[pool.service[chosen[order[use[order] > 0]]]] = True
        return flags

    def _over_rows(self, pool: Pool, chosen: Ints) -> Flags:
        limits = self.rows.limits
        return np.asarray(np.isfinite(limits) & (pool.total_use(chosen) > limits + 1e-6))

    def _evacuate(self, ascent: Ascent, chosen: Ints) -> Ascent:
        """Add plans that leave overloaded regions: priced as if those were much dearer."""
        over = self._over_rows(ascent.pool, chosen)
        pool = ascent.pool
        for factor in (0.3, 2.0):
            raised = np.where(over, ascent.duals + factor * self.scale, ascent.duals)
            touched = np.flatnonzero(self._touching(pool, chosen))
            batch = self.pricer.price(self.rows.prices(raised), self.options.best, touched)
            pool = pool.with_batch(batch)
        return replace(ascent, pool=pool)

    def _without_plan(self, ascent: Ascent, chosen: Ints, over: float) -> Solved:
        """Prove that no plan exists, or say that it is not known."""
        n = len(self.rows.limits)
        plan = Plan(self.options.best, 0.0, self.options.max_rounds, 0.0, 1.0)
        ones = np.ones(n)
        start = np.where(self._over_rows(ascent.pool, chosen), 1.0, 0.0)
        proof = ascend(
            self.ledger, self.rows, ascent.pool, start, 2.0 * ones, ones, plan, stop=self.stop
        )
        is_proven = proof.lower_micro > 0
        shortage = proof.shortage if is_proven else np.zeros(n)
        state: State = "infeasible" if is_proven else "unknown"
        kept = _moved(ascent.pool, proof.pool, chosen)
        return Solved(
            state, proof.pool, kept, _NO_PLAN, ascent.lower_micro, ascent.duals,
            ascent.rounds + proof.rounds, "shortage" if is_proven else ascent.stop_reason,
            shortage, over, False,
        )  # fmt: skip

    def _solved(self, ascent: Ascent, chosen: Ints) -> Solved:
        upper = int(ascent.pool.cost_micro[chosen].sum())
        return Solved(
            "feasible", ascent.pool, chosen, upper, ascent.lower_micro, ascent.duals,
            ascent.rounds, ascent.stop_reason, np.zeros_like(self.scale), 0.0, False,
        )  # fmt: skip

    def _exact(self, found: Solved, ascent: Ascent) -> Solved:
        """Finish small fleets: a plan worse than its service's best by the gap is in no optimum."""
        o = self.options
        if self.pricer.n_services > o.exact_services or self._is_over():
            return found
        window = float(found.upper_micro - found.lower_micro)
        limit = ascent.best_value + window + 1.0
        batch = self.pricer.price(
            self.rows.prices(found.duals), o.exact_columns, np.arange(self.pricer.n_services), limit
        )
        is_complete = bool(np.isinf(batch.value[:, -1]).all() or batch.value.shape[1] == 0)
        pool = found.pool.with_batch(batch)
        value = pool.value(found.duals)
        near = np.flatnonzero(value <= limit[pool.service] + 1.0)
        near = np.union1d(near, _moved(found.pool, pool, found.chosen))
        active = np.flatnonzero(np.isfinite(self.rows.limits))
        sub = pool.take(near)
        zero = np.zeros(len(active))
        programme = Programme(sub, active, self.rows.limits, zero, zero, whole=True, nodes=o.nodes)
        taken = programme.whole()
        chosen = _moved(found.pool, pool, found.chosen)
        if taken is None or taken.sum() != len(chosen):
            return replace(found, pool=pool, chosen=chosen)
        trial = near[np.flatnonzero(taken)]
        upper = int(pool.cost_micro[trial].sum())
        if self._overload(pool, trial) > 0 or upper > found.upper_micro:
            trial, upper = chosen, found.upper_micro
        exact = is_complete and programme.is_optimal()
        return replace(found, pool=pool, chosen=trial, upper_micro=upper, is_exact=exact)


def _moved(old: Pool, new: Pool, columns: Ints) -> Ints:
    """Return the numbers in ``new`` of columns of ``old``."""
    order = np.lexsort((new.mask, new.service))
    key_new = np.rec.fromarrays((new.service[order], new.mask[order]))
    key_old = np.rec.fromarrays((old.service[columns], old.mask[columns]))
    return np.asarray(order[np.searchsorted(key_new, key_old)])


__all__ = ["Options", "Rows", "Solved", "Warm", "certified", "solve_columns"]
