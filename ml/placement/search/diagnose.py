"""What to say when no plan keeps every rule: which rules conflict, and what relaxing takes."""

from __future__ import annotations

import numpy as np

from ml.placement.errors import InfeasibleError
from ml.placement.fleet.evaluate import RULES
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Instance
from ml.placement.problem.rows import row_limits, row_names
from ml.placement.search.master import Master

_CODES = {"capacity_vcpu": "NO_CAPACITY", "capacity_memory_gb": "MEMORY", "bill": "COST_CAP"}
_UNITS = {
    "capacity_vcpu": ("vCPU", "capacity_vcpu"),
    "capacity_memory_gb": ("GB", "memory_capacity_gb"),
}


def explain_shortage(instance: Instance, table: PlanTable, master: Master) -> InfeasibleError:
    """Return the error that names the rows that cannot be kept, with numbers.

    Args:
        instance: The problem.
        table: All plans.
        master: A solve that ended without a plan.
    """
    needed, causes = least_moves(instance, table)
    budget = instance.policy.move_budget
    if budget is not None and needed > budget:
        listed = ", ".join(f"{rule} ({count} services)" for rule, count in causes)
        return InfeasibleError(
            ("MOVE_BUDGET", *(rule for rule, _ in causes)),
            f"move_budget == {budget}, but {needed} regions must be added to keep {listed}; raise "
            f"move_budget to {needed}, or relax these rules",
        )
    short = master.shortage[:-1]
    if short.max(initial=0.0) > 0:
        names, limits = row_names(instance), row_limits(instance)
        worst = [
            _short_row(instance, table, names[i], float(short[i]), float(limits[i]))
            for i in np.flatnonzero(short > 0)
        ]
        codes = dict.fromkeys(_CODES[names[i][0]] for i in np.flatnonzero(short > 0))
        return InfeasibleError(
            (*codes,), "capacity cannot hold the fleet at any price: " + "; ".join(worst)
        )
    if master.shortage[-1] > 0:
        return InfeasibleError(
            ("MOVE_BUDGET", "NO_CAPACITY"),
            f"move_budget == {budget} is {master.shortage[-1]:.1f} moves short of what the "
            "capacity rows and the services' rules need together",
        )
    return InfeasibleError(
        ("UNKNOWN",),
        "the relaxation has a plan, the search for whole plans found none; this proves no "
        "contradiction: a little more capacity or a larger move budget may help",
    )


def _short_row(
    instance: Instance, table: PlanTable, name: tuple[str, str], short: float, limit: float
) -> str:
    """Say what a row lacks, who must be there and by which rule, and the least that helps."""
    kind, region = name
    if kind == "bill":
        return (
            f"the bill exceeds its cap of {limit:.2f} $ per hour by {short:.2f}; raise it to that"
        )
    unit, setting = _UNITS[kind]
    r = instance.region_ids.index(region)
    by_rule = ", ".join(f"{count} by {rule}" for rule, count in _pinned_by(table, r))
    why = f": {by_rule}" if by_rule else ""
    return (
        f"{region} is {short:.1f} {unit} short of its {limit:.1f} ({_pinned(table, r)} services "
        f"must run there{why}); raise {setting} to {limit + short:.1f}, the move budget, or relax "
        "these rules"
    )


def _pinned_by(table: PlanTable, region: int) -> list[tuple[str, int]]:
    """Count, by the rule that alone keeps it there, services whose every open plan is there."""
    away = ~table.space.member[:, region][None, :]
    stays = ~(table.is_open & away).any(axis=1)
    stuck = int((stays & table.is_stuck).sum())
    found = [("having no set that keeps all rules", stuck)] if stuck else []
    for i, rule in enumerate(RULES):
        freed = (((table.broken & ~(1 << i)) == 0) & away).any(axis=1)
        count = int((stays & freed & ~table.is_stuck).sum())
        if count:
            found.append((rule, count))
    return sorted(found, key=lambda item: (-item[1], item[0]))


def least_moves(instance: Instance, table: PlanTable) -> tuple[int, list[tuple[str, int]]]:
    """Return the fewest added regions that keep every service's rules, and the rules' services."""
    closed = np.iinfo(np.int64).max
    fewest = np.where(table.is_open, table.added, closed).min(axis=1)
    causes: dict[str, int] = {}
    for s in np.flatnonzero(fewest > 0):
        today = tuple(int(r) for r in np.flatnonzero(instance.current[s]))
        bits = int(table.broken[s, table.space.index[today]]) if today else 0
        for i, rule in enumerate(RULES):
            if bits >> i & 1:
                causes[rule] = causes.get(rule, 0) + 1
                break
    return int(fewest.sum()), sorted(causes.items(), key=lambda item: (-item[1], item[0]))


def _pinned(table: PlanTable, region: int) -> int:
    """Count services whose every open plan uses the region."""
    elsewhere = table.is_open & ~table.space.member[:, region][None, :]
    return int((~elsewhere.any(axis=1)).sum())
