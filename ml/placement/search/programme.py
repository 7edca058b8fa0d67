"""The two programmes over a list of columns, solved by HiGHS on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from ml.placement.fleet.fleet import MICRO
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Floats, Ints

_NODE_LIMIT = 20_000
_SHORTAGE_PRICE_FACTOR = 50.0


@dataclass(frozen=True)
class Columns:
    """Some plans of the table, sorted by (service, plan)."""

    pairs: Ints
    """Service and plan number, ``(n, 2)``."""
    cost_micro: Ints
    vcpu: Floats
    """``(n, R)``."""
    added: Ints

    @classmethod
    def of(cls, table: PlanTable, pairs: Ints) -> Columns:
        """Collect plans of the table; doubles are dropped."""
        unique = np.unique(pairs, axis=0)
        s, p = unique[:, 0], unique[:, 1]
        return cls(unique, table.cost_micro[s, p], table.uses(s, p), table.added[s, p])

    @property
    def n(self) -> int:
        """Number of columns."""
        return len(self.pairs)

    def known(self) -> set[tuple[int, int]]:
        """Return the pairs for membership tests."""
        return {(int(s), int(p)) for s, p in self.pairs}

    def cheapest(self, n_services: int) -> Ints:
        """Return the cheapest known plan of every service, shared rows ignored."""
        order = np.lexsort((self.pairs[:, 1], self.cost_micro, self.pairs[:, 0]))
        firsts = order[np.searchsorted(self.pairs[order, 0], np.arange(n_services))]
        return np.asarray(self.pairs[firsts, 1])


@dataclass(frozen=True)
class Relaxed:
    """Solution of the relaxed programme."""

    row_prices: Floats
    """$ per unit of each capacity row, then of the move row, ``(R + 1,)``."""
    service_prices: Floats
    """$ per hour of one more service like it, ``(S,)``."""
    shortage: Floats
    """Units missing of each row, ``(R + 1,)``."""


def _model(columns: Columns, capacity: Floats, moves: float, *, whole: bool) -> tuple[Any, int]:
    """Return the programme: one plan per service, shared rows with slack at a high price."""
    services = np.unique(columns.pairs[:, 0])
    n_s, n_r = len(services), len(capacity)
    at = np.searchsorted(services, columns.pairs[:, 0])
    cost: Floats = columns.cost_micro / MICRO
    limits = np.append(capacity, moves)
    rows = [i for i in range(n_r + 1) if np.isfinite(limits[i])]
    use = np.column_stack((columns.vcpu, columns.added))
    dear = _SHORTAGE_PRICE_FACTOR * (1.0 + float(np.abs(cost).max(initial=0.0)))
    # By column: its service, then the rows it uses; then a slack for each row.
    entries: Floats = np.column_stack((np.ones(columns.n), use[:, rows]))
    column, entry = np.nonzero(entries)
    index = np.where(entry == 0, at[column], n_s + entry - 1)
    value, starts = entries[column, entry], np.searchsorted(column, np.arange(columns.n + 1))
    if not whole:
        index = np.concatenate((index, n_s + np.arange(len(rows))))
        value = np.concatenate((value, np.full(len(rows), -1.0)))
        starts = np.concatenate((starts, starts[-1] + 1 + np.arange(len(rows))))
    n_slack = 0 if whole else len(rows)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = columns.n + n_slack, n_s + len(rows)
    lp.col_cost_ = np.concatenate((cost, np.full(n_slack, dear)))
    lp.col_lower_ = np.zeros(lp.num_col_)
    lp.col_upper_ = np.concatenate((np.ones(columns.n), np.full(n_slack, highspy.kHighsInf)))
    lp.row_lower_ = np.concatenate((np.ones(n_s), np.full(len(rows), -highspy.kHighsInf)))
    lp.row_upper_ = np.concatenate((np.ones(n_s), limits[rows]))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = starts.astype(np.int32)
    lp.a_matrix_.index_ = index.astype(np.int32)
    lp.a_matrix_.value_ = value
    if whole:
        lp.integrality_ = [highspy.HighsVarType.kInteger] * columns.n
    return lp, n_s


def _solver() -> Any:
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", 0),
        ("parallel", "off"),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", 1e-7),
        ("mip_max_nodes", _NODE_LIMIT),
    ):
        solver.setOptionValue(name, value)
    return solver


def solve_relaxed(columns: Columns, capacity: Floats, moves: float) -> Relaxed:
    """Solve the relaxation and return its prices.

    Raises:
        RuntimeError: If the solver does not report an optimum; the slack makes one exist.
    """
    lp, n_services = _model(columns, capacity, moves, whole=False)
    solver = _solver()
    solver.passModel(lp)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"relaxed programme ended as {solver.getModelStatus()}, must be optimal")
    solution = solver.getSolution()
    dual = np.array(solution.row_dual)
    limits = np.append(capacity, moves)
    rows = np.flatnonzero(np.isfinite(limits))
    prices, shortage = np.zeros(len(limits)), np.zeros(len(limits))
    prices[rows] = -dual[n_services:]
    shortage[rows] = np.array(solution.col_value)[columns.n :]
    return Relaxed(prices, dual[:n_services], shortage)


def solve_whole(
    columns: Columns, capacity: Floats, moves: float, n_services: int, gap: float = 0.0
) -> Ints | None:
    """Choose one whole plan per service; ``None`` if the solver found none.

    The search is bounded by nodes, never by seconds: the answer repeats on any machine. It may
    end ``gap`` of the cost above the best choice.
    """
    lp, _ = _model(columns, capacity, moves, whole=True)
    solver = _solver()
    solver.setOptionValue("mip_rel_gap", gap)
    solver.passModel(lp)
    solver.run()
    if solver.getInfo().primal_solution_status != 2:
        return None
    value = np.array(solver.getSolution().col_value)
    chosen = np.full(n_services, -1, dtype=np.int64)
    for (service, plan), taken in zip(columns.pairs, value, strict=True):
        if taken > 0.5:
            chosen[service] = plan
    return chosen if (chosen >= 0).all() else None
