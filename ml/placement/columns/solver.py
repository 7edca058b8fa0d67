"""HiGHS on one thread with a fixed seed: relaxations kept warm, and small whole programmes."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np

from ml.placement.columns.pool import Pool
from ml.placement.fleet.fleet import MICRO
from ml.placement.problem.instance import Flags, Floats, Ints

INFINITE = highspy.kHighsInf


class Programme:
    """One plan per service from a list of columns, within the given rows.

    Every row has a shortage column at ``dear`` dollars per unit, and a spare column that pays
    ``cheap`` dollars: so its price stays between the two.
    """

    def __init__(
        self, pool: Pool, rows: Ints, limits: Floats, cheap: Floats, dear: Floats,
        *, cost_weight: float = 1.0, whole: bool = False, nodes: int = 0,
    ) -> None:  # fmt: skip
        self.pool, self.rows = pool, rows
        self.n_services = len(pool.starts) - 1
        self.solver = _solver(whole=whole, nodes=nodes)
        self.solver.passModel(self._model(limits, cheap, dear, cost_weight, whole=whole))

    def _model(
        self, limits: Floats, cheap: Floats, dear: Floats, cost_weight: float, *, whole: bool
    ) -> Any:
        pool, rows = self.pool, self.rows
        n, n_s, n_r = pool.n, self.n_services, len(rows)
        use = pool.use(np.arange(n))[:, rows]
        at = np.repeat(np.arange(n_s), np.diff(pool.starts))
        j, r = np.nonzero(use)
        column = np.concatenate((np.arange(n), j, n + np.arange(n_r), n + n_r + np.arange(n_r)))
        row = np.concatenate((at, n_s + r, n_s + np.arange(n_r), n_s + np.arange(n_r)))
        value = np.concatenate((np.ones(n), use[j, r], -np.ones(n_r), np.ones(n_r)))
        order = np.lexsort((row, column))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n + 2 * n_r, n_s + n_r
        lp.col_cost_ = np.concatenate((cost_weight * pool.cost_micro / MICRO, dear, -cheap))
        lp.col_lower_ = np.zeros(lp.num_col_)
        upper = np.full(lp.num_col_, INFINITE)
        upper[n : n + n_r] = 0.0 if whole else INFINITE
        lp.col_upper_ = upper
        bounds = np.concatenate((np.ones(n_s), limits[rows]))
        lp.row_lower_, lp.row_upper_ = bounds, bounds
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.searchsorted(column[order], np.arange(lp.num_col_ + 1)).astype(
            np.int32
        )
        lp.a_matrix_.index_ = row[order].astype(np.int32)
        lp.a_matrix_.value_ = value[order]
        if whole:
            kind = highspy.HighsVarType
            lp.integrality_ = [kind.kInteger] * n + [kind.kContinuous] * (2 * n_r)
        return lp

    def relax(self) -> tuple[Floats, Floats, Floats]:
        """Return shares of columns, prices of rows, and shortage by row.

        Raises:
            RuntimeError: If the solver ends without an optimum; with the shortage one exists.
        """
        self.solver.run()
        status = self.solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"relaxed programme ended as {status}, must be optimal")
        solution = self.solver.getSolution()
        value, dual = np.array(solution.col_value), np.array(solution.row_dual)
        n, n_r = self.pool.n, len(self.rows)
        return value[:n], -dual[self.n_services :], value[n : n + n_r]

    def objective(self) -> float:
        """Return the value of the last solution, dollars."""
        return float(self.solver.getInfo().objective_function_value)

    def keep_only(self, columns: Ints) -> None:
        """Close columns for good."""
        n = len(columns)
        if n:
            zero = np.zeros(n)
            self.solver.changeColsBounds(n, columns.astype(np.int32), zero, zero)

    def reopen(self, columns: Ints) -> None:
        """Allow columns again."""
        n = len(columns)
        if n:
            upper = np.full(n, INFINITE)
            self.solver.changeColsBounds(n, columns.astype(np.int32), np.zeros(n), upper)

    def is_optimal(self) -> bool:
        """Return whether the solver calls its last solution optimal."""
        found: bool = self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return found

    def whole(self) -> Flags | None:
        """Return which columns an integer solution takes; ``None`` if none was found."""
        self.solver.run()
        if self.solver.getInfo().primal_solution_status != 2:
            return None
        return np.asarray(np.array(self.solver.getSolution().col_value)[: self.pool.n] > 0.5)


def _solver(*, whole: bool, nodes: int) -> Any:
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", 0),
        ("parallel", "off"),
        *((("mip_rel_gap", 0.0), ("mip_abs_gap", 1e-7), ("mip_max_nodes", nodes)) if whole else ()),
    ):
        solver.setOptionValue(name, value)
    return solver
