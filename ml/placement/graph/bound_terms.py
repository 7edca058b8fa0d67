"""What each set of each service costs at least, whatever all other services do.

The parts of :mod:`ml.placement.graph.bound` that do not depend on prices: instances, answer times
and rules, each at the most favourable value of whatever is borrowed from other services.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.problem.tail import Z95, share_within
from ml.placement.problem.terms import kg_per_vcpu_hour

_SLACK = 1e-8
# Rules that no other service has a say in; the rest is judged at its most favourable.
_OWN_RULES = 0b111111
SINGLE, SEVERAL = 0, 1


@dataclass(frozen=True)
class Demand:
    """What is known of demand before anybody is placed; peaks are ``(S, H)``."""

    mean: Floats
    """Users and callers, ``(S,)``: every call is served somewhere."""
    peak: Floats
    """At least this much by hour in all regions together."""
    peak_most: Floats
    """At most this much: where regions nearly tie, both are sized."""


def demand_of(instance: Instance, space: SetSpace) -> Demand:
    """Return totals of demand: they follow from the calls, not from the plan."""
    mean = instance.mean_rps.sum(axis=1)
    peak = instance.peak_rps.sum(axis=1)
    most = peak.copy()
    sums = np.zeros((len(space.sets), space.share.shape[1]))
    for slot in range(space.slot_row.shape[1]):
        sums += space.peak_share[space.slot_row[:, slot]]
    doubled = float(sums.max(initial=1.0))
    edges = instance.edges
    for e in instance.layer_edges:
        rate = edges.calls[e]
        np.add.at(mean, edges.callee[e], rate * mean[edges.caller[e]])
        np.add.at(peak, edges.callee[e], rate[:, None] * peak[edges.caller[e]])
        np.add.at(most, edges.callee[e], rate[:, None] * doubled * most[edges.caller[e]])
    return Demand(mean, peak, most)


@dataclass(frozen=True)
class Sizes:
    """Fewest instances of every set."""

    least: Ints
    """By slot, from the users' own demand, ``(S, P, K)``."""
    more: Ints
    """To be added somewhere in the set, from the demand of users and callers, ``(S, P)``."""
    price: Floats
    """$ per hour of an instance, carbon and rents of the policy included, ``(S, R)``."""


def sizes_of(
    instance: Instance, space: SetSpace, today: Today, demand: Demand, may_break: Flags
) -> Sizes:
    """Return instances that every set needs, wherever the callers run.

    Args:
        instance: The problem.
        space: Region sets.
        today: What must survive a loss as it does today.
        demand: Totals.
        may_break: Services that may keep a set that breaks a rule on survival, ``(S,)``.
    """
    policy, n = instance.policy, instance.n_services
    origins = instance.n_origins
    rows = np.zeros((n, len(space.row_region) + 1))
    for s in range(n):
        rows[s] = (space.peak_share[:, :origins] @ instance.peak_rps[s]).max(axis=1)
    rate = instance.full_rate
    used = space.slot_used[None]
    normal, lost = rate * policy.utilisation_target, rate * policy.utilisation_after_loss
    least = _count(rows[:, space.slot_row], normal[:, None, None])
    proof = instance.loss_proof & ~may_break
    after = rows[:, space.lost_row].max(axis=2)
    least = np.where(
        proof[:, None, None], np.maximum(least, _count(after, lost[:, None, None])), least
    )
    least = np.where(used, np.maximum(policy.min_instances, least), 0)
    peak = demand.peak.max(axis=1)
    size = space.size[None].astype(float)
    alone = _count(peak, normal)[:, None] + np.zeros((1, len(space.sets)), dtype=np.int64)
    # Whoever must survive a loss has enough left in the other regions, whichever is lost: added
    # over all k losses, each region counts k - 1 times.
    kept = np.maximum(0.0, np.where(may_break, 0.0, today.served_floor) - 2e-9)
    floor = kept * peak / (rate * policy.saturation)
    floor = np.where(proof, np.maximum(floor, peak / lost), floor)
    spread = np.ceil(floor[:, None] * size / np.maximum(size - 1, 1) * (1 - _SLACK) - _SLACK)
    alone = np.where(space.size[None] > 1, np.maximum(alone, spread.astype(np.int64)), alone)
    each = np.ceil(floor * (1 - _SLACK) - _SLACK).astype(np.int64)
    pairs = (space.size == 2)[None, :, None] & used
    least = np.where(pairs, np.maximum(least, each[:, None, None]), least)
    more = np.maximum(0, alone - least.sum(axis=2))
    return Sizes(least, more, _price(instance))


def _count(load: Floats, rate: Floats) -> Ints:
    return np.asarray(np.ceil(load / rate * (1.0 - _SLACK) - _SLACK).astype(np.int64))


def _price(instance: Instance) -> Floats:
    price = np.nan_to_num(instance.instance_usd)
    extra = np.zeros(instance.n_regions)
    if instance.carbon_priced:
        extra += (instance.policy.carbon_usd_per_kg or 0.0) * np.nan_to_num(
            kg_per_vcpu_hour(instance)
        )
    if instance.rent_usd is not None:
        extra += instance.rent_usd
    return np.asarray(price + instance.cpu_cores[:, None] * extra)


def buckets_of(instance: Instance, space: SetSpace, demand: Demand) -> Flags:
    """Return which utilisation buckets can occur, for one region and for several.

    A single region serves exactly the whole demand; its instances lie between those for the
    smallest and the largest peak, at the lowest utilisation that an objective may ask for. Nowhere
    is the mean utilisation above the target, as long as no mean exceeds its peak.

    Returns:
        ``(2, S, B)``, singles first.
    """
    policy, steps = instance.policy, len(instance.latency.buckets)
    rate, every = instance.full_rate, np.arange(steps)
    normal = rate * policy.utilisation_target
    fewest = np.maximum(policy.min_instances, _count(demand.peak.max(axis=1), normal))
    quiet = rate * min(policy.utilisation_target, float(instance.latency.buckets[0]))
    most = np.ceil(demand.peak_most.max(axis=1) / quiet + _SLACK)
    highest = np.maximum(np.maximum(policy.min_instances, most), fewest) + 2
    first = _bucket(instance, demand.mean / (rate * highest) * (1 - _SLACK))
    last = _bucket(instance, demand.mean / (rate * fewest) * (1 + _SLACK) + _SLACK)
    single = (every >= first[:, None]) & (every <= last[:, None])
    is_calm = bool((instance.mean_rps <= instance.peak_rps.mean(axis=2) * (1 + _SLACK)).all())
    top = _bucket(instance, np.array([policy.utilisation_target * (1 + _SLACK)]))[0]
    several = np.broadcast_to(every <= (top if is_calm else steps - 1), single.shape)
    return np.stack((single, several))


def _bucket(instance: Instance, utilisation: Floats) -> Ints:
    edges = instance.latency.buckets
    found = np.searchsorted(edges, utilisation - 2 * _SLACK, side="left")
    return np.asarray(np.minimum(found, len(edges) - 1))


def fastest_answers(instance: Instance, space: SetSpace, may_use: Flags) -> tuple[Floats, Floats]:
    """Return the least time on calls, and the least answer time, ``(S, R)`` each.

    Callees first: a callee answers from the set, and at the utilisation, that suits the caller.
    """
    n, regions = instance.n_services, instance.n_regions
    edges, parts = instance.edges, instance.latency
    least, answers = np.zeros((n, regions)), np.zeros((n, regions))
    rtt = instance.rtt_ms[instance.n_origins :].T
    for services, e in zip(reversed(instance.layers), reversed(instance.layer_edges), strict=True):
        sync = e[~edges.is_async[e]]
        if sync.size:
            stage = np.concatenate(
                ([True], (np.diff(edges.caller[sync]) != 0) | (np.diff(edges.stage[sync]) != 0))
            )
            starts = np.flatnonzero(stage)
            times = edges.factor[sync][:, None] * answers[edges.callee[sync]]
            longest = np.maximum.reduceat(times, starts, axis=0)
            np.add.at(least, edges.caller[sync[starts]], longest)
        for s in services:
            inside = np.maximum(0.0, parts.own_ms[s] + least[s][:, None])
            time = parts.factor[s][:, None] * (
                parts.network_weight[s][:, None] * rtt[:, :, None] + inside[:, None]
            )
            by_row = space.share[:, instance.n_origins :][:-1] * time.min(axis=2)[space.row_region]
            total = np.vstack((by_row, np.zeros(regions)))[space.slot_row].sum(axis=1)
            answers[s] = np.where(may_use[s][:, None], total, np.inf).min(axis=0)
    return least, answers


def usable_sets(
    instance: Instance, space: SetSpace, today: Today, table: PlanTable, demand: Demand
) -> Flags:
    """Return sets that keep the rules on regions, and survive a loss, ``(S, P)``."""
    own = (table.broken & _OWN_RULES) == 0
    alone = (space.size == 1)[None]
    asks = instance.loss_proof | ((today.served_floor > _SLACK) & (demand.mean > 0))
    return np.asarray(own & ~(alone & asks[:, None]))


def reachable_objectives(
    instance: Instance, space: SetSpace, demand: Demand, least: Floats
) -> Flags:
    """Return sets that meet the objective with callers where that is easiest, ``(S, P)``.

    With the least time on calls, ``(S, R)``: a longer time leaves no more within a limit. Below the
    mean a wider time leaves more, so it is taken as wide as any; above it all may be within.
    """
    policy, edges = instance.policy, instance.edges
    n = instance.n_services
    ok = np.ones((n, len(space.sets)), dtype=bool)
    hard = ~np.isnan(instance.slo_ms) & (policy.elastic_slo_usd_per_request is None)
    parts = instance.latency
    for s in np.flatnonzero(hard & (demand.mean > 0)):
        mean = np.maximum(0.0, parts.own_ms[s] + least[s][:, None] - _SLACK)
        network = parts.network_weight[s] * instance.rtt_ms[:, :, None]
        upper = parts.factor[s] * parts.p95_hi[s]
        stated = instance.slo_stated_ms[s] * (1 + _SLACK) / np.where(upper > 0, upper, np.nan)
        limit = np.nan_to_num(stated, nan=np.inf) - network
        below = share_within(limit, mean, np.full_like(mean, Z95))
        within = np.where(limit >= mean, 1.0, below).max(axis=2)
        rows = np.zeros_like(space.share)
        rows[:-1] = space.share[:-1] * within.T[space.row_region]
        met = rows[space.slot_row].sum(axis=1)
        origins = instance.n_origins
        got = met[:, :origins] @ instance.mean_rps[s]
        calls = demand.mean[s] - instance.mean_rps[s].sum() if edges.caller.size else 0.0
        got = got + np.maximum(calls, 0.0) * met[:, origins:].max(axis=1, initial=0.0)
        ok[s] = got >= (policy.slo_demand_share - _SLACK) * demand.mean[s]
    return ok
