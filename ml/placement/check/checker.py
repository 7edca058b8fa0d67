"""A second reading of the rules: recomputes a plan from its region sets alone.

Shares no code with the optimiser's evaluation, on purpose: plain loops over services, clients and
regions. A plan is published only if both agree on every instance count and on the cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.placement.check.checker_parts import (
    Time,
    calls_time,
    judge,
    moving_usd,
    peak_shares,
    shares,
)
from ml.placement.problem.instance import Floats, Instance

_TOLERANCE_SHARE = 1e-9
_TOLERANCE_MICRO = 2.0
_EPS = 1e-9

Regions = Sequence[int]


@dataclass
class _Service:
    """What the checker finds for one service."""

    cost_usd: float = 0.0
    run_usd: float = 0.0
    bill_usd: float = 0.0
    instances: dict[int, int] = field(default_factory=dict)
    answers: list[Time] = field(default_factory=list)
    slo_share: float = 1.0
    served: float = 1.0
    mean_ms: float = 0.0


@dataclass(frozen=True)
class CheckReport:
    """Findings of the checker; a plan is sound when ``findings`` is empty."""

    findings: tuple[str, ...]
    cost_usd: float
    broken_services: tuple[str, ...]
    """Services that break a rule of their own in this plan."""

    @property
    def is_ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True)
class _Context:
    """Today's plan as the checker itself finds it."""

    served: list[float]
    run_usd: list[float]
    mean_ms: list[float]


def check_plan(
    instance: Instance,
    regions: Sequence[Regions],
    instances: Sequence[dict[int, int]],
    cost_micro: int,
    *,
    may_break: frozenset[int] = frozenset(),
    today: Sequence[Regions] | None = None,
    with_rows: bool = True,
) -> CheckReport:
    """Recompute a plan and compare.

    Args:
        instance: The problem.
        regions: Regions of each service.
        instances: Instances of each service by region, as the optimiser states them.
        cost_micro: Cost of the plan as the optimiser states it, micro-dollars per hour.
        may_break: Services that keep their regions although these break a rule.
        today: Today's regions of each service; by default those flagged current.
        with_rows: Whether capacity and the move budget must hold.
    """
    now = today if today is not None else [np.flatnonzero(c).tolist() for c in instance.current]
    base = _walk(instance, now, None)
    context = _Context(
        [b.served for b in base],
        [b.run_usd for b in base],
        [b.mean_ms for b in base],
    )
    found = _walk(instance, regions, context)
    findings = []
    for s, one in enumerate(found):
        if one.instances != dict(instances[s]):
            findings.append(
                f"{instance.service_ids[s]}: instances {dict(instances[s])}, found {one.instances}"
            )
    total = math.fsum(one.cost_usd for one in found)
    slack = _TOLERANCE_MICRO * len(found) / 2 + abs(cost_micro) * _TOLERANCE_SHARE
    if abs(total * 1e6 - cost_micro) > slack:
        findings.append(f"cost {cost_micro / 1e6} $ per hour, found {total}")
    rules = {
        s: _breaks(instance, s, regions[s], now[s], one, context) for s, one in enumerate(found)
    }
    broken = [s for s, listed in rules.items() if listed]
    findings += [
        f"{instance.service_ids[s]}: {'; '.join(rules[s])}" for s in broken if s not in may_break
    ]
    findings += _rows(instance, regions, found) if with_rows else []
    return CheckReport(tuple(findings), total, tuple(instance.service_ids[s] for s in broken))


def _breaks(
    instance: Instance,
    s: int,
    regions: Regions,
    now: Regions,
    one: _Service,
    context: _Context,
) -> list[str]:
    policy = instance.policy
    out = [f"blocked in {instance.region_ids[r]}" for r in regions if instance.blocker[s, r]]
    if not instance.min_regions[s] <= len(regions) <= instance.max_regions[s]:
        out.append(f"{len(regions)} regions")
    if len(regions) > policy.max_regions_cap and sorted(regions) != sorted(now):
        out.append(f"{len(regions)} regions, cap {policy.max_regions_cap}")
    hard = not math.isnan(instance.slo_ms[s]) and policy.elastic_slo_usd_per_request is None
    if hard and one.slo_share < policy.slo_demand_share - _EPS:
        out.append(f"objective met for {one.slo_share:.3f} of demand")
    if instance.loss_proof[s] and len(regions) < 2:
        out.append("one region only")
    keep = policy.keep_loss_survival and instance.current[s].any()
    if keep and one.served < context.served[s] - 1e-7:
        out.append(f"serves {one.served:.4f} after a loss, today {context.served[s]:.4f}")
    limit = policy.slowdown_limit_share
    if limit is not None and instance.current[s].any() and context.mean_ms[s] > 0:
        allowed = context.mean_ms[s] * max(1, (1 + limit) / (1 + policy.slowdown_error_share))
        if one.mean_ms > allowed * (1 + 1e-7):
            out.append(f"mean of {one.mean_ms:.3f} ms, today {context.mean_ms[s]:.3f} ms")
    return out


def _rows(instance: Instance, regions: Sequence[Regions], found: list[_Service]) -> list[str]:
    out = []
    for r, name in enumerate(instance.region_ids):
        use = math.fsum(
            one.instances.get(r, 0) * float(instance.cpu_cores[s]) for s, one in enumerate(found)
        )
        paid = instance.rent_usd is not None and instance.rent_usd[r] > 0
        if not paid and use > instance.capacity_vcpu[r] + 1e-6:
            out.append(f"{name}: {use} vCPU used, capacity {instance.capacity_vcpu[r]}")
        if instance.memory_capacity_gb is not None:
            gb = math.fsum(
                one.instances.get(r, 0) * float(instance.memory_gb[s])
                for s, one in enumerate(found)
            )
            if gb > instance.memory_capacity_gb[r] + 1e-6:
                out.append(f"{name}: {gb} GB used, capacity {instance.memory_capacity_gb[r]}")
    bill = math.fsum(one.bill_usd for one in found)
    if bill > instance.bill_cap_usd + 1e-6:
        out.append(f"bill of {bill} $ per hour, cap {instance.bill_cap_usd}")
    added = sum(1 for s, chosen in enumerate(regions) for r in chosen if not instance.current[s, r])
    budget = instance.policy.move_budget if instance.move_rent_usd == 0 else None
    if budget is not None and added > budget:
        out.append(f"{added} regions added, move budget {instance.policy.move_budget}")
    return out


def _walk(
    instance: Instance, regions: Sequence[Regions], context: _Context | None
) -> list[_Service]:
    """Follow the calls down, then the answers up."""
    n, width = instance.n_services, instance.n_origins + instance.n_regions
    calls: list[list[int]] = [[] for _ in range(n)]
    waiting_for = [0] * n
    for e in range(len(instance.edges.caller)):
        calls[int(instance.edges.caller[e])].append(e)
        waiting_for[int(instance.edges.callee[e])] += 1
    order, ready = [], [s for s in range(n) if not waiting_for[s]]
    while ready:
        s = ready.pop()
        order.append(s)
        for e in calls[s]:
            t = int(instance.edges.callee[e])
            waiting_for[t] -= 1
            if not waiting_for[t]:
                ready.append(t)
    hours = instance.peak_rps.shape[2]
    peak = [[np.zeros(hours) for _ in range(width)] for _ in range(n)]
    mean, worth, transfer = ([[0.0] * width for _ in range(n)] for _ in range(3))
    for s in range(n):
        for o in range(instance.n_origins):
            peak[s][o] = instance.peak_rps[s, o].copy()
            mean[s][o] = float(instance.mean_rps[s, o])
            worth[s][o] = mean[s][o]
    for s in order:
        transfer[s] = _send(instance, s, regions, calls[s], peak, mean, worth, transfer[s])
    found = [_Service() for _ in range(n)]
    for s in reversed(order):
        _answer(instance, s, regions[s], calls[s], (peak[s], mean[s], worth[s]), found, context)
        found[s].cost_usd += transfer[s][-1]
        found[s].run_usd += transfer[s][-1]
        found[s].bill_usd += transfer[s][-1]
    return found


def _send(
    instance: Instance,
    s: int,
    regions: Sequence[Regions],
    calls: list[int],
    peak: list[list[Floats]],
    mean: list[list[float]],
    worth: list[list[float]],
    paid: list[float],
) -> list[float]:
    """Send the calls of ``s`` to its callees' clients; return what ``s``'s clients pay, last."""
    edges, origins = instance.edges, instance.n_origins
    for client in range(len(mean[s])):
        if mean[s][client] == 0 and not peak[s][client].any():
            continue
        sized = peak_shares(instance, client, regions[s])
        for r, share in shares(instance, client, regions[s]).items():
            served = mean[s][client] * share
            if client < origins:
                out = float(np.nan_to_num(instance.user_egress_usd[r]))
                back = float(instance.response_kb[s]) * out
                back += float(instance.request_kb[s]) * instance.policy.ingress_usd_per_gb
                paid[client] += 3600.0 * 1e-6 * served * back
            for e in calls:
                t, rate = int(edges.callee[e]), float(edges.calls[e])
                peak[t][origins + r] = peak[t][origins + r] + rate * sized[r] * peak[s][client]
                mean[t][origins + r] += rate * served
                worth[t][origins + r] += 0.0 if edges.is_async[e] else rate * served
    _pay(instance, s, regions, mean, paid)
    return [*paid, math.fsum(paid)]


def _pay(
    instance: Instance,
    t: int,
    regions: Sequence[Regions],
    mean: list[list[float]],
    paid: list[float],
) -> None:
    """Add the transfer of the calls that reach ``t``, both directions."""
    edges, origins = instance.edges, instance.n_origins
    for e in np.flatnonzero(edges.callee == t):
        v = int(edges.caller[e])
        load = dict.fromkeys(regions[v], 0.0)
        for client in range(len(mean[v])):
            if mean[v][client]:
                for r, share in shares(instance, client, regions[v]).items():
                    load[r] += share * mean[v][client]
        for q, rps in load.items():
            for r, share in shares(instance, origins + q, regions[t]).items():
                usd = float(edges.request_kb[e]) * float(instance.region_egress_usd[q, r])
                usd += float(edges.response_kb[e]) * float(instance.region_egress_usd[r, q])
                paid[origins + q] += 3600.0 * 1e-6 * float(edges.calls[e]) * rps * share * usd


def _answer(
    instance: Instance,
    s: int,
    regions: Regions,
    calls: list[int],
    demand: tuple[list[Floats], list[float], list[float]],
    found: list[_Service],
    context: _Context | None,
) -> None:
    """Fill what ``s`` needs and costs, and how long its callers wait."""
    one = found[s]
    answers = {e: found[int(instance.edges.callee[e])].answers for e in calls}
    waits = calls_time(instance, calls, answers)
    floor = context.served[s] if context and instance.policy.keep_loss_survival else 0.0
    floor = floor if instance.current[s].any() else 0.0
    judged = judge(instance, s, regions, demand, waits, floor)
    one.instances, one.slo_share, one.served = judged.instances, judged.slo_share, judged.served
    one.mean_ms = judged.mean_ms
    one.answers, one.run_usd = judged.answers, judged.usd
    one.cost_usd = judged.usd + judged.extra_usd
    one.bill_usd = judged.bill_usd
    if context:
        added = sum(1 for r in regions if not instance.current[s, r])
        one.cost_usd += added * instance.move_rent_usd
    if context and instance.current[s].any():
        one.cost_usd += moving_usd(instance, s, regions, context.run_usd[s])
