"""Evaluate a plan of the whole fleet: calls flow from callers to callees, answers flow back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.placement.fleet.evaluate import Assessed, Today, assess
from ml.placement.problem.instance import Edges, Flags, Floats, Instance, Ints
from ml.placement.problem.slots import Clients, one_set_each
from ml.placement.problem.subsets import SetSpace

SECONDS_PER_HOUR = 3600.0
GB_PER_KB = 1e-6
MICRO = 1_000_000


@dataclass(frozen=True)
class Fleet:
    """One plan of the fleet and all that follows from it; every array is per service S."""

    chosen: Ints
    clients: Clients
    assessed: Assessed
    """With X = 1 set per service."""
    answer_ms: Floats
    """Mean answer time to a caller in each region, ``(S, R)``."""
    answer_variance: Floats
    """Its variance, ms², ``(S, R)``."""
    is_slowest: Flags
    """Whether an edge decides how long its stage takes, by caller region, ``(E, R)``."""

    @property
    def cost_micro(self) -> Ints:
        """Cost by service in whole micro-dollars per hour, ``(S,)``."""
        return np.rint(self.assessed.total[:, 0] * MICRO).astype(np.int64)


def evaluate_fleet(instance: Instance, space: SetSpace, chosen: Ints, today: Today) -> Fleet:
    """Return what follows from one region set per service.

    Args:
        instance: The problem.
        space: Region sets.
        chosen: Number of the set of each service, ``(S,)``.
        today: What to compare with.
    """
    layers = instance.layers
    clients = _flows(instance, space, chosen)
    n, regions = instance.n_services, instance.n_regions
    calls, answers = np.zeros((2, n, regions)), np.zeros((2, n, regions))
    slowest = np.zeros((len(instance.edges.caller), regions), dtype=bool)
    clients = replace(clients, dependency_ms=calls[0], dependency_variance=calls[1])
    parts: list[tuple[Ints, Assessed]] = []
    for services, e in zip(reversed(layers), reversed(instance.layer_edges), strict=True):
        _wait_for_calls(instance, e, answers, calls, slowest)
        slots = one_set_each(instance, space, clients, services, chosen[services])
        found = assess(instance, slots, today, clients.dependency_ms, clients.onward_usd)
        answers[:, services] = answer_times(
            instance, space, services, chosen[services], found, calls
        )
        parts.append((services, found))
    return Fleet(chosen.copy(), clients, _joined(parts), answers[0], answers[1], slowest)


def _flows(instance: Instance, space: SetSpace, chosen: Ints) -> Clients:
    """Return every service's clients, callers first: where callers run decides who calls."""
    n, origins, regions = instance.n_services, instance.n_origins, instance.n_regions
    shape = (n, origins + regions)
    peak = np.zeros((*shape, instance.peak_rps.shape[2]))
    mean, wait, egress = np.zeros(shape), np.zeros(shape), np.zeros((*shape, regions))
    peak[:, :origins], mean[:, :origins] = instance.peak_rps, instance.mean_rps
    worth = SECONDS_PER_HOUR * instance.usd_per_request_ms
    wait[:, :origins] = worth[:, None] * instance.mean_rps
    per_gb = (
        instance.response_kb[:, None] * np.nan_to_num(instance.user_egress_usd)
        + instance.request_kb[:, None] * instance.policy.ingress_usd_per_gb
    )
    hourly = SECONDS_PER_HOUR * GB_PER_KB
    egress[:, :origins] = hourly * instance.mean_rps[:, :, None] * per_gb[:, None, :]
    edges, out = instance.edges, instance.region_egress_usd
    calling = np.arange(origins, origins + regions)
    for services, e, sent in zip(
        instance.layers, instance.layer_edges, instance.layer_calls, strict=True
    ):
        if not e.size:
            continue
        load_peak, load_mean = loads_of(space, chosen[services], peak, mean, services)
        at, callee = np.searchsorted(services, edges.caller[e]), edges.callee[e][:, None]
        calls = edges.calls[e][:, None] * load_mean[at]
        called = np.unique(edges.callee[e])
        flat = sent[called] @ load_peak.reshape(len(services), -1)
        peak[called, origins:] += flat.reshape(len(called), regions, -1)
        np.add.at(mean, (callee, calling), calls)
        answered = np.where(edges.is_async[e], 0.0, worth[edges.callee[e]])
        np.add.at(wait, (callee, calling), answered[:, None] * calls)
        usd = edges.request_kb[e][:, None, None] * out + edges.response_kb[e][:, None, None] * out.T
        np.add.at(egress, (callee, calling), hourly * calls[:, :, None] * usd)
    nothing = np.zeros((n, regions))
    return Clients(peak, mean, wait, np.zeros(shape), egress, nothing, nothing, nothing)


def loads_of(
    space: SetSpace, chosen: Ints, peak: Floats, mean: Floats, rows: Ints | None = None
) -> tuple[Floats, Floats]:
    """Return the load by region of one set per service: peak ``(n, R, H)``, mean ``(n, R)``.

    Args:
        space: Region sets.
        chosen: Number of each set, ``(n,)``.
        peak: Peak of the clients, ``(S, C, H)``.
        mean: Mean of the clients, ``(S, C)``.
        rows: Row of each service in ``peak`` and ``mean``; all in order by default.
    """
    rows_of = space.slot_row[chosen]
    share, region = space.share[rows_of], space.slot_region[chosen]
    at = np.arange(len(chosen))[:, None]
    load_peak = np.zeros((len(chosen), space.member.shape[1], peak.shape[2]))
    load_mean = np.zeros((len(chosen), space.member.shape[1]))
    peak, mean = (peak, mean) if rows is None else (peak[rows], mean[rows])
    np.add.at(load_peak, (at, region), np.matmul(space.peak_share[rows_of], peak))
    np.add.at(load_mean, (at, region), (share * mean[:, None]).sum(axis=2))
    return load_peak, load_mean


def _wait_for_calls(
    instance: Instance, e: Ints, answers: Floats, calls: Floats, slowest: Flags
) -> None:
    """Fill mean and variance of the time on calls ``e`` of one layer, ``(2, S, R)``."""
    edges = instance.edges
    e = e[~edges.is_async[e]]
    if e.size:
        times = call_times(edges, e, answers[:, edges.callee[e]])
        slowest[e] = slowest_calls(edges.caller[e], edges.stage[e], times, calls)


def call_times(edges: Edges, e: Ints, answers: Floats) -> Floats:
    """Return mean and variance of the time that a caller's request spends on each call.

    Args:
        edges: All calls.
        e: The calls asked for, ``(n,)``.
        answers: Mean and variance of what their callees answer, ``(2, n, R)``.
    """
    own, coin = edges.spread[e].T[..., None]
    mean = edges.factor[e][:, None] * answers[0]
    return np.stack((mean, own * answers[1] + coin * answers[0] ** 2))


def slowest_calls(owner: Ints, stage: Ints, times: Floats, total: Floats) -> Flags:
    """Add the slowest call of each stage to ``total``; return which calls those are.

    Args:
        owner: Row of ``total`` that makes the call; calls are sorted by owner and stage.
        stage: Calls of one stage are made at once, stages follow each other.
        times: Mean and variance of each call by region of the caller, ``(2, n, R)``.
        total: Grows, ``(2, rows, R)``.
    """
    # Calls are sorted by owner and stage: a new group starts where either changes.
    new = np.ones(len(owner), dtype=bool)
    new[1:] = (np.diff(owner) != 0) | (np.diff(stage) != 0)
    group = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    longest = np.maximum.reduceat(times[0], starts, axis=0)
    is_longest = times[0] >= longest[group]
    # Of several equally slow calls only the first counts, so that weights add up to one.
    before = np.cumsum(is_longest, axis=0) - is_longest
    found: Flags = np.asarray(is_longest & (before == before[starts][group]))
    np.add.at(total[0], owner[starts], longest)
    np.add.at(total[1], owner, np.where(found, times[1], 0.0))
    return found


def answer_times(
    instance: Instance,
    space: SetSpace,
    services: Ints,
    chosen: Ints,
    found: Assessed,
    calls: Floats,
) -> Floats:
    """Return mean and variance of the answer time of ``services``, ms and ms², ``(2, n, R)``.

    Args:
        instance: The problem.
        space: Region sets.
        services: Rows of ``calls`` and of the predictions.
        chosen: Number of each set, ``(n,)``.
        found: What follows from it.
        calls: Mean and variance of the time on calls, ``(2, rows, R)``.
    """
    share = space.share[space.slot_row[chosen]][:, :, instance.n_origins :]
    region, at = space.slot_region[chosen], found.bucket[:, 0]
    rows, parts = services[:, None], instance.latency
    rtt = instance.rtt_ms[instance.n_origins :].T[region]
    factor = parts.factor[rows, region, at]
    inside = np.maximum(0.0, parts.own_ms[rows, region, at] + calls[0, rows, region])
    times = factor[..., None] * (
        parts.network_weight[rows, region, at][..., None] * rtt + inside[..., None]
    )
    mean = (share * times).sum(axis=1)
    own = np.nan_to_num(parts.own_variance[rows, region, at]) + calls[1, rows, region]
    spread = (factor**2 * own)[..., None] + (times - mean[:, None]) ** 2
    return np.stack((mean, (share * spread).sum(axis=1)))


def _joined(parts: list[tuple[Ints, Assessed]]) -> Assessed:
    order = np.argsort(np.concatenate([services for services, _ in parts]), kind="stable")
    names = Assessed.__dataclass_fields__
    return Assessed(
        **{k: np.concatenate([getattr(found, k) for _, found in parts])[order] for k in names}
    )


def describe_today(instance: Instance, space: SetSpace) -> tuple[Today, Fleet]:
    """Return today's plan, evaluated like any other, and what is compared with it.

    The cost of adding a region is the amortised transfer of state from the cheapest region of
    today, plus the stickiness share of what the service costs today.
    """
    n = instance.n_services
    home = np.array([_home(instance, space, s) for s in range(n)], dtype=np.int64)
    first = evaluate_fleet(instance, space, home, nothing_to_compare(instance, home))
    floor = np.zeros(n)
    has_today: Flags = np.asarray(instance.current.any(axis=1))
    if instance.policy.keep_loss_survival:
        floor = np.where(has_today, first.assessed.served_share[:, 0], 0.0)
    transfer = migration_usd(instance)
    run = first.assessed.compute + first.assessed.open + first.assessed.egress
    sticky = instance.policy.stickiness_share * (run + first.assessed.waiting)[:, 0]
    move = transfer / instance.policy.migration_amortisation_hours + sticky[:, None]
    move = np.where(has_today[:, None], move, 0.0)
    mean = first.assessed.mean_ms[:, 0]
    is_judged = has_today & (mean > 0) & np.isfinite(instance.policy.slowdown_factor)
    slowest = np.where(is_judged, mean, 1.0) * np.where(
        is_judged, instance.policy.slowdown_factor, np.inf
    )
    nobody = np.zeros(n, dtype=bool)
    today = Today(move, floor, slowest, home, nobody)
    return today, evaluate_fleet(instance, space, home, today)


def nothing_to_compare(instance: Instance, home: Ints) -> Today:
    """Return a comparison that costs nothing and asks for nothing."""
    shape = (instance.n_services, instance.n_regions)
    free = np.zeros(shape[0], dtype=bool)
    never = np.full(shape[0], np.inf)
    return Today(np.zeros(shape), np.zeros(shape[0]), never, home, free)


def migration_usd(instance: Instance) -> Floats:
    """Return the one-off cost of sending a service's state to each region, $, ``(S, R)``."""
    out = np.nan_to_num(instance.region_egress_usd)
    cheapest = np.where(instance.current[:, :, None], out[None], np.inf).min(axis=1)
    return instance.state_gb[:, None] * np.where(np.isfinite(cheapest), cheapest, 0.0)


def _home(instance: Instance, space: SetSpace, service: int) -> int:
    if instance.current[service].any():
        return space.of(instance.current[service])
    demand = instance.mean_rps[service]
    way = (demand @ instance.rtt_ms[: instance.n_origins]) if demand.any() else instance.vcpu_usd
    way = np.where(instance.blocker[service] == 0, np.nan_to_num(way, nan=np.inf), np.inf)
    return space.index[(int(np.argmin(way)),)]
