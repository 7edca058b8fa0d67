"""Who is served from where, once the sites are known: a transport problem."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from ml.placement.facility.problem import Floats, Ints, Plan, Warehouses


@dataclass(frozen=True)
class Flows:
    """The best plan at some sites and the price of serving each customer there."""

    plan: Plan
    price: Floats


def transport(problem: Warehouses, sites: Ints, *, keep_unused: bool = False) -> Flows | None:
    """Serve everybody at least cost from some sites.

    Args:
        problem: Costs, demand, capacities.
        sites: Open sites.
        keep_unused: Pay for sites that serve nobody too.

    Returns:
        Plan and prices, or ``None`` if the sites are too small.
    """
    cost, demand = problem.cost[sites], problem.demand
    nearest = cost.argmin(axis=0)
    price = cost.min(axis=0)
    served = np.zeros_like(cost)
    served[nearest, np.arange(len(demand))] = 1.0
    if not _keeps(problem, sites, served):
        found = _programme(cost, demand, problem.capacity[sites])
        if found is None:
            return None
        served, price = found
        served = _whole(served)
    used = (served > 0).any(axis=1) | keep_unused
    sites, served = sites[used], served[used]
    total = math.fsum(problem.fixed_cost[sites])
    total += math.fsum((served * problem.cost[sites]).ravel())
    return Flows(Plan(sites, served, total), price)


def _keeps(problem: Warehouses, sites: Ints, served: Floats) -> bool:
    return bool((served @ problem.demand <= problem.capacity[sites]).all())


def _whole(served: Floats) -> Floats:
    """Drop dust and give each customer's largest share what is left to one."""
    served = np.where(served < 1e-9, 0.0, served)
    largest = served.argmax(axis=0)
    at = np.arange(served.shape[1])
    served[largest, at] = 0.0
    served[largest, at] = 1.0 - served.sum(axis=0)
    return served


def _programme(cost: Floats, demand: Floats, capacity: Floats) -> tuple[Floats, Floats] | None:
    """Return shares and the customers' prices by the simplex method; ``None`` if infeasible."""
    m, n = cost.shape
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = m * n, n + m
    lp.col_cost_ = cost.ravel()
    lp.col_lower_, lp.col_upper_ = np.zeros(m * n), np.ones(m * n)
    lp.row_lower_ = np.concatenate((np.ones(n), np.full(m, -highspy.kHighsInf)))
    # Capacities in units of the largest: a row in tens of thousands would hide its violations.
    unit = max(float(capacity[np.isfinite(capacity)].max(initial=0.0)), float(demand.max()), 1e-300)
    lp.row_upper_ = np.concatenate((np.ones(n), np.minimum(capacity / unit, highspy.kHighsInf)))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.arange(0, 2 * m * n + 1, 2, dtype=np.int32)
    rows = np.stack((np.tile(np.arange(n), m), np.repeat(n + np.arange(m), n)), axis=1)
    lp.a_matrix_.index_ = rows.ravel().astype(np.int32)
    value = np.stack((np.ones(m * n), np.tile(demand / unit, m)), axis=1)
    lp.a_matrix_.value_ = value.ravel()
    solver: Any = highspy.Highs()
    for name, setting in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", 0),
        ("parallel", "off"),
        ("solver", "simplex"),
        ("primal_feasibility_tolerance", 1e-10),
        ("dual_feasibility_tolerance", 1e-10),
    ):
        solver.setOptionValue(name, setting)
    solver.passModel(lp)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    solution = solver.getSolution()
    served = np.array(solution.col_value).reshape(m, n)
    return served, np.array(solution.row_dual)[:n]
