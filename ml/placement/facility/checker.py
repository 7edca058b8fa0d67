"""Checks a plan against the problem alone; shares no code with the solvers."""

from __future__ import annotations

from decimal import Decimal

from ml.placement.facility.problem import Medians, Plan, Warehouses

_SHARE_TOLERANCE = 1e-7
_COST_TOLERANCE = 1e-9


def violations(problem: Warehouses | Medians, plan: Plan) -> list[str]:
    """Return what is wrong with a plan, in words; nothing for a right one.

    Args:
        problem: What was asked.
        plan: Sites, shares and the cost they are said to have.
    """
    sites = [int(site) for site in plan.sites]
    n = problem.distance.shape[0] if isinstance(problem, Medians) else len(problem.demand)
    m = n if isinstance(problem, Medians) else len(problem.capacity)
    wrong = []
    if sites != sorted(set(sites)) or any(not 0 <= site < m for site in sites):
        wrong.append(f"sites {sites} must be distinct, ascending and among {m}")
        return wrong
    if plan.served.shape != (len(sites), n):
        wrong.append(f"shares have shape {plan.served.shape}, must be ({len(sites)}, {n})")
        return wrong
    for j in range(n):
        shares = [float(plan.served[k, j]) for k in range(len(sites))]
        if min(shares) < -_SHARE_TOLERANCE or abs(sum(shares) - 1) > _SHARE_TOLERANCE:
            wrong.append(f"customer {j + 1} is served {sum(shares)} times, must be once")
    if isinstance(problem, Medians):
        wrong += _medians(problem, sites)
        cost = _exact(problem, plan, sites, [Decimal(0)] * len(sites))
    else:
        wrong += _warehouses(problem, plan, sites)
        cost = _exact(problem, plan, sites, [Decimal(float(problem.fixed_cost[i])) for i in sites])
    if abs(cost - Decimal(plan.cost)) > Decimal(_COST_TOLERANCE) * max(abs(cost), Decimal(1)):
        wrong.append(f"cost is said to be {plan.cost}, must be {cost}")
    return wrong


def _medians(problem: Medians, sites: list[int]) -> list[str]:
    if len(sites) == problem.p:
        return []
    return [f"{len(sites)} medians are chosen, must be {problem.p}"]


def _warehouses(problem: Warehouses, plan: Plan, sites: list[int]) -> list[str]:
    wrong = []
    for k, site in enumerate(sites):
        used = sum(
            float(share) * float(demand)
            for share, demand in zip(plan.served[k], problem.demand, strict=True)
        )
        capacity = float(problem.capacity[site])
        if used > capacity + _SHARE_TOLERANCE * max(1.0, capacity):
            wrong.append(f"site {site + 1} serves {used}, must be at most {capacity}")
    return wrong


def _exact(
    problem: Warehouses | Medians, plan: Plan, sites: list[int], fixed: list[Decimal]
) -> Decimal:
    """Add the cost up in decimals: no order of summation, no rounding to share with a solver."""
    cost = sum(fixed, Decimal(0))
    for k, site in enumerate(sites):
        row = problem.distance[site] if isinstance(problem, Medians) else problem.cost[site]
        for share, price in zip(plan.served[k], row, strict=True):
            if share:
                cost += Decimal(float(share)) * Decimal(float(price))
    return cost
