"""What a millisecond costs: plans for several worths of waiting, and the plan kinds beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ml.placement.check.certificate import certify
from ml.placement.fleet.fleet import MICRO, Fleet, evaluate_fleet
from ml.placement.problem.instance import Floats
from ml.placement.search.kinds import Found, Kind, strict_today
from ml.placement.search.plans import mean_ms, monthly_micro
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH, resolve

FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_ROUNDS = 3


@dataclass(frozen=True)
class Point:
    """The plan found at one worth of waiting, judged by the rules of the recommended one.

    Attributes:
        factor: Worth of a millisecond, as a multiple of the configured one.
        fleet: The plan, evaluated.
        gap: Certified gap at this worth, as a share.
        stop_reason: Why its search stopped.
    """

    factor: float
    fleet: Fleet
    gap: float
    stop_reason: str


def points(found: Found, lower_micro: int) -> list[Point]:
    """Return the plans of the frontier; every search begins at the recommended plan.

    Args:
        found: The recommended plan, and the end at which waiting is worth nothing.
        lower_micro: Certified bound of the recommended plan, micro-dollars per hour.
    """
    own = found.recommended
    today = strict_today(own)
    out = []
    for factor in FACTORS:
        worth = factor * own.instance.usd_per_request_ms
        if factor == 1.0:
            one, lower = own, lower_micro
        else:
            # The end at which waiting is worth nothing was searched for already.
            one = found.ends[0] if factor == 0.0 else _at(own, worth)
            lower = certify(one).lower_micro
        fleet = evaluate_fleet(own.instance, own.space, one.fleet.chosen, today)
        gap = (one.upper_micro - lower) / max(1, abs(lower))
        out.append(Point(factor, fleet, gap, one.stop_reason))
    return out


def _at(own: Solution, worth: Floats) -> Solution:
    return resolve(replace(own.instance, usd_per_request_ms=worth), own.fleet.chosen, _ROUNDS)


def frontier(weights: Sequence[Point], kinds: Sequence[Kind]) -> pd.DataFrame:
    """Return ``placement_frontier``.

    Args:
        weights: Plans for several worths of waiting.
        kinds: Published plans, judged by the same rules.
    """
    own = next(point.gap for point in weights if point.factor == 1.0)
    rows = [_row("weight", f"{p.factor:g}", p.factor, p.fleet, p.gap) for p in weights]
    rows += [
        _row("plan", kind.name, None, kind.fleet, own if kind.name == "recommended" else None)
        for kind in kinds
    ]
    out = pd.DataFrame(rows)
    out["is_efficient"] = _efficient(out)
    return out


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
