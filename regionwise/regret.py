"""What wrong predictions of latency cost: the build's decision against one that knew the truth.

Only a world whose truth is known can tell. The decision is made again by the same optimiser on the
same demand, prices and rules with true latencies, and both plans are run in the world. Three
figures belong together: cost alone may be negative, as a plan that breaks objectives is cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from generator.synthetic import Outcomes, SyntheticWorld
    from ml.io import Features, Writer
    from ml.placement import Instance, Policy

DAYS = 7
MISS_GOAL, REGRET_GOAL = 0.02, 0.005
_MISSED_MS = 1000.0
"""A missed request counts like a second of waiting by somebody who is waited for."""
_HOURS_PER_MONTH = 730.0


@dataclass(frozen=True)
class Scored:
    """One plan in the true world."""

    decision: str
    bill_usd: float
    cost_usd: float
    mean_ms: float
    critical: int
    misses: int
    missed_share: float
    penalty_usd: float


def measure(
    features: Features, writer: Writer, policy: Policy, world: SyntheticWorld
) -> pd.DataFrame:
    """Return ``placement_regret``: the recommended plan, the plan with the truth, and today.

    Args:
        features: Reader of the feature tables.
        writer: Holds the predictions and the plans of the build.
        policy: Weights and rules of the build.
        world: The world the data came from.
    """
    runs, rows = writer.read("placement_runs"), writer.read("placement_plans")
    known = {
        kind: rows[rows["plan_id"] == plan][["service_id", "region_id", "instances"]]
        for kind, plan in zip(runs["plan_kind"], runs["plan_id"], strict=True)
    }
    buckets = sorted(writer.read("latency_candidates")["utilization_bucket"].unique())
    truth = world.ideal_latency(
        known["current"], world.first_future_on - timedelta(days=1), buckets
    )
    plan, instance = _decided(features, truth, policy, known["recommended"])
    plans = {"with_truth": plan, "recommended": known["recommended"], "current": known["current"]}
    days = [world.first_future_on + timedelta(days=i) for i in range(DAYS)]
    scored = {name: _scored(name, world, one, instance, days) for name, one in plans.items()}
    return _rows(list(scored.values()), scored["with_truth"], instance)


def _decided(
    features: Features, truth: pd.DataFrame, policy: Policy, start: pd.DataFrame
) -> tuple[pd.DataFrame, Instance]:
    """Return what the optimiser decides with true latencies, and the problem it solved."""
    from ml.placement import placements, read_instance, solve
    from ml.placement.search.solve import space_of

    instance = read_instance(features, truth, policy)
    space = space_of(instance)
    member = np.zeros((instance.n_services, instance.n_regions), dtype=bool)
    services = {name: i for i, name in enumerate(instance.service_ids)}
    regions = {name: i for i, name in enumerate(instance.region_ids)}
    member[start["service_id"].map(services), start["region_id"].map(regions)] = True
    chosen = np.array([space.of(row) for row in member], dtype=np.int64)
    found = solve(instance, start=chosen)
    return placements(instance, space, found.fleet), instance


def _scored(
    decision: str,
    world: SyntheticWorld,
    plan: pd.DataFrame,
    instance: Instance,
    days: Sequence[date],
) -> Scored:
    """Run a plan in the world and count what it costs and whom it fails."""
    seen = world.run(plan, days)
    hours = 24.0 * len(days)
    micro = seen.compute_microusd.sum() + seen.egress_microusd.sum() + seen.storage_microusd.sum()
    bill = float(micro) / 1e6 / hours * _HOURS_PER_MONTH
    worth, critical = _by_service(seen, instance)
    waited = seen.imputed_sum_us.sum(axis=(1, 2)) / 1e3
    waiting = float((waited * worth).sum()) / hours * _HOURS_PER_MONTH
    served = seen.served.sum(axis=2)
    late = seen.slo_violations.sum(axis=2)
    allowed = 1.0 - instance.policy.slo_demand_share
    # An origin is served well if its own p95 meets the objective; the rule asks for a share of
    # demand from such origins.
    good = np.where(late <= allowed * served, served, 0).sum(axis=1)
    total = np.maximum(served.sum(axis=1), 1)
    misses = critical & (good / total < instance.policy.slo_demand_share)
    above = np.maximum(0.0, late.sum(axis=1) - allowed * served.sum(axis=1)) * critical
    price = instance.policy.usd_per_request_ms_critical * _MISSED_MS
    return Scored(
        decision,
        bill,
        bill + waiting,
        float(seen.imputed_sum_us.sum()) / 1e3 / max(1.0, float(seen.offered.sum())),
        int(critical.sum()),
        int(misses.sum()),
        float(above.sum() / max(1.0, float((served.sum(axis=1) * critical).sum()))),
        float(above.sum()) * price / hours * _HOURS_PER_MONTH,
    )


def _by_service(seen: Outcomes, instance: Instance) -> tuple[Any, Any]:
    """Return worth of a ms and whether the objective is hard, in the world's order of services."""
    at = {name: i for i, name in enumerate(instance.service_ids)}
    index = np.array([at.get(name, -1) for name in seen.service_ids])
    worth = np.where(index >= 0, instance.usd_per_request_ms[index], 0.0)
    hard = (index >= 0) & ~np.isnan(instance.slo_ms[index])
    return worth, hard & (seen.served.sum(axis=(1, 2)) > 0)


def _rows(scored: list[Scored], best: Scored, instance: Instance) -> pd.DataFrame:
    rows = []
    for one in scored:
        regret = (one.cost_usd - best.cost_usd) / best.cost_usd
        priced = regret + (one.penalty_usd - best.penalty_usd) / best.cost_usd
        share = one.misses / one.critical if one.critical else 0.0
        met = share <= MISS_GOAL and priced <= REGRET_GOAL
        rows.append(
            {
                "decision": one.decision,
                "days": DAYS,
                "cost_usd_per_month": one.cost_usd,
                "bill_usd_per_month": one.bill_usd,
                "mean_latency_ms": one.mean_ms,
                "cost_regret_share": regret,
                "priced_regret_share": priced,
                "critical_services": one.critical,
                "critical_misses": one.misses,
                "critical_miss_share": share,
                "missed_requests_share": min(1.0, one.missed_share),
                "usd_per_missed_request": instance.policy.usd_per_request_ms_critical * _MISSED_MS,
                "status": ("met" if met else "missed")
                if one.decision == "recommended"
                else "reported",
            }
        )
    return pd.DataFrame(rows)
