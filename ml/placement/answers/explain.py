"""Why not another region: every region of every service, with its gap or the rule that blocks it.

The gap of a region is the exact difference between the service's best plan with it (for a chosen
region: without it) and its plan, at the certified prices of capacity and moves, all other services
staying. In a large fleet plans are priced to first order. What forcing it would cost
the whole fleet lies between two ends: the bound with this service's minimum replaced, and the plan
with this service's set replaced, where that fits.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from ml.placement.answers.forced import SOLVES, resolved
from ml.placement.fleet.evaluate import RULES, Today
from ml.placement.fleet.fleet import MICRO
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.search.master import overload
from ml.placement.search.solve import Solution, move_limit

HOURS_PER_MONTH = 730.0
INDISPENSABLE = "indispensable"


def alternatives(solution: Solution, lower_micro: int, solves: int = SOLVES) -> pd.DataFrame:
    """Return ``placement_alternatives`` for every service and region of the solution.

    Args:
        solution: The recommended plan.
        lower_micro: Certified bound over one set per service, micro-dollars per hour.
        solves: Wide brackets that may be solved again.
    """
    instance, table = solution.instance, solution.table
    blocker = _first_blocker(table)
    values = _values(table, solution)
    gap = solution.upper_micro - lower_micro
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
                row |= _gap(solution, values[s], gap, s, r)
            rows.append(row)
    return resolved(solution, pd.DataFrame(rows), lower_micro, solves)


def _values(table: PlanTable, solution: Solution) -> Floats:
    """Return micro-dollars at the certified prices; infinite where a rule of the service breaks."""
    master = solution.master
    loose = replace(table, is_open=np.ones_like(table.is_open))
    value = loose.reduced(master.capacity_dual, float(master.move_dual), 0, len(table.cpu_cores))
    return np.where(table.broken == 0, value, np.inf)


def _gap(solution: Solution, value: Floats, gap: int, s: int, r: int) -> dict[str, object]:
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
    ends = _ends(solution, value, usable & np.isfinite(value), gap, s)
    here = value[chosen] if np.isfinite(value[chosen]) else float(value.min())
    objective = max(0.0, (allowed[best] - here) / MICRO)
    return {
        "best_region_set": _names(solution, best),
        "gap_usd_per_month": HOURS_PER_MONTH
        * float(table.bill_usd[s, best] - table.bill_usd[s, chosen]),
        "gap_ms": float(table.mean_ms[s, best] - table.mean_ms[s, chosen]),
        "gap_objective_usd_per_month": HOURS_PER_MONTH * objective,
        "gap_lower_usd_per_month": HOURS_PER_MONTH * ends[0],
        "gap_upper_usd_per_month": None if ends[1] is None else HOURS_PER_MONTH * ends[1],
        "gap_method": ends[2],
    }


def _ends(
    solution: Solution, value: Floats, forced: Flags, gap: int, s: int
) -> tuple[float, float | None, str]:
    """Return what forcing a region costs the fleet: least, most, how well known.

    With UB and LB of the solve and rc the values at the certified prices, the forced fleet costs
    at least LB - min rc + min rc(forced), and at most UB - c(plan) + c(forced) if that fits.

    Args:
        solution: The recommended plan.
        value: Values of the service's sets at the certified prices, ``(P,)``.
        forced: Sets that have the region (or, if it is chosen, lack it).
        gap: UB - LB, micro-dollars per hour.
        s: The service.
    """
    table, chosen = solution.table, int(solution.fleet.chosen[s])
    own = np.where(table.is_open[s], value, np.inf).min()
    least = np.where(forced, value, np.inf).min()
    lower = max(0.0, float(least - own) - gap) if np.isfinite(least - own) else 0.0
    cost = np.where(forced, table.cost_micro[s], np.iinfo(np.int64).max)
    cheapest = int(np.argmin(cost))
    if not _fits(solution, s, cheapest):
        return lower / MICRO, None, "bounded"
    upper = max(lower, float(cost[cheapest] - table.cost_micro[s, chosen]) + gap)
    # The two ends of the forced fleet's cost meet within the certified gap.
    return lower / MICRO, upper / MICRO, "exact" if upper - lower <= 2 * gap + 1 else "bounded"


def _fits(solution: Solution, s: int, plan: int) -> bool:
    """Say whether the plan keeps the shared rows while all other services stay."""
    trial = solution.fleet.chosen.copy()
    trial[s] = plan
    limits = row_limits(solution.instance)
    return overload(solution.table, trial, limits, move_limit(solution.instance)) == 0


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


def blockers(solution: Solution) -> pd.DataFrame:
    """Return ``placement_blockers``: sets that survive the rules in order, and without each."""
    broken = solution.table.broken
    alive, rows = np.ones(broken.shape, dtype=bool), []
    feasible = (broken == 0).any(axis=1)
    for i, rule in enumerate(RULES):
        before = alive.sum(axis=1)
        alive = alive & ((broken >> i & 1) == 0)
        without = ((broken & ~(1 << i)) == 0).sum(axis=1)
        rows.append(
            pd.DataFrame(
                {
                    "service_id": solution.instance.service_ids,
                    "rule": rule,
                    "rule_order": i + 1,
                    "sets_before": before,
                    "sets_after": alive.sum(axis=1),
                    "sets_without_rule": without,
                    "is_decisive": ~feasible & (without > 0),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def survivors(solution: Solution, service: int) -> str:
    """Say in words why no set of a service keeps all rules: what each rule leaves, what would help.

    Example: ``RESIDENCY leaves 3 of 30 sets; SLO_MISSED leaves 1 of 3; MIN_REGIONS leaves none; any
    one of MIN_REGIONS, SLO_MISSED relaxed would leave some``.
    """
    broken = solution.table.broken[service]
    alive, parts, helps = np.ones(len(broken), dtype=bool), [], []
    for i, rule in enumerate(RULES):
        after = alive & ((broken >> i & 1) == 0)
        if after.sum() < alive.sum():
            parts.append(f"{rule} leaves {int(after.sum()) or 'none'} of {int(alive.sum())} sets")
        if ((broken & ~(1 << i)) == 0).any():
            helps.append(rule)
        alive = after
    if helps:
        parts.append(f"relaxing {' or '.join(sorted(helps))} alone would leave some")
    elif parts:
        parts.append(f"the smallest conflict: {' with '.join(smallest_conflict(broken))}")
    return "; ".join(parts)


def smallest_conflict(broken: Ints) -> tuple[str, ...]:
    """Return the fewest rules that together leave no set; the first in the order of rules.

    Args:
        broken: Bits of the rules that each set breaks, ``(P,)``; none of them 0.
    """
    used = [i for i in range(len(RULES)) if (broken >> i & 1).any()]
    for size in range(1, len(used) + 1):
        for chosen in combinations(used, size):
            mask = sum(1 << i for i in chosen)
            if ((broken & mask) != 0).all():
                return tuple(RULES[i] for i in chosen)
    return ()
