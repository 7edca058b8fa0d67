"""Has what a stage publishes recomputed by the second program, and stops where they differ."""

from __future__ import annotations

import numpy as np

from ml.placement.check.checker import check_plan
from ml.placement.fleet.fleet import Fleet, evaluate_fleet
from ml.placement.problem.instance import Flags
from ml.placement.search.kinds import Kind, excused
from ml.placement.search.solve import Solution

_VALUES_CHECKED = 12


class CheckerError(RuntimeError):
    """The independent checker disagrees with the optimiser; nothing may be published."""


def check_kind(solution: Solution, kind: Kind) -> None:
    """Have a published plan recomputed; only the recommended one must keep all rules.

    Raises:
        CheckerError: If the second program finds another cost or another broken rule.
    """
    stays = solution.table.is_stuck | solution.instance.is_fixed | excused(solution)
    own = kind.name == "recommended"
    cost = int(kind.fleet.cost_micro.sum())
    _recheck(solution, kind.name, kind.fleet, cost, stays if own else None, with_rows=own)


def check_values(solution: Solution) -> None:
    """Have the sets recomputed that the bound depends on most: the best beside the chosen ones.

    Raises:
        CheckerError: If the second program finds another cost.
    """
    instance, space, table = solution.instance, solution.space, solution.table
    n, chosen, master = instance.n_services, solution.fleet.chosen, solution.master
    value = table.reduced(master.capacity_dual, master.move_dual, 0, n)
    value -= value[np.arange(n), chosen][:, None]
    value[~table.is_open] = np.inf
    value[np.arange(n), chosen] = np.inf
    order = np.argsort(value, axis=None, kind="stable")[:_VALUES_CHECKED]
    for s, p in zip(*np.unravel_index(order, value.shape), strict=True):
        if not np.isfinite(value[s, p]):
            break
        moved = chosen.copy()
        moved[s] = p
        fleet = evaluate_fleet(instance, space, moved, solution.today)
        stated = int(table.cost_micro[s, p] - table.cost_micro[s, chosen[s]])
        name = f"{instance.service_ids[s]} on set {p}"
        _recheck(solution, name, fleet, solution.upper_micro + stated)


def _recheck(
    solution: Solution,
    name: str,
    fleet: Fleet,
    cost_micro: int,
    may_break: Flags | None = None,
    *,
    with_rows: bool = False,
) -> None:
    """Have one plan recomputed; by default any service may break its rules.

    Raises:
        CheckerError: If the second program finds another cost or another broken rule.
    """
    instance, space = solution.instance, solution.space
    allowed = np.ones(instance.n_services, dtype=bool) if may_break is None else may_break
    report = check_plan(
        instance,
        [space.sets[p] for p in fleet.chosen],
        [
            {r: int(fleet.assessed.instances[s, 0, k]) for k, r in enumerate(space.sets[p])}
            for s, p in enumerate(fleet.chosen)
        ],
        cost_micro,
        may_break=frozenset(np.flatnonzero(allowed).tolist()),
        today=[space.sets[p] for p in solution.today.home],
        with_rows=with_rows,
    )
    if not report.is_ok:
        more = f" and {len(report.findings) - 5} more" if len(report.findings) > 5 else ""
        raise CheckerError(f"plan {name}: " + "; ".join(report.findings[:5]) + more)
