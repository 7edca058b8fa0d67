"""The treatment among random plans of the same budget and simple rules, on the same demand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ml.experiment.fleet import Fleet
from ml.experiment.metrics import (
    Arm,
    Floats,
    daily_values,
    n1_served_share,
    reduce_outcomes,
    total_value,
)
from ml.experiment.world import World

_REDRAWS = 50


@dataclass(frozen=True)
class Budget:
    """The treatment's budget in matrix form: services and regions sorted by id.

    Attributes:
        counts: Regions per service (S,).
        instances: Instances per service (S,).
        allowed: Eligible pairs (S, R).
        rtt_ms: Round trip (O, R).
        demand: Mean requests per second (S, O).
        hourly_usd: Price of one instance (S, R).
        vcpu: Cores of one instance (S,).
        capacity: Cores of each region, infinite where unknown (R,).
    """

    service_ids: list[str]
    region_ids: list[str]
    counts: NDArray[np.int64]
    instances: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    rtt_ms: Floats
    demand: Floats
    hourly_usd: Floats
    vcpu: Floats
    capacity: Floats


def budget_of(plan: pd.DataFrame, fleet: Fleet) -> Budget:
    """Return the number of regions and instances that ``plan`` gives each service."""
    grouped = plan.groupby("service_id")
    counts, instances = grouped["region_id"].nunique(), grouped["instances"].sum()
    services = sorted(str(s) for s in counts.index)
    regions = sorted(set(map(str, fleet.regions.index)) | set(plan["region_id"]))
    used = set(zip(plan["service_id"], plan["region_id"], strict=True))
    allowed = np.array(
        [[not fleet.allowed or (s, r) in fleet.allowed | used for r in regions] for s in services]
    )
    rtt = fleet.rtt_ms.reindex(columns=regions)
    origins = [o for o in fleet.demand.columns if o in rtt.index]
    cores = _column(fleet.services, "cpu_cores", services, 1.0)
    memory = _column(fleet.services, "memory_gb", services, 1.0)
    vcpu_usd = _column(fleet.regions, "vcpu_hour_usd", regions, 0.0)
    memory_usd = _column(fleet.regions, "memory_gb_hour_usd", regions, 0.0)
    return Budget(
        services,
        regions,
        np.asarray(counts.reindex(services), dtype=np.int64),
        np.asarray(instances.reindex(services), dtype=np.int64),
        allowed,
        rtt.reindex(origins).fillna(1e6).to_numpy(dtype=np.float64),
        fleet.demand.reindex(index=services, columns=origins).fillna(0.0).to_numpy(np.float64),
        np.outer(cores, vcpu_usd) + np.outer(memory, memory_usd),
        cores,
        _column(fleet.regions, "capacity_vcpu", regions, np.inf),
    )


def _column(frame: pd.DataFrame, name: str, keys: list[str], default: float) -> Floats:
    return np.asarray(frame[name].reindex(keys).astype("float64").fillna(default), np.float64)


def plan_from_scores(budget: Budget, scores: Floats) -> pd.DataFrame:
    """Give each service its number of regions by lowest score, and spread its instances.

    Instances follow the demand that nearest-region routing would bring, at least one per region:
    an even split would saturate busy regions and make every baseline look worse than it is.

    Args:
        budget: Regions and instances per service.
        scores: Shape (S, R); infinite where not allowed.
    """
    return _frame(budget, _instances(budget, scores))


def _instances(budget: Budget, scores: Floats) -> NDArray[np.int64]:
    """Return instances per service and region, 0 where the plan does not run it, shape (S, R)."""
    order = np.argsort(scores, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(scores.shape[1])[None, :], axis=1)
    chosen = rank < budget.counts[:, None]
    return _spread(_nearest_load(budget, chosen), chosen, budget.instances)


def _frame(budget: Budget, instances: NDArray[np.int64]) -> pd.DataFrame:
    service, region = np.nonzero(instances)
    return pd.DataFrame(
        {
            "service_id": np.array(budget.service_ids, dtype=object)[service],
            "region_id": np.array(budget.region_ids, dtype=object)[region],
            "instances": instances[service, region],
        }
    )


def _nearest_load(budget: Budget, chosen: NDArray[np.bool_]) -> Floats:
    if not budget.rtt_ms.size:
        return np.zeros(chosen.shape)
    distance = np.where(chosen[:, None, :], budget.rtt_ms[None, :, :], np.inf)
    nearest = distance.argmin(axis=2)
    cell = np.arange(len(chosen))[:, None] * chosen.shape[1] + nearest
    load = np.bincount(cell.ravel(), budget.demand.ravel(), chosen.size).astype(np.float64)
    return np.reshape(load, chosen.shape)


def _spread(load: Floats, chosen: NDArray[np.bool_], total: NDArray[np.int64]) -> NDArray[np.int64]:
    weight = np.where(chosen, load, 0.0)
    whole = weight.sum(axis=1, keepdims=True)
    even = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
    share = np.where(whole > 0, weight / np.where(whole > 0, whole, 1.0), even)
    spare = np.maximum(total - chosen.sum(axis=1), 0)
    exact = share * spare[:, None]
    base = np.floor(exact).astype(np.int64)
    left = spare - base.sum(axis=1)
    order = np.argsort(-(exact - base) - chosen * 1e-9, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(load.shape[1])[None, :], axis=1)
    result: NDArray[np.int64] = np.where(chosen, base + 1 + (rank < left[:, None]), 0)
    return result


def random_plans(budget: Budget, count: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Yield plans with the same regions and instances per service, regions drawn uniformly.

    A draw that needs more cores than a region has is drawn again, at most 50 times.
    """
    for _ in range(count):
        for _ in range(_REDRAWS):
            keys = np.where(budget.allowed, rng.random(budget.allowed.shape), np.inf)
            instances = _instances(budget, keys)
            if (budget.vcpu @ instances <= budget.capacity).all():
                break
        yield _frame(budget, instances)


def greedy_nearest(budget: Budget) -> pd.DataFrame:
    """Return the plan with the lowest traffic-weighted round trip and the same budget."""
    weight = budget.demand / np.maximum(budget.demand.sum(axis=1, keepdims=True), 1e-12)
    return plan_from_scores(budget, np.where(budget.allowed, weight @ budget.rtt_ms, np.inf))


def cheapest(budget: Budget) -> pd.DataFrame:
    """Return the plan with the lowest price per instance and the same budget."""
    return plan_from_scores(budget, np.where(budget.allowed, budget.hourly_usd, np.inf))


def rescaled(plan: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return ``plan``'s regions with ``other``'s instances per service: a matched budget."""
    total = other.groupby("service_id")["instances"].sum()
    parts = []
    for service, rows in plan.sort_values(["service_id", "region_id"]).groupby("service_id"):
        load = rows["instances"].to_numpy(dtype=np.float64)[None, :]
        wanted = np.array([int(total.get(service, rows["instances"].sum()))])
        spread = _spread(load, np.ones_like(load, dtype=bool), wanted)[0]
        parts.append(rows.assign(instances=spread))
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Score:
    """How one plan did on some days; objectives are known only where histograms were made."""

    name: str
    family: str
    latency_ms: float
    cost_per_1m: float
    redundancy: float
    instance_hours: float
    objective_usd_per_hour: float
    daily_latency_ms: tuple[float, ...]
    n1_served_share: float
    slo_violation_rate: float


def objective(arm: Arm, prices: Floats) -> float:
    """Return cost plus priced waiting, USD per hour; ``prices`` per request-millisecond (S,)."""
    waited_ms = arm.counts["imputed_sum_us"].sum(axis=(1, 2)) / 1e3
    return (arm.total_usd() + float(waited_ms @ prices)) / (24 * len(arm.days))


def score(name: str, family: str, plan: pd.DataFrame, arm: Arm, prices: Floats) -> Score:
    """Score one plan from its outcomes."""
    return Score(
        name,
        family,
        total_value(arm, "latency_mean"),
        total_value(arm, "cost_per_1m"),
        float(plan.groupby("service_id")["region_id"].nunique().mean()),
        float(plan["instances"].sum() * 24 * len(arm.days)),
        objective(arm, prices),
        tuple(float(v) for v in daily_values(arm, "latency_mean")),
        n1_served_share(arm),
        total_value(arm, "slo_violation_rate"),
    )


def run_and_score(
    world: World,
    name: str,
    family: str,
    plan: pd.DataFrame,
    days: list[date],
    prices: Floats,
    *,
    detail: bool = False,
) -> Score:
    """Run one plan and score it; with ``detail`` objectives are counted too."""
    arm = reduce_outcomes(world.run(plan, days, detail=detail))
    return score(name, family, plan, arm, prices)


def p_plan(target: float, cloud: list[float]) -> float | None:
    """Return (1 + random plans at least as good) / (1 + random plans); None without a cloud.

    Example:
        >>> p_plan(10.0, [11.0, 12.0, 9.0])
        0.5
    """
    if not cloud:
        return None
    return (1 + sum(value <= target for value in cloud)) / (1 + len(cloud))


def daily_gain(target: Score, other: Score) -> tuple[float, float, float]:
    """Return the relative latency effect of ``target`` against ``other`` with a 95 % t interval.

    Days are paired: both plans saw the same demand and random numbers.
    """
    logs = np.log(np.array(target.daily_latency_ms)) - np.log(np.array(other.daily_latency_ms))
    mean = float(logs.mean())
    if logs.size < 2:
        return math.expm1(mean), math.nan, math.nan
    half = float(stats.t.ppf(0.975, logs.size - 1) * logs.std(ddof=1) / math.sqrt(logs.size))
    return math.expm1(mean), math.expm1(mean - half), math.expm1(mean + half)
