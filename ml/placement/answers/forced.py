"""What forcing a region costs the fleet, solved again where the bounds are wide.

Prices of capacity and moves bracket what forcing one service costs; where others would have to make
room, or to give a move back, the upper end is open. There the service is fixed to its best set with
the region and everybody else is decided again. A solve costs as much as a what-if, so their number
is limited and goes where most money is: one region of each of the services with the largest bills,
the one closest to the plan.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ml.placement.check.certificate import certify
from ml.placement.errors import InfeasibleError
from ml.placement.fleet.fleet import MICRO
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import BANNED, Flags, Instance
from ml.placement.search.kinds import excused
from ml.placement.search.solve import Solution, valued
from ml.placement.whatif import HOURS_PER_MONTH, resolve

SOLVES = 6
"""Solves that the table of alternatives may spend; a number, not a time, so that answers repeat."""
_ROUNDS = 4


def resolved(
    solution: Solution, found: pd.DataFrame, lower_micro: int, solves: int = SOLVES
) -> pd.DataFrame:
    """Return ``placement_alternatives`` with the ends of some wide brackets solved again.

    Args:
        solution: The recommended plan.
        found: The table with gaps at the prices of the plan.
        lower_micro: Certified bound of the plan, micro-dollars per hour.
        solves: Most solves; one that finds no plan within the rules counts and changes nothing.
    """
    out = found.copy()
    for row in _worth_solving(solution, found)[:solves]:
        service, region, names = (
            str(out.at[row, column]) for column in ("service_id", "region_id", "best_region_set")
        )
        ends = _ends(solution, service, region, names.split(", "), lower_micro)
        if ends is None:
            continue
        low, price, high = (HOURS_PER_MONTH * end / MICRO for end in ends)
        out.at[row, "gap_lower_usd_per_month"] = low
        out.at[row, "gap_objective_usd_per_month"] = price
        out.at[row, "gap_upper_usd_per_month"] = high
        out.at[row, "gap_method"] = "resolved"
    return out


def _worth_solving(solution: Solution, found: pd.DataFrame) -> list[int]:
    """Return the closest wide bracket of each service, the largest bills first."""
    if "gap_method" not in found:
        return []
    billed = (solution.fleet.assessed.compute + solution.fleet.assessed.egress)[:, 0]
    bill = dict(zip(solution.instance.service_ids, billed, strict=True))
    wide = found[found["gap_method"] == "bounded"]
    wide = wide.assign(bill=-wide["service_id"].map(bill).astype(float))
    order = ["bill", "service_id", "gap_objective_usd_per_month", "region_id"]
    return [int(row) for row in wide.sort_values(order).drop_duplicates("service_id").index]


def _ends(
    solution: Solution, service: str, region: str, names: list[str], lower: int
) -> tuple[int, int, int] | None:
    """Return least, found and most of what the forced fleet costs more, micro-dollars per hour.

    With primes for the forced fleet: at least LB' - UB, at most UB' - LB. LB' holds for every set
    of the service with the region, not for the one it was fixed to alone.
    """
    instance, space = solution.instance, solution.space
    s, r = instance.service_ids.index(service), instance.region_ids.index(region)
    plan = space.index[tuple(sorted(instance.region_ids.index(name) for name in names))]
    start = solution.fleet.chosen.copy()
    start[s] = plan
    try:
        forced = resolve(_fixed(instance, s, space.member[plan]), start, _ROUNDS)
    except InfeasibleError:
        return None
    if _broken(forced) > _broken(solution):
        return None
    inside = space.member[:, r]
    below = certify(forced).lower_micro + _other_sets(solution, forced, s, plan, inside)
    upper, above = solution.upper_micro, forced.upper_micro
    least = max(0, min(below, above) - upper)
    most = max(least, above - lower)
    return least, min(max(least, above - upper), most), most


def _fixed(instance: Instance, s: int, member: Flags) -> Instance:
    """Return the problem in which a service has one set left."""
    blocker, least, most = (
        values.copy() for values in (instance.blocker, instance.min_regions, instance.max_regions)
    )
    blocker[s, ~member] = BANNED
    least[s] = most[s] = int(member.sum())
    return replace(instance, blocker=blocker, min_regions=least, max_regions=most)


def _other_sets(solution: Solution, forced: Solution, s: int, plan: int, inside: Flags) -> int:
    """Return by how much another set with the region may undercut the fixed one, at most 0."""
    free, _ = price_all(solution.instance, forced.space, forced.fleet, forced.today)
    wanted = np.zeros_like(free.is_open)
    wanted[s] = True
    table = valued(replace(forced, instance=solution.instance, table=free), wanted)
    loose = replace(table, is_open=np.ones_like(table.is_open))
    prices = forced.master.capacity_dual, float(forced.master.move_dual)
    value = loose.reduced(*prices, 0, len(table.cpu_cores))[s]
    chosen = int(solution.fleet.chosen[s])
    has = ~inside if inside[chosen] else inside
    open_ = has & ((free.broken[s] == 0) | (np.arange(len(value)) == plan))
    return int(np.floor(value[open_].min() - value[plan]))


def _broken(solution: Solution) -> int:
    """Return the services that have no plan or were excused from a rule."""
    return int((solution.table.is_stuck | excused(solution)).sum())
