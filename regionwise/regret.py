"""What wrong predictions of latency cost: the build's decision against one that knew the truth.

Only a world whose truth is known can tell. The decision is made again by the same optimiser on the
same demand, prices and rules with true latencies, and both plans are run in the world. Three
figures belong together: cost alone may be negative, as a plan that breaks objectives is cheap.

Both decisions end where a local search ends, which moves the cost by more than the predictions do.
So the search with predictions begins once more where the one with the truth ended: what the better
of the two plans that the predictions then know of still costs more is theirs alone. And they are
judged without any search: which region sets of critical services their bound on the p95 closes
although the truth keeps the objective, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from regionwise.regret_decisions import ROUNDING, Decided, decide

if TYPE_CHECKING:
    from generator.synthetic import Outcomes, SyntheticWorld
    from ml.io import Features, Writer
    from ml.placement import Instance, Policy

DAYS, DRAWS = 7, 5
"""Days that are scored, and how often their incidents and noise are drawn."""
MISS_GOAL, REGRET_GOAL = 0.02, 0.005
_MISSED_MS = 1000.0
"""A missed request counts like a second of waiting by somebody who is waited for."""
_LATE_SHARE = 0.05
"""Of its requests a p95 lets be slower."""
_HOURS_PER_MONTH = 730.0


@dataclass(frozen=True)
class Verdicts:
    """Region sets of critical services that break no other rule, by what the p95 bound says."""

    sets: int
    wrongly_blocked_share: float
    """Of the sets that truly keep the objective."""
    wrongly_allowed_share: float
    """Of the sets that the bound lets through."""


@dataclass(frozen=True)
class Scored:
    """One plan in the true world."""

    decision: str
    bill_usd: float
    cost_usd: float
    mean_ms: float
    critical: int
    misses: int
    misses_by_origin: int
    foreseen: int
    """Misses that the decision itself counted on: no set it knew kept the objective."""
    missed_share: float
    penalty_usd: float


def measure(
    features: Features, writer: Writer, policy: Policy, world: SyntheticWorld
) -> pd.DataFrame:
    """Return ``placement_regret``: the recommended plan, those beside it, and today.

    Args:
        features: Reader of the feature tables.
        writer: Holds the predictions and the plans of the build.
        policy: Weights and rules of the build.
        world: The world the data came from.
    """
    from ml.placement import read_instance

    runs, rows = writer.read("placement_runs"), writer.read("placement_plans")
    known = {
        kind: rows[rows["plan_id"] == plan][["service_id", "region_id", "instances"]]
        for kind, plan in zip(runs["plan_kind"], runs["plan_id"], strict=True)
    }
    candidates = writer.read("latency_candidates")
    truth = world.ideal_latency(
        known["current"],
        world.first_future_on - timedelta(days=1),
        sorted(candidates["utilization_bucket"].unique()),
    )
    predicted = read_instance(features, candidates, writer.read("latency_calls"), policy)
    true = read_instance(features, truth, world.ideal_calls(), policy)
    decided = decide(predicted, true, known["recommended"])
    services = writer.read("placement_services")
    plan_of = dict(zip(runs["plan_kind"], runs["plan_id"], strict=True))
    today = _expected(services[services["plan_id"] == plan_of["current"]], policy)
    plans = decided | {"current": Decided(known["current"], today)}
    days = [world.first_future_on + timedelta(days=i) for i in range(DAYS)]
    scored = {
        name: _scored(name, world, one.plan, true, days, one.expected)
        for name, one in plans.items()
    }
    return _rows(scored, true, _verdicts(predicted, true))


def _expected(services: pd.DataFrame, policy: Policy) -> frozenset[str]:
    """Return the services of a plan that the plan itself says miss their objective."""
    short = services["slo_met_share"] < policy.slo_demand_share - ROUNDING
    return frozenset(services.loc[short.fillna(value=False), "service_id"])


def _verdicts(predicted: Instance, true: Instance) -> Verdicts:
    """Compare what both say of every region set of critical services, flows of calls as today."""
    open_, kept = (_judged_sets(instance) for instance in (predicted, true))
    # Only the objective may tell a set from an open one, in both.
    asked = open_[0] & kept[0]
    allowed, good = open_[1] & asked, kept[1] & asked
    return Verdicts(
        int(asked.sum()),
        float((good & ~allowed).sum() / max(1, good.sum())),
        float((allowed & ~good).sum() / max(1, allowed.sum())),
    )


def _judged_sets(instance: Instance) -> tuple[Any, Any]:
    """Return the sets of critical services that break no other rule, and those in time."""
    from ml.placement.fleet.evaluate import RULES
    from ml.placement.fleet.fleet import describe_today
    from ml.placement.fleet.pricing import price_all
    from ml.placement.search.solve import space_of

    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    late = 1 << RULES.index("SLO_MISSED")
    hard = ~np.isnan(instance.slo_ms)[:, None]
    return hard & ((table.broken & ~late) == 0), (table.broken & late) == 0


def _scored(
    decision: str,
    world: SyntheticWorld,
    plan: pd.DataFrame,
    instance: Instance,
    days: Sequence[date],
    expected: frozenset[str] = frozenset(),
) -> Scored:
    """Run a plan in the world and count what it costs and whom it fails.

    The same days are drawn several times, with their own incidents and noise: whether a single
    draw meets an incident is no merit of a plan. Demand and routes are the same in all.

    An objective is a p95 as callers observe it: a service misses it where more than one in twenty
    of its requests are late. Beside that stands a stricter reading: too little of its demand comes
    from places of which each is served in time, so that the few requests of a place that are sent
    far count against all of that place.
    """
    draws = [world.run(plan, days, replication=draw) for draw in range(DRAWS)]
    seen, hours = draws[0], DRAWS * 24.0 * len(days)
    micro = sum(
        one.compute_microusd.sum() + one.egress_microusd.sum() + one.storage_microusd.sum()
        for one in draws
    )
    bill = float(micro) / 1e6 / hours * _HOURS_PER_MONTH
    worth, critical = _by_service(seen, instance)
    waited_us = np.sum([one.imputed_sum_us.sum(axis=(1, 2)) for one in draws], axis=0)
    waiting = float((waited_us / 1e3 * worth).sum()) / hours * _HOURS_PER_MONTH
    offered = sum(float(one.offered.sum()) for one in draws)
    served = np.sum([one.served.sum(axis=2) for one in draws], axis=0)
    late = np.sum([one.slo_violations.sum(axis=2) for one in draws], axis=0)
    good = np.where(late <= _LATE_SHARE * served, served, 0).sum(axis=1)
    total = np.maximum(served.sum(axis=1), 1)
    unserved = critical & (good / total < instance.policy.slo_demand_share)
    above = np.maximum(0.0, late.sum(axis=1) - _LATE_SHARE * served.sum(axis=1)) * critical
    misses = above > 0
    price = instance.policy.usd_per_request_ms_critical * _MISSED_MS
    return Scored(
        decision,
        bill,
        bill + waiting,
        float(waited_us.sum()) / 1e3 / max(1.0, offered),
        int(critical.sum()),
        int(misses.sum()),
        int(unserved.sum()),
        sum(name in expected for name in np.array(seen.service_ids, dtype=object)[misses]),
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


def _rows(scored: Mapping[str, Scored], instance: Instance, verdicts: Verdicts) -> pd.DataFrame:
    best, rows = scored["with_truth"], []

    def priced(one: Scored) -> float:
        more = one.cost_usd + one.penalty_usd - best.cost_usd - best.penalty_usd
        return more / best.cost_usd

    theirs = priced(scored["with_predictions"])
    for one in scored.values():
        share = one.misses / one.critical if one.critical else 0.0
        is_own = one.decision == "recommended"
        met = share <= MISS_GOAL and max(priced(one), theirs) <= REGRET_GOAL
        rows.append(
            {
                "decision": one.decision,
                "days": DAYS,
                "cost_usd_per_month": one.cost_usd,
                "bill_usd_per_month": one.bill_usd,
                "mean_latency_ms": one.mean_ms,
                "cost_regret_share": (one.cost_usd - best.cost_usd) / best.cost_usd,
                "priced_regret_share": priced(one),
                "prediction_regret_share": theirs if is_own else None,
                "critical_services": one.critical,
                "critical_misses": one.misses,
                "critical_misses_foreseen": one.foreseen,
                "critical_misses_by_origin": one.misses_by_origin,
                "critical_miss_share": share,
                "missed_requests_share": min(1.0, one.missed_share),
                "usd_per_missed_request": instance.policy.usd_per_request_ms_critical * _MISSED_MS,
                "sets_judged": verdicts.sets if is_own else None,
                "sets_wrongly_blocked_share": verdicts.wrongly_blocked_share if is_own else None,
                "sets_wrongly_allowed_share": verdicts.wrongly_allowed_share if is_own else None,
                "status": ("met" if met else "missed") if is_own else "reported",
            }
        )
    return pd.DataFrame(rows)
