"""Why not another region: every region of every service, with its gap or the rule that blocks it.

The gap of a region is the exact difference between the service's best plan with it (for a chosen
region: without it) and its plan, at the certified prices of capacity and moves, all other services
staying. Plans are priced again for every region; nothing is estimated.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.placement.evaluate import RULES, Today
from ml.placement.fleet import MICRO
from ml.placement.instance import Floats, Instance, Ints
from ml.placement.master import overload
from ml.placement.pricing import PlanTable
from ml.placement.solve import Solution, move_limit

HOURS_PER_MONTH = 730.0
INDISPENSABLE = "indispensable"


def alternatives(solution: Solution) -> pd.DataFrame:
    """Return ``placement_alternatives`` for every service and region of the solution."""
    instance, table = solution.instance, solution.table
    blocker = _first_blocker(table)
    values = _values(table, solution)
    rows: list[dict[str, object]] = []
    for s, service in enumerate(instance.service_ids):
        chosen = int(solution.fleet.chosen[s])
        for r, region in enumerate(instance.region_ids):
            row: dict[str, object] = {
                "service_id": service,
                "region_id": region,
                "is_chosen": bool(table.space.member[chosen, r]),
                "is_current": bool(instance.current[s, r]),
                "is_feasible": blocker[s, r] < 0,
                "is_complete": not np.isnan(instance.instance_usd[s, r])
                and bool(instance.latency.factor[s, r].any()),
            }
            if blocker[s, r] >= 0:
                row["blocking_constraint"] = RULES[blocker[s, r]]
                row["blocking_evidence"] = _evidence(
                    instance, solution.today, table, s, r, int(blocker[s, r])
                )
            else:
                row |= _gap(solution, values[s], s, r)
            rows.append(row)
    return pd.DataFrame(rows)


def _values(table: PlanTable, solution: Solution) -> Floats:
    """Return micro-dollars at the certified prices; infinite where a rule of the service breaks."""
    master = solution.master
    n = len(table.cpu_cores)
    value = table.cost_micro + table.added * (master.move_dual * MICRO)
    if master.capacity_dual.any():
        rent = master.capacity_dual[table.space.slot_region] * MICRO * table.space.slot_used
        for s in range(n):
            value[s] = value[s] + (table.instances[s] * rent).sum(axis=1) * table.cpu_cores[s]
    return np.where(table.broken == 0, value, np.inf)


def _gap(solution: Solution, value: Floats, s: int, r: int) -> dict[str, object]:
    table, space = solution.table, solution.space
    chosen = int(solution.fleet.chosen[s])
    inside = space.member[:, r]
    wanted = ~inside if inside[chosen] else inside
    kept = wanted & (table.is_open[s] if not table.is_stuck[s] else np.isfinite(value))
    # Sets that break a neighbour's rule are closed; they count only where nothing else is left.
    usable = kept if np.isfinite(value[kept]).any() else wanted
    allowed = np.where(usable, value, np.inf)
    best = int(np.argmin(allowed))
    if not np.isfinite(allowed[best]):
        # A chosen region that every plan of the service needs: there is nothing to compare with.
        return {
            "best_region_set": _names(solution, chosen),
            "gap_usd_per_month": 0.0,
            "gap_ms": 0.0,
            "gap_objective_usd_per_month": 0.0,
            "gap_method": INDISPENSABLE,
        }
    here = value[chosen] if np.isfinite(value[chosen]) else float(value.min())
    objective = max(0.0, (allowed[best] - here) / MICRO)
    return {
        "best_region_set": _names(solution, best),
        "gap_usd_per_month": HOURS_PER_MONTH
        * float(table.bill_usd[s, best] - table.bill_usd[s, chosen]),
        "gap_ms": float(table.mean_ms[s, best] - table.mean_ms[s, chosen]),
        "gap_objective_usd_per_month": HOURS_PER_MONTH * objective,
        "gap_method": _method(solution, s, best),
    }


def _method(solution: Solution, s: int, plan: int) -> str:
    """Say ``exact`` where the plan fits while all others stay, else ``bounded``."""
    trial = solution.fleet.chosen.copy()
    trial[s] = plan
    if np.isinf(solution.instance.capacity_vcpu).all() and solution.master.move_dual == 0:
        return "exact"
    over = overload(
        solution.table, trial, solution.instance.capacity_vcpu, move_limit(solution.instance)
    )
    at_prices = solution.master.move_dual > 0 or solution.master.capacity_dual.any()
    return "bounded" if over > 0 or at_prices else "exact"


def _names(solution: Solution, plan: int) -> str:
    return ", ".join(solution.instance.region_ids[r] for r in solution.space.sets[plan])


def _first_blocker(table: PlanTable) -> Ints:
    """Return, per service and region, the first rule that leaves no plan with the region; -1."""
    member = table.space.member.astype(np.float64)
    alive = np.ones(table.broken.shape, dtype=bool)
    blocker = np.full((table.broken.shape[0], member.shape[1]), -1, dtype=np.int64)
    for i in range(len(RULES)):
        alive &= (table.broken >> i & 1) == 0
        gone = (alive.astype(np.float64) @ member) == 0
        blocker[gone & (blocker < 0)] = i
    return blocker


def _evidence(instance: Instance, today: Today, table: PlanTable, s: int, r: int, rule: int) -> str:
    """Return the numbers behind a blocker, taken from the plans that passed all rules before it."""
    name = RULES[rule]
    with_region = table.space.member[:, r]
    before = with_region & ((table.broken[s] & ((1 << rule) - 1)) == 0)
    sizes = table.space.size[before]
    if name == "MAX_REGIONS":
        return f"max_regions {instance.max_regions[s]}, smallest set with it has {sizes.min()}"
    if name == "MIN_REGIONS":
        return f"min_regions {instance.min_regions[s]}, largest set with it has {sizes.max()}"
    if name == "SLO_MISSED":
        best = float(table.slo_share[s, before].max())
        need = instance.policy.slo_demand_share
        return (
            f"p95 bound within {instance.slo_ms[s]:.0f} ms for at most {best:.1%} of demand, "
            f"rule {need:.1%}"
        )
    if name == "N1_LOSS":
        kind = "must survive any one region" if instance.loss_proof[s] else "not worse than today"
        return f"{int(before.sum())} sets with it, none keeps enough after a loss ({kind})"
    if name == "NO_CAPACITY":
        least = table.instances[s][before].sum(axis=1).min() * instance.cpu_cores[s]
        return f"needs {least:.1f} vCPU in all, {instance.capacity_vcpu[r]:.1f} vCPU here"
    if name == "SLOWER_THAN_TODAY":
        least, limit = float(table.mean_ms[s, before].min()), float(today.slowest_ms[s])
        return f"at least {least:.1f} ms with it, {limit:.1f} ms would be no slowdown"
    return instance.blocker_evidence[s][r] or name
