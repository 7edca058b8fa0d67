"""Everything beside the plan itself: other regions, prices of rules, waves, stability."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.placement.answers import explain
from ml.placement.answers.prices import constraint_prices
from ml.placement.answers.stability import stability
from ml.placement.answers.waves import Planner
from ml.placement.answers.waves_frames import moves_frame, waves_frame
from ml.placement.problem.elastic import exceeded
from ml.placement.search.kinds import excused
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH


def tables(solution: Solution, lower_micro: int, level: float) -> dict[str, pd.DataFrame]:
    """Return what a reader needs to explain the plan and to live with it.

    Args:
        solution: The recommended plan.
        lower_micro: Certified bound of the recommended plan, micro-dollars per hour.
        level: Stated coverage of the latency intervals.
    """
    schedule = Planner(solution).schedule()
    return {
        "placement_alternatives": explain.alternatives(solution, lower_micro),
        "placement_constraint_prices": constraint_prices(solution, lower_micro),
        "placement_moves": moves_frame(solution, schedule),
        "placement_waves": waves_frame(solution, schedule),
        "placement_stability": stability(solution, level),
        "placement_exceptions": exceptions(solution),
        "placement_blockers": explain.blockers(solution),
    }


def exceptions(solution: Solution) -> pd.DataFrame:
    """Return ``placement_exceptions``."""
    found = exceeded(solution.instance, solution.space, solution.fleet)
    return pd.DataFrame(
        [
            {
                "rule": one.rule,
                "service_id": one.service_id,
                "region_id": one.region_id,
                "amount": one.amount,
                "unit": one.unit,
                "usd_per_unit_hour": one.usd_per_unit_hour,
                "usd_per_month": HOURS_PER_MONTH * one.usd_per_hour,
            }
            for one in found
        ]
    )


def degradations(solution: Solution) -> pd.DataFrame:
    """Return ``run_degradations``: what the stage could not do with these data, in words."""
    instance = solution.instance
    rows = [{"code": c, "scope": s, "detail": d} for c, s, d in instance.notes]
    for s in np.flatnonzero(solution.table.is_stuck):
        rows.append(
            {
                "code": "NOT_FEASIBLE",
                "scope": f"service:{instance.service_ids[s]}",
                "detail": "no set of regions keeps its rules; it keeps its regions: "
                + explain.survivors(solution, int(s)),
            }
        )
    for r in np.flatnonzero(np.isinf(instance.capacity_vcpu)):
        rows.append(
            {
                "code": "CAPACITY_OFF",
                "scope": f"region:{instance.region_ids[r]}",
                "detail": "no capacity known, no capacity row",
            }
        )
    before, after = solution.today_fleet.assessed.mean_ms, solution.fleet.assessed.mean_ms
    for s in np.flatnonzero(excused(solution) & (after > before)[:, 0]):
        rows.append(
            {
                "code": "SLOWER_THAN_TODAY",
                "scope": f"service:{instance.service_ids[s]}",
                "detail": f"{before[s, 0]:.1f} ms today, {after[s, 0]:.1f} ms in the plan: no step "
                "of the search could spare it within the move budget and the capacity",
            }
        )
    return pd.DataFrame(rows, columns=["code", "scope", "detail"])
