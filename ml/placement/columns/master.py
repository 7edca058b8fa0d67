"""The engine for fleets of any size on a table of plans, for tables of many services."""

from __future__ import annotations

import numpy as np

from ml.placement.columns.generation import solve_columns
from ml.placement.columns.pool import Rows
from ml.placement.columns.table import TablePricer
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Floats, Ints


def solve_table(
    table: PlanTable, capacity: Floats, moves: float, incumbent: Ints | None
) -> tuple[Ints, int, int, Floats, float, int, int, bool, Floats]:
    """Choose one plan of the table per service within capacity and the move budget.

    Args:
        table: All plans with their costs; its rows are vCPU and, where given, memory by region.
        capacity: Limits of those rows, infinite where there is none.
        moves: Added regions allowed, infinite without a budget.
        incumbent: A choice that keeps the rows, returned where nothing better is found.

    Returns:
        The fields of :class:`ml.placement.search.master.Master`, in their order.
    """
    every, n = np.arange(len(table.cpu_cores)), table.space.member.shape[1]
    first = table.is_open.argmax(axis=1)
    vcpu = max(1.0, float(table.vcpu(every, first).sum()))
    usual = max(1e-6, float(table.bill_usd[every, first].sum()) / vcpu)
    memory = np.zeros(len(every)) if table.memory_gb is None else table.memory_gb
    rows = Rows.of(capacity[:n], moves, capacity[n:] if len(capacity) > n else None)
    found = solve_columns(TablePricer(table, memory), rows, np.full(len(rows.limits), usual))
    sets, index = found.pool.regions[found.chosen], table.space.index
    chosen = np.array([index[tuple(int(r) for r in row if r >= 0)] for row in sets])
    is_feasible = found.state == "feasible"
    upper = found.upper_micro if is_feasible else 0
    if incumbent is not None:
        cost = int(table.cost_micro[every, incumbent].sum())
        if not is_feasible or cost < upper:
            chosen, upper, is_feasible = incumbent, cost, True
    kept = np.append(np.arange(len(capacity)), -1)
    return (
        chosen,
        upper,
        found.lower_micro,
        found.duals[: len(capacity)],
        float(found.duals[-1]),
        found.rounds,
        found.pool.n,
        is_feasible,
        found.shortage[kept],
    )
