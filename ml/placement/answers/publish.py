"""Plans into the rows of the prediction contract."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from scipy.special import ndtr

from ml.placement.fleet.evaluate import RULES
from ml.placement.fleet.fleet import Fleet, migration_usd
from ml.placement.problem.elastic import offset_usd
from ml.placement.problem.instance import Floats, Instance, Ints
from ml.placement.problem.rows import row_limits, row_names, used_by
from ml.placement.problem.subsets import SetSpace
from ml.placement.problem.tail import inside_p95
from ml.placement.problem.terms import kg_per_vcpu_hour
from ml.placement.search.solve import Solution, move_limit

_Z95 = 1.6448536269514722
_BISECTIONS = 60


def plan_id(input_hash: str, config_hash: str, kind: str) -> str:
    """Return the id of a plan: the same inputs, parameters and kind give the same id."""
    return hashlib.sha256(f"{input_hash}|{config_hash}|{kind}".encode()).hexdigest()[:32]


def services_frame(
    instance: Instance, space: SetSpace, fleet: Fleet, plan: str, level: float
) -> pd.DataFrame:
    """Return ``placement_services``: what a plan means for each service.

    Args:
        instance: The problem.
        space: Region sets.
        fleet: The evaluated plan.
        plan: Its id.
        level: Stated coverage of the latency interval.
    """
    found = fleet.assessed
    lo, hi = _interval(instance, space, fleet)
    complete = _complete(instance, space, fleet)
    known = np.where(complete, 1.0, np.nan)
    judged = ~np.isnan(instance.slo_stated_ms)
    served = found.served_share[:, 0]
    moved = np.where(space.member[fleet.chosen] & ~instance.current, migration_usd(instance), 0.0)
    return pd.DataFrame(
        {
            "plan_id": plan,
            "service_id": instance.service_ids,
            "compute_usd_per_hour": found.compute[:, 0],
            "egress_usd_per_hour": found.egress[:, 0],
            "open_usd_per_hour": found.open[:, 0],
            "waiting_usd_per_hour": found.waiting[:, 0],
            "moving_usd_per_hour": found.moving[:, 0],
            "carbon_usd_per_hour": found.carbon[:, 0],
            "elastic_usd_per_hour": _elastic_usd(instance, fleet),
            "carbon_kg_per_hour": _carbon_kg(instance, space, fleet),
            "mean_latency_ms": found.mean_ms[:, 0] * known,
            "mean_latency_lo_ms": lo * known,
            "mean_latency_hi_ms": hi * known,
            "p95_latency_ms": np.where(judged, p95_ms(instance, space, fleet), np.nan) * known,
            "slo_met_share": np.where(judged, np.clip(found.slo_share[:, 0], 0, 1), np.nan),
            "n1_served_share": np.clip(served, 0.0, 1.0),
            "is_n1_covered": served >= 1.0 - 1e-9,
            "is_feasible": found.broken[:, 0] == 0,
            "broken_rule": [_rule(int(bits)) for bits in found.broken[:, 0]],
            "mean_rps": fleet.clients.mean_rps.sum(axis=1),
            "migration_usd": moved.sum(axis=1),
            "interval_level": level,
        }
    )


def plans_frame(instance: Instance, space: SetSpace, fleet: Fleet, plan: str) -> pd.DataFrame:
    """Return ``placement_plans``: one row per service and region of a plan."""
    found, rows = fleet.assessed, []
    price = np.nan_to_num(instance.instance_usd)
    for s, chosen in enumerate(fleet.chosen):
        for k, r in enumerate(space.sets[chosen]):
            share = float(found.slot_share[s, 0, k])
            rows.append(
                {
                    "plan_id": plan,
                    "service_id": instance.service_ids[s],
                    "region_id": instance.region_ids[r],
                    "instances": int(found.instances[s, 0, k]),
                    "traffic_share": min(1.0, max(0.0, share)),
                    "compute_usd_per_hour": float(found.instances[s, 0, k] * price[s, r]),
                    "peak_utilization": float(found.slot_peak_utilisation[s, 0, k]),
                    "mean_latency_ms": float(found.slot_ms[s, 0, k]) if share > 0 else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _elastic_usd(instance: Instance, fleet: Fleet) -> Floats:
    """Return the price of broken elastic rules by service; rent counts above the limits only."""
    found = fleet.assessed.elastic[:, 0]
    total = float(found.sum())
    share = max(0.0, 1.0 - offset_usd(instance) / total) if total > 0 else 1.0
    return np.asarray(found * share)


def _carbon_kg(instance: Instance, space: SetSpace, fleet: Fleet) -> Floats:
    """Return kg of CO2 per hour by service; NaN where a region it uses has no figure."""
    per_vcpu = kg_per_vcpu_hour(instance)[space.slot_region[fleet.chosen]]
    vcpu = fleet.assessed.instances[:, 0] * instance.cpu_cores[:, None]
    return np.asarray(np.where(vcpu > 0, vcpu * per_vcpu, 0.0).sum(axis=1))


def duals_frame(solution: Solution, plan: str) -> pd.DataFrame:
    """Return ``placement_duals``: prices of the shared rows, for a second look at the bound."""
    instance, master = solution.instance, solution.master
    use = used_by(instance, solution.space, solution.fleet)
    limits = row_limits(instance)
    rows = [
        {
            "plan_id": plan,
            "row_kind": kind,
            "region_id": region,
            "dual": float(master.capacity_dual[i]),
            "limit_value": float(limits[i]),
            "used_value": float(use[i]),
            "is_binding": bool(master.capacity_dual[i] > 0),
        }
        for i, (kind, region) in enumerate(row_names(instance))
        if np.isfinite(limits[i])
    ]
    if np.isfinite(move_limit(instance)):
        rows.append(
            {
                "plan_id": plan,
                "row_kind": "moves",
                "region_id": "*",
                "dual": master.move_dual,
                "limit_value": move_limit(instance),
                "used_value": float(solution.fleet.assessed.added.sum()),
                "is_binding": master.move_dual > 0,
            }
        )
    return pd.DataFrame(rows)


def p95_ms(instance: Instance, space: SetSpace, fleet: Fleet) -> Floats:
    """Return the predicted p95 of each service, ``(S,)``, read from one mixture.

    Percentiles are never averaged: every (client, region) is a lognormal with the predicted mean
    and p95, weighted by its requests, and the 95th percentile is read from their sum.
    """
    weight, mean, ratio = _cells(instance, space, fleet)
    # A lognormal's p95 over its mean is exp(z sd - sd^2 / 2), which never exceeds exp(z^2 / 2).
    log_ratio = np.clip(np.log(np.maximum(ratio, 1.0)), 0.0, 0.98 * _Z95**2 / 2)
    sd = np.maximum(_Z95 - np.sqrt(_Z95**2 - 2 * log_ratio), 1e-6)
    centre = np.log(np.maximum(mean, 1e-9)) - sd**2 / 2
    total = weight.sum(axis=1, keepdims=True)
    weight = weight / np.where(total > 0, total, 1.0)
    some = weight > 0
    low = np.where(some, centre, np.inf).min(axis=1)
    high = np.where(some, centre + 5 * sd, -np.inf).max(axis=1)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = (weight * ndtr((middle[:, None] - centre) / sd)).sum(axis=1)
        low, high = np.where(below < 0.95, middle, low), np.where(below < 0.95, high, middle)
    return np.asarray(np.where(total[:, 0] > 0, np.exp((low + high) / 2), np.nan))


def _cells(instance: Instance, space: SetSpace, fleet: Fleet) -> tuple[Floats, Floats, Floats]:
    """Return requests, mean and p95 over mean of each (slot, client), ``(S, K * C)``."""
    n = instance.n_services
    share, region = space.share[space.slot_row[fleet.chosen]], space.slot_region[fleet.chosen]
    rows, at, parts = np.arange(n)[:, None], fleet.assessed.bucket[:, 0], instance.latency
    held = fleet.clients
    inside = np.maximum(0.0, parts.own_ms[rows, region, at] + held.dependency_ms[rows, region])
    variance = parts.own_variance[rows, region, at] + held.dependency_variance[rows, region]
    network = parts.network_weight[rows, region, at][..., None] * instance.rtt_ms.T[region]
    mean = parts.factor[rows, region, at][..., None] * (network + inside[..., None])
    weight = share * fleet.clients.mean_rps[:, None]
    high = parts.factor[rows, region, at] * parts.p95[rows, region, at]
    p95 = high[..., None] * (network + inside_p95(inside, variance)[..., None])
    ratio = p95 / np.where(mean > 0, mean, 1.0)
    return weight.reshape(n, -1), mean.reshape(n, -1), ratio.reshape(n, -1)


def _interval(instance: Instance, space: SetSpace, fleet: Fleet) -> tuple[Floats, Floats]:
    found, parts = fleet.assessed, instance.latency
    rows, region = np.arange(instance.n_services)[:, None], space.slot_region[fleet.chosen]
    at = found.bucket[:, 0]
    by_slot = found.slot_ms[:, 0] * found.slot_share[:, 0]
    lo = (by_slot * parts.mean_lo[rows, region, at]).sum(axis=1)
    hi = (by_slot * parts.mean_hi[rows, region, at]).sum(axis=1)
    return lo, hi


def _complete(instance: Instance, space: SetSpace, fleet: Fleet) -> Ints:
    has = instance.latency.factor.any(axis=2)
    asked = fleet.clients.mean_rps.sum(axis=1) > 0
    return np.asarray((has | ~space.member[fleet.chosen]).all(axis=1) & asked)


def _rule(bits: int) -> str | None:
    return next((rule for i, rule in enumerate(RULES) if bits >> i & 1), None)
