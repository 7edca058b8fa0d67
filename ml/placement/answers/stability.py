"""Would the recommendation be another one if all latencies lay at an end of their interval?

Objectives keep their own upper bounds: only the predicted means move, all together, as errors of
one model do. A service is stable where both re-decisions leave its regions as recommended.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ml.placement.errors import InfeasibleError
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.search.solve import Solution
from ml.placement.whatif import resolve

_ROUNDS = 3
NO_PLAN = "no plan found"


def stability(solution: Solution, level: float) -> pd.DataFrame:
    """Return ``placement_stability``.

    Args:
        solution: The recommended plan.
        level: Stated coverage of the latency intervals.
    """
    parts = solution.instance.latency
    low, high = (_decided(solution, end) for end in (parts.mean_lo, parts.mean_hi))
    chosen = solution.fleet.chosen
    return pd.DataFrame(
        {
            "service_id": solution.instance.service_ids,
            "is_stable": _same(low, chosen) & _same(high, chosen),
            "regions_at_lower": _names(solution, low),
            "regions_at_upper": _names(solution, high),
            "interval_level": level,
        }
    )


def at_end(instance: Instance, end: Floats) -> Instance:
    """Return the problem with every mean at one end; bounds of p95 stay where they are."""
    parts = instance.latency
    some = np.where(end > 0, end, 1.0)
    return replace(
        instance,
        latency=replace(
            parts,
            factor=parts.factor * some,
            p95=parts.p95 / some,
            p95_hi=parts.p95_hi / some,
        ),
    )


def _decided(solution: Solution, end: Floats) -> Ints | None:
    """Return the sets chosen at one end, None where the search finds no plan there."""
    try:
        found = resolve(at_end(solution.instance, end), solution.fleet.chosen, _ROUNDS)
    except InfeasibleError:
        return None
    return found.fleet.chosen


def _same(found: Ints | None, chosen: Ints) -> Flags:
    """Say which services keep their set; without a plan at an end nobody is called stable."""
    return np.zeros(len(chosen), dtype=bool) if found is None else np.asarray(found == chosen)


def _names(solution: Solution, chosen: Ints | None) -> list[str]:
    if chosen is None:
        return [NO_PLAN] * solution.instance.n_services
    names = solution.instance.region_ids
    return [", ".join(names[r] for r in solution.space.sets[p]) for p in chosen]
