"""What a millisecond costs: plans for several worths of waiting, and the plan kinds beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ml.placement.check.certificate import certify
from ml.placement.fleet.fleet import MICRO, Fleet, evaluate_fleet
from ml.placement.search.plans import mean_ms, monthly_micro
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH, resolve

FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_ROUNDS = 3

Point = tuple[str, str, float | None, Fleet, float | None]


def frontier(
    solution: Solution, lower_micro: int, kinds: Sequence[tuple[str, Fleet]]
) -> pd.DataFrame:
    """Return ``placement_frontier``.

    Args:
        solution: The recommended plan; the search of every other weight begins there.
        lower_micro: Its certified bound, micro-dollars per hour.
        kinds: Plan kinds with their fleets, all judged by the same rules.
    """
    points: list[Point] = []
    own = (solution.upper_micro - lower_micro) / max(1, abs(lower_micro))
    for factor in FACTORS:
        fleet, gap = _at(solution, factor) if factor != 1.0 else (solution.fleet, own)
        points.append(("weight", f"{factor:g}", factor, fleet, gap))
    points += [
        ("plan", kind, None, fleet, own if kind == "recommended" else None) for kind, fleet in kinds
    ]
    rows = pd.DataFrame([_row(*point) for point in points])
    rows["is_efficient"] = _efficient(rows)
    return rows


def _at(solution: Solution, factor: float) -> tuple[Fleet, float]:
    instance = solution.instance
    worth = factor * instance.usd_per_request_ms
    found = resolve(replace(instance, usd_per_request_ms=worth), solution.fleet.chosen, _ROUNDS)
    fleet = evaluate_fleet(instance, solution.space, found.fleet.chosen, solution.today)
    lower = certify(found).lower_micro
    return fleet, (found.upper_micro - lower) / max(1, abs(lower))


def _row(
    kind: str, name: str, factor: float | None, fleet: Fleet, gap: float | None
) -> dict[str, object]:
    return {
        "point_kind": kind,
        "point_name": name,
        "waiting_factor": factor,
        "cost_usd_per_month": HOURS_PER_MONTH * monthly_micro(fleet) / MICRO,
        "mean_latency_ms": mean_ms(fleet),
        "moves": int(fleet.assessed.added.sum()),
        "gap_share": gap,
        "services_not_feasible": int((fleet.assessed.broken[:, 0] != 0).sum()),
    }


def _efficient(rows: pd.DataFrame) -> list[bool]:
    """Say of each point whether no other is at least as good in both and better in one."""
    cost = rows["cost_usd_per_month"].to_numpy()
    wait = rows["mean_latency_ms"].to_numpy()
    return [
        not bool(
            np.any((cost <= c) & (wait <= w) & ((cost < c) | (wait < w))),
        )
        for c, w in zip(cost, wait, strict=True)
    ]
