"""What to say when no plan keeps every rule: which rules conflict, and what relaxing takes."""

from __future__ import annotations

import numpy as np

from ml.placement.errors import InfeasibleError
from ml.placement.evaluate import RULES
from ml.placement.instance import Instance
from ml.placement.master import Master
from ml.placement.pricing import PlanTable


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
        worst = [
            f"{instance.region_ids[r]} is {short[r]:.1f} vCPU short of its "
            f"{instance.capacity_vcpu[r]:.1f} ({_pinned(table, int(r))} services must run there)"
            for r in np.flatnonzero(short > 0)
        ]
        return InfeasibleError(
            ("NO_CAPACITY",),
            "capacity cannot hold the fleet at any price: " + "; ".join(worst) + "; raise "
            "capacity_vcpu, the move budget, or relax residency and min_regions there",
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
