"""The problem of the joint bound, and the prices with which it begins: what a plan implies."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ml.placement.fleet.fleet import SECONDS_PER_HOUR, Fleet
from ml.placement.graph.bound_prices import Prices, Relaxed
from ml.placement.graph.bound_terms import (
    Demand,
    buckets_of,
    demand_of,
    fastest_answers,
    reachable_objectives,
    sizes_of,
    usable_sets,
)
from ml.placement.problem.instance import Floats, Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.search.solve import Solution, move_limit


def relaxed_of(solution: Solution) -> Relaxed:
    """Return each service's own problem, at the most favourable value of what it borrows."""
    instance, space, today = solution.instance, solution.space, solution.today
    table, fleet = solution.table, solution.fleet
    demand = demand_of(instance, space)
    stays = table.is_stuck | instance.is_fixed | today.pinned
    every = np.arange(instance.n_services)
    usable = usable_sets(instance, space, today, table, demand)
    usable[stays, today.home[stays]] = True
    least, _ = fastest_answers(instance, space, usable)
    usable &= reachable_objectives(instance, space, demand, least)
    usable[instance.is_fixed] = False
    usable[stays, today.home[stays]] = True
    usable[every, fleet.chosen] = True
    added = space.member[None] & ~instance.current[:, None, :]
    moved = (added * today.move_usd[:, None, :]).sum(axis=2)
    count = added.sum(axis=2)
    extra = instance.replica_usd[:, None] * (space.size - 1)
    own = instance.policy.open_region_usd_per_hour * space.size + extra + moved
    theta = instance.edges.factor[:, None] * fleet.is_slowest
    sizes = sizes_of(instance, space, today, demand, stays)
    base = Relaxed(
        instance, space, demand, sizes,
        buckets_of(instance, space, demand), usable, own + count * instance.move_rent_usd, count,
        instance.latency.own_ms, theta,
        _worths(instance, theta, demand), np.zeros(0),
    )  # fmt: skip
    return replace(base, scale=_scale(base, solution))


def _worths(instance: Instance, theta: Floats, demand: Demand) -> tuple[Floats, Floats]:
    """Return the least and most worth of a ms of the callee per call, callers first."""
    edges = instance.edges
    own = SECONDS_PER_HOUR * instance.usd_per_request_ms
    has_users = instance.mean_rps.sum(axis=1) > 0
    low, high = np.where(has_users, own, np.inf), np.where(has_users, own, 0.0)
    factor = instance.latency.factor
    span = (factor.min(axis=2), factor.max(axis=2))
    found = (np.zeros_like(theta), np.zeros_like(theta))
    for e in instance.layer_edges:
        v, t = edges.caller[e], edges.callee[e]
        calls = theta[e] / edges.calls[e][:, None]
        least = np.where(np.isfinite(low[v]), low[v], 0.0)
        found[0][e] = calls * span[0][v] * least[:, None]
        found[1][e] = calls * span[1][v] * high[v][:, None]
        answered = np.where(edges.is_async[e], 0.0, own[t])
        real = demand.mean[v] > 0
        np.minimum.at(low, t[real], (answered + found[0][e].min(axis=1))[real])
        np.maximum.at(high, t[real], (answered + found[1][e].max(axis=1))[real])
    return found


def opening_prices(relaxed: Relaxed, solution: Solution) -> Prices:
    """Return what calls cost in a plan, and the rents of its master problem."""
    one, edges, fleet = relaxed.instance, relaxed.instance.edges, solution.fleet
    call, wait = np.zeros_like(relaxed.theta), np.zeros_like(relaxed.theta)
    share = relaxed.space.share[relaxed.space.slot_row[fleet.chosen]][..., one.n_origins :]
    region = relaxed.space.slot_region[fleet.chosen]
    worth = SECONDS_PER_HOUR * one.usd_per_request_ms
    onward, later = np.zeros((2, one.n_services, one.n_regions))
    layer = np.zeros(one.n_services, dtype=np.int64)
    for k, services in enumerate(one.layers):
        layer[services] = k
    rtt = one.rtt_ms[one.n_origins :]
    for k in range(len(one.layers) - 1, -1, -1):
        e = np.flatnonzero(layer[edges.callee] == k)
        t = edges.callee[e]
        # Calls of all deeper layers are known: what a request costs further on is complete.
        time = _time_at(relaxed, fleet, t, later, rtt)
        wait[e] = (share[t] * time).sum(axis=1)
        spent = onward[t[:, None], region[t]][..., None]
        answered = np.where(edges.is_async[e], 0.0, worth[t])[:, None]
        transfer = relaxed.transfer[e, fleet.chosen[t]]
        call[e] = transfer + (share[t] * spent).sum(axis=1) + answered * wait[e]
        np.add.at(onward, edges.caller[e], edges.calls[e][:, None] * call[e])
        np.add.at(later, edges.caller[e], relaxed.theta[e] * wait[e])
    limit = np.isfinite(row_limits(one)[: one.n_regions])
    rent = np.where(limit, solution.master.capacity_dual[: one.n_regions], 0.0)
    moves = solution.master.move_dual if math.isfinite(move_limit(one)) else 0.0
    return Prices(call, wait, rent, moves)


def _time_at(relaxed: Relaxed, fleet: Fleet, t: Ints, later: Floats, rtt: Floats) -> Floats:
    """Return ms of answer time by slot and caller's region in a plan, ``(n, K, R)``."""
    parts, region = relaxed.instance.latency, relaxed.space.slot_region[fleet.chosen[t]]
    rows, at = t[:, None], fleet.assessed.bucket[t, 0]
    inside = relaxed.inside_ms[rows, region, at] + later[rows, region]
    network = parts.network_weight[rows, region, at][..., None] * rtt.T[region]
    return np.asarray(parts.factor[rows, region, at][..., None] * (network + inside[..., None]))


def _scale(relaxed: Relaxed, solution: Solution) -> Floats:
    """Return what flows at each price, in the order of :meth:`Slopes.stacked`."""
    one = relaxed.instance
    prices = opening_prices(relaxed, solution)
    calls = np.maximum(relaxed.calls, 1e-9)[:, None] * np.ones_like(relaxed.theta)
    typical = float((calls * np.abs(prices.call)).sum() / max(calls.sum(), 1e-9)) or 1.0
    ratio = np.maximum(relaxed.worth[1], 1e-12)
    span = float((calls * ratio * np.abs(prices.wait)).sum() / (calls * ratio).sum()) or 1.0
    wait = calls * ratio * typical / span
    limit = row_limits(one)[: one.n_regions]
    room = np.where(np.isfinite(limit), limit, 1.0)
    dear = np.maximum(prices.vcpu, 0.2 * np.nan_to_num(one.vcpu_usd))
    vcpu = room * typical / np.maximum(dear, 1e-12)
    moves = move_limit(one)
    move = (moves if math.isfinite(moves) else 1.0) * typical / max(prices.move, 1e-3)
    return np.concatenate((calls.ravel(), wait.ravel(), vcpu, [max(move, 1e-9)]))
