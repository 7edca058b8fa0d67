"""Both plans at once: some communities run the treatment, the others the control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.experiment.cluster import Communities
from ml.experiment.metrics import Arm, Floats, Ints, reduce_outcomes
from ml.experiment.plans import PlanSet
from ml.experiment.world import World

METRICS = ("latency_mean", "cost_per_1m")


@dataclass(frozen=True)
class MixedDays:
    """Log metric by community and day, its two sums, who was treated; all (K, D)."""

    logs: dict[str, Floats]
    parts: dict[str, tuple[Ints, Ints]]
    treated: NDArray[np.bool_]
    max_utilisation: float


def mixed_plan(plans: PlanSet, of_service: dict[str, int], treated: Sequence[int]) -> pd.DataFrame:
    """Return the treatment's rows for services of ``treated`` communities, else the control's."""
    parts = []
    for arm in ("control", "treatment"):
        rows = plans.bare(arm)
        is_treated = rows["service_id"].map(of_service).isin(set(treated))
        parts.append(rows[is_treated] if arm == "treatment" else rows[~is_treated])
    plan = pd.concat(parts)
    return plan.sort_values(["service_id", "region_id"], ignore_index=True)


def community_parts(arm: Arm, communities: Communities, metric: str) -> tuple[Ints, Ints]:
    """Return numerator and requests by community and day after the warm-up, each (K, D)."""
    offered = arm.counts_warm["offered"].sum(axis=1)
    if metric == "latency_mean":
        top = arm.counts_warm["imputed_sum_us"].sum(axis=1)
    else:
        top = sum((arm.money[kind] for kind in sorted(arm.money)), np.zeros_like(offered))
        offered = arm.counts["offered"].sum(axis=1)
    numerator, requests = (
        np.array([part[communities.of_service == k].sum(axis=0) for k in range(communities.count)])
        for part in (top, offered)
    )
    return numerator, requests


def community_logs(arm: Arm, communities: Communities, metric: str) -> Floats:
    """Return the log of a metric by community and day after the warm-up, shape (K, D)."""
    return _logs(*community_parts(arm, communities, metric))


def _logs(numerator: Ints, requests: Ints) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: Floats = np.log(numerator.astype(np.float64)) - np.log(requests.astype(np.float64))
    return np.where(np.isfinite(logs), logs, np.nan)


def run_mixed(
    world: World,
    plans: PlanSet,
    service_ids: Sequence[str],
    communities: Communities,
    days: Sequence[date],
    treated: NDArray[np.bool_],
    replication: int = 0,
) -> MixedDays:
    """Run every day under its own mix of plans; neighbouring days with one mix run together.

    Args:
        world: Where plans can be tried.
        plans: Both arms.
        service_ids: Services, sorted.
        communities: Who belongs together.
        days: Ascending.
        treated: Community by day, shape (K, D).
        replication: Set of random numbers.
    """
    of_service = dict(zip(service_ids, communities.of_service.tolist(), strict=True))
    found: dict[str, list[tuple[Ints, Ints]]] = {metric: [] for metric in METRICS}
    fullest, first = 0.0, 0
    while first < len(days):
        last = first + 1
        while last < len(days) and (treated[:, last] == treated[:, first]).all():
            last += 1
        mix = np.flatnonzero(treated[:, first]).tolist()
        outcomes = world.run(
            mixed_plan(plans, of_service, mix),
            list(days[first:last]),
            replication=replication,
            detail=False,
        )
        arm = reduce_outcomes(outcomes)
        fullest = max(fullest, arm.max_utilisation)
        for metric in METRICS:
            found[metric].append(community_parts(arm, communities, metric))
        first = last
    parts = {
        metric: (
            np.concatenate([numerator for numerator, _ in days_of], axis=1),
            np.concatenate([requests for _, requests in days_of], axis=1),
        )
        for metric, days_of in found.items()
    }
    return MixedDays({m: _logs(*both) for m, both in parts.items()}, parts, treated, fullest)
