"""The decisions that regret compares: each search begins where another one ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ml.placement import Instance
    from ml.placement.fleet.fleet import Fleet

ROUNDING = 1e-9


@dataclass(frozen=True)
class Decided:
    """A plan, and whom the decision itself does not expect to serve in time."""

    plan: pd.DataFrame
    expected: frozenset[str]


def decide(predicted: Instance, true: Instance, start: pd.DataFrame) -> dict[str, Decided]:
    """Return the recommended plan, and what the same search finds with the truth and without.

    Args:
        predicted: The problem of the build.
        true: The same with true latencies.
        start: The recommended plan: rows of service_id, region_id, instances.

    Returns:
        Decisions by name: ``with_truth``, ``with_predictions``, ``recommended``.
    """
    from ml.placement import solve
    from ml.placement.fleet.fleet import describe_today, evaluate_fleet
    from ml.placement.search.solve import space_of

    def ranked(instance: Instance, plans: Sequence[Any]) -> list[Fleet]:
        space = space_of(instance)
        today, _ = describe_today(instance, space)
        fleets = [evaluate_fleet(instance, space, chosen, today) for chosen in plans]
        return sorted(fleets, key=_rank)

    first = chosen_of(predicted, start)
    known = solve(true, start=first).fleet.chosen
    again = solve(predicted, start=known).fleet.chosen
    beside = solve(true, start=again).fleet.chosen
    own = ranked(predicted, [first])[0]
    found = ranked(predicted, [first, again])[0]
    best = ranked(true, [known, beside])[0]
    return {
        "with_truth": _as_decided(true, best),
        "with_predictions": _as_decided(predicted, found),
        "recommended": Decided(start, _short(predicted, own)),
    }


def _rank(fleet: Fleet) -> tuple[int, int]:
    return int((fleet.assessed.broken != 0).sum()), int(fleet.cost_micro.sum())


def chosen_of(instance: Instance, plan: pd.DataFrame) -> Any:
    """Return the number of each service's set in a plan of rows service_id, region_id, ``(S,)``."""
    from ml.placement.search.solve import space_of

    space = space_of(instance)
    member = np.zeros((instance.n_services, instance.n_regions), dtype=bool)
    services = {name: i for i, name in enumerate(instance.service_ids)}
    regions = {name: i for i, name in enumerate(instance.region_ids)}
    member[plan["service_id"].map(services), plan["region_id"].map(regions)] = True
    return np.array([space.of(row) for row in member], dtype=np.int64)


def _as_decided(instance: Instance, fleet: Fleet) -> Decided:
    from ml.placement import placements
    from ml.placement.search.solve import space_of

    return Decided(placements(instance, space_of(instance), fleet), _short(instance, fleet))


def _short(instance: Instance, fleet: Fleet) -> frozenset[str]:
    """Return the services that the plan itself says miss their objective."""
    short = fleet.assessed.slo_share[:, 0] < instance.policy.slo_demand_share - ROUNDING
    return frozenset(np.array(instance.service_ids, dtype=object)[short])
