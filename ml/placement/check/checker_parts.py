"""The checker's arithmetic for one service; plain loops, no code of the optimiser."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.placement.problem.instance import Floats, Instance

_EPS = 1e-9
# The 95 % quantile of a standard normal.
_Z95 = 1.6448536269514722

Time = tuple[float, float]
"""Mean and variance, ms and ms²."""
Demand = tuple[list[Floats], list[float], list[float]]
"""By client: peak by hour, mean, mean of those who wait."""


@dataclass(frozen=True)
class Judged:
    """What one service needs in its regions."""

    instances: dict[int, int]
    usd: float
    """Compute, open regions and waiting, $ per hour."""
    extra_usd: float
    """Carbon, missed objectives and rent of elastic capacity, $ per hour."""
    bill_usd: float
    """Compute and open regions, $ per hour."""
    slo_share: float
    served: float
    mean_ms: float
    """Over all clients by their requests."""
    answers: list[Time]
    """Answer time to a caller in each region."""


def shares(instance: Instance, client: int, regions: Sequence[int]) -> dict[int, float]:
    """Return which share of a client's requests each region serves.

    The nearest, bar the strays; near ties share what goes to the nearest, if the policy says so.
    """
    way = {r: float(instance.rtt_ms[client, r]) for r in regions}
    near = min(regions, key=lambda r: (way[r], r))
    astray, reach = float(instance.misroute[client]), instance.policy.near_tie_share
    weight = dict.fromkeys(regions, 0.0)
    if instance.policy.near_tie_is_split and reach > 0:
        least = max(way[near], 1e-9)
        weight = {r: max(0.0, 1.0 - (way[r] / least - 1.0) / reach) for r in regions}
    weight[near] = 1.0
    total = math.fsum(weight.values())
    return {r: astray / len(regions) + (1.0 - astray) * weight[r] / total for r in regions}


def peak_shares(instance: Instance, client: int, regions: Sequence[int]) -> dict[int, float]:
    """Return the shares to size for: whoever may be the nearest counts in full."""
    least = min(float(instance.rtt_ms[client, r]) for r in regions)
    reach = least * (1.0 + instance.policy.near_tie_share)
    astray = float(instance.misroute[client])
    return {
        r: astray / len(regions) + (1.0 - astray) * (float(instance.rtt_ms[client, r]) <= reach)
        for r in regions
    }


def calls_time(
    instance: Instance, calls: Sequence[int], answers: Mapping[int, list[Time]]
) -> list[Time]:
    """Return the time on calls by region: the slowest of each stage, stages one after another."""
    out = []
    for q in range(instance.n_regions):
        stages: dict[int, Time] = {}
        for e in calls:
            if not instance.edges.is_async[e]:
                stage, took = int(instance.edges.stage[e]), _called(instance, e, answers[e][q])
                if took[0] > stages.get(stage, (0.0, 0.0))[0]:
                    stages[stage] = took
        slowest = list(stages.values())
        out.append((math.fsum(m for m, _ in slowest), math.fsum(v for _, v in slowest)))
    return out


def _called(instance: Instance, e: int, answer: Time) -> Time:
    """Return what a call takes of its caller's time, which some requests may not make at all."""
    factor, (mean, variance) = float(instance.edges.factor[e]), answer
    if factor < 1 and float(instance.edges.calls[e]) < 1:
        second = factor * (variance + mean**2)
        return factor * mean, second - (factor * mean) ** 2
    return factor * mean, factor**2 * variance


def moving_usd(instance: Instance, s: int, regions: Sequence[int], run_usd: float) -> float:
    """Return the cost of the regions added: amortised transfer, plus stickiness."""
    now = np.flatnonzero(instance.current[s])
    total = 0.0
    for r in regions:
        if r not in now:
            per_gb = min(float(instance.region_egress_usd[q, r]) for q in now)
            total += float(instance.state_gb[s]) * per_gb
            total += (
                instance.policy.stickiness_share
                * run_usd
                * instance.policy.migration_amortisation_hours
            )
    return total / instance.policy.migration_amortisation_hours


def judge(
    instance: Instance,
    s: int,
    regions: Sequence[int],
    demand: Demand,
    calls: list[Time],
    floor: float,
) -> Judged:
    """Return instances, cost, objective and survival of one service in ``regions``."""
    policy, rate = instance.policy, _full_rate(instance, s)
    load = _load(instance, demand[0], regions)
    least = {
        r: max(policy.min_instances, _up(load[r], rate * policy.utilisation_target))
        for r in regions
    }
    lost = {f: _load(instance, demand[0], [r for r in regions if r != f]) for f in regions}
    proof = {
        r: max(
            [least[r]]
            + [_up(lost[f][r], rate * policy.utilisation_after_loss) for f in regions if f != r]
        )
        for r in regions
    }
    total = math.fsum(demand[1])
    enough = _served(lost, least, rate * policy.saturation, total) >= floor - _EPS
    needed = least if enough and not instance.loss_proof[s] else proof
    instances, share = _objective(instance, s, regions, demand, calls, load, needed)
    served = _served(lost, instances, rate * policy.saturation, total)
    usd = len(regions) * policy.open_region_usd_per_hour
    usd += (len(regions) - 1) * float(instance.replica_usd[s])
    means = dict.fromkeys(regions, 0.0)
    for client, rps in enumerate(demand[1]):
        for r, part in shares(instance, client, regions).items():
            means[r] += rps * part
    cell = {r: _bucket(instance, means[r] / (instances[r] * rate)) for r in regions}
    for r in regions:
        price = float(instance.cpu_cores[s]) * float(np.nan_to_num(instance.vcpu_usd[r]))
        price += float(instance.memory_gb[s]) * float(np.nan_to_num(instance.memory_usd[r]))
        usd += instances[r] * price
    bill = usd
    for client, rps in enumerate(demand[2]):
        for r, part in shares(instance, client, regions).items() if rps else ():
            way = _time(instance, s, client, r, cell[r], calls[r])
            usd += 3600.0 * float(instance.usd_per_request_ms[s]) * rps * part * way
    answers = []
    for q in range(instance.n_regions):
        client = instance.n_origins + q
        parts = shares(instance, client, regions).items()
        answers.append(_mixed(instance, s, client, dict(parts), cell, calls))
    took = math.fsum(
        rps * part * _time(instance, s, client, r, cell[r], calls[r])
        for client, rps in enumerate(demand[1])
        for r, part in (shares(instance, client, regions).items() if rps else ())
    )
    mean = took / total if total > 0 else 0.0
    extra = _extra_usd(instance, s, instances, share, total)
    if policy.region_loss_usd_per_request is not None:
        dropped = max(0.0, 1.0 - served) * total
        extra += 3600.0 * policy.region_loss_usd_per_request * dropped
    return Judged(instances, usd, extra, bill, share, served, mean, answers)


def _extra_usd(
    instance: Instance, s: int, instances: dict[int, int], share: float, total: float
) -> float:
    """Return what optional terms add; nothing by default."""
    policy, usd = instance.policy, 0.0
    for r, n in instances.items():
        vcpu = n * float(instance.cpu_cores[s])
        if instance.carbon_priced and instance.carbon_g_per_kwh is not None:
            kwh = vcpu * policy.watts_per_vcpu / 1000.0
            kg = kwh * float(np.nan_to_num(instance.carbon_g_per_kwh[r])) / 1000.0
            usd += kg * (policy.carbon_usd_per_kg or 0.0)
        if instance.rent_usd is not None:
            usd += vcpu * float(instance.rent_usd[r])
    price = policy.elastic_slo_usd_per_request
    if price is not None and not math.isnan(instance.slo_ms[s]):
        usd += price * 3600.0 * total * max(0.0, policy.slo_demand_share - share)
    return usd


def _full_rate(instance: Instance, s: int) -> float:
    return 1000.0 * max(1, math.floor(float(instance.cpu_cores[s]))) / float(instance.demand_ms[s])


def _up(load: float, rate: float) -> int:
    return math.ceil(load / rate - _EPS)


def _load(instance: Instance, peak: list[Floats], regions: Sequence[int]) -> dict[int, float]:
    hours = {r: np.zeros(len(peak[0])) for r in regions}
    for client, rps in enumerate(peak):
        if regions and rps.any():
            for r, part in peak_shares(instance, client, regions).items():
                hours[r] = hours[r] + part * rps
    return {r: float(h.max()) for r, h in hours.items()}


def _served(
    lost: dict[int, dict[int, float]], instances: dict[int, int], able: float, total: float
) -> float:
    if len(instances) == 1:
        return 0.0 if total > 0 else 1.0
    worst = 1.0
    for left in lost.values():
        asked = math.fsum(left.values())
        if asked > 0:
            got = math.fsum(min(rps, instances[r] * able) for r, rps in left.items())
            worst = min(worst, got / asked)
    return worst


def _bucket(instance: Instance, utilisation: float) -> int:
    edges = instance.latency.buckets.tolist()
    return min(bisect.bisect_left(edges, utilisation - _EPS), len(edges) - 1)


def _time(instance: Instance, s: int, client: int, r: int, bucket: int, calls: Time) -> float:
    parts = instance.latency
    way = float(parts.network_weight[s, r, bucket]) * float(instance.rtt_ms[client, r])
    inside = max(0.0, float(parts.own_ms[s, r, bucket]) + calls[0])
    return (way + inside) * float(parts.factor[s, r, bucket])


def _mixed(
    instance: Instance,
    s: int,
    client: int,
    parts: Mapping[int, float],
    cell: Mapping[int, int],
    calls: list[Time],
) -> Time:
    """Return mean and variance of an answer that one of several regions gives."""
    took = {r: _time(instance, s, client, r, cell[r], calls[r]) for r in parts}
    mean = math.fsum(part * took[r] for r, part in parts.items())
    variance = 0.0
    for r, part in parts.items():
        own = float(instance.latency.own_variance[s, r, cell[r]])
        inside = (0.0 if math.isnan(own) else own) + calls[r][1]
        factor = float(instance.latency.factor[s, r, cell[r]])
        variance += part * (factor**2 * inside + (took[r] - mean) ** 2)
    return mean, variance


def _in_time(
    instance: Instance, s: int, client: int, r: int, bucket: int, calls: Time, limit: float
) -> float:
    """Return the share of requests within a limit: the way does not vary, the rest is lognormal."""
    parts = instance.latency
    way = float(parts.network_weight[s, r, bucket]) * float(instance.rtt_ms[client, r])
    inside = max(0.0, float(parts.own_ms[s, r, bucket]) + calls[0])
    own = float(parts.own_variance[s, r, bucket])
    upper = float(parts.factor[s, r, bucket]) * float(parts.p95_hi[s, r, bucket])
    left = limit / upper - way if upper > 0 else math.inf
    if left <= 0:
        return 0.0
    if inside <= 0 or math.isnan(own) or own + calls[1] <= 0:
        return float(inside <= left)
    spread = min(_Z95, math.sqrt(math.log(1.0 + (own + calls[1]) / inside**2)))
    median = math.log(inside) - spread**2 / 2
    return (1.0 + math.erf((math.log(left) - median) / spread / math.sqrt(2.0))) / 2.0


def _objective(
    instance: Instance,
    s: int,
    regions: Sequence[int],
    demand: Demand,
    calls: list[Time],
    load: dict[int, float],
    needed: dict[int, int],
) -> tuple[dict[int, int], float]:
    rate, total = _full_rate(instance, s), math.fsum(demand[1])
    limit, need = float(instance.slo_stated_ms[s]), instance.policy.slo_demand_share - _EPS

    def met(instances: dict[int, int]) -> float:
        if total <= 0:
            return 1.0
        if math.isnan(limit):
            return 0.0
        good = 0.0
        for client, rps in enumerate(demand[1]):
            for r, part in shares(instance, client, regions).items() if rps else ():
                cell = _bucket(instance, load[r] / (instances[r] * rate))
                good += rps * part * _in_time(instance, s, client, r, cell, calls[r], limit)
        return good / total

    share = met(needed)
    if math.isnan(instance.slo_ms[s]) or share >= need:
        return needed, share
    edges = instance.latency.buckets.tolist()
    first = {r: _bucket(instance, load[r] / (n * rate)) for r, n in needed.items()}
    for step in (1, 2):
        quiet = {r: rate * edges[max(0, first[r] - step)] for r in needed}
        more = {r: max(n, _up(load[r], quiet[r])) for r, n in needed.items()}
        if met(more) >= need:
            return more, met(more)
    return needed, share
