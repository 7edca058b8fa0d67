"""From a region set to what follows from it: instances, cost by term, latency, rules kept.

One pure function serves the enumeration of all sets and the evaluation of one plan, so that a
set costs the same wherever it is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.placement.problem.instance import (
    BANNED,
    INCOMPLETE,
    NOT_OFFERED,
    RESIDENCY,
    Flags,
    Floats,
    Instance,
    Ints,
)
from ml.placement.problem.slots import Slots
from ml.placement.problem.terms import extra_terms

RULES = (
    "NOT_OFFERED",
    "REGION_BANNED",
    "RESIDENCY",
    "INCOMPLETE_DATA",
    "MAX_REGIONS",
    "MIN_REGIONS",
    "SLO_MISSED",
    "N1_LOSS",
    "NO_CAPACITY",
    "SLOWER_THAN_TODAY",
)
_BIT = {name: 1 << i for i, name in enumerate(RULES)}
SLOWER = _BIT["SLOWER_THAN_TODAY"]
# Absorbs the last bits of a sum before rounding up, where one bit would cost an instance.
_CEIL_SLACK = 1e-9
_EXTRA_STEPS = 2


@dataclass(frozen=True)
class Assessed:
    """What follows from services S x region sets X; money in $ per hour."""

    instances: Ints
    """``(S, X, K)``, 0 in slots that a set does not fill."""
    compute: Floats
    open: Floats
    egress: Floats
    waiting: Floats
    moving: Floats
    indirect: Floats
    """Waiting of callers' clients and cost of calls made: other services' money, ``(S, X)``."""
    mean_ms: Floats
    slot_ms: Floats
    slot_share: Floats
    slot_peak_utilisation: Floats
    slo_share: Floats
    served_share: Floats
    broken: Ints
    """Bit i is set where rule i of :data:`RULES` is broken, ``(S, X)``."""
    added: Ints
    """Regions added against today, ``(S, X)``."""
    bucket: Ints
    """Utilisation bucket of the mean load, ``(S, X, K)``."""
    carbon: Floats
    elastic: Floats
    """Price of elastic rules that the set breaks; see :mod:`ml.placement.problem.terms`."""

    @property
    def total(self) -> Floats:
        """Cost that the service itself causes, $ per hour, ``(S, X)``."""
        billed = self.compute + self.open + self.egress
        return billed + self.waiting + self.moving + self.carbon + self.elastic


@dataclass(frozen=True)
class Today:
    """What the optimiser compares with: filled from the current plan before anything is priced."""

    move_usd: Floats
    """$ per hour for adding a region, ``(S, R)``."""
    served_floor: Floats
    """Least served share after a loss, ``(S,)``."""
    slowest_ms: Floats
    """Largest mean latency that is no slowdown, infinite where none is judged, ``(S,)``."""
    home: Ints
    """Number of today's set; where none is known, of the best single region."""
    pinned: Flags
    """Services that stay, because their rules and others' contradict each other, ``(S,)``."""


def _bucket(instance: Instance, utilisation: Floats) -> Ints:
    edges = instance.latency.buckets
    found = np.searchsorted(edges, utilisation - _CEIL_SLACK, side="left")
    return np.minimum(found, len(edges) - 1)


def _ceil(load: Floats, rate: Floats) -> Ints:
    return np.ceil(load / rate - _CEIL_SLACK).astype(np.int64)


def served_share(instance: Instance, slots: Slots, instances: Ints) -> Floats:
    """Return the share of peak demand still served after the worst loss of one region.

    Args:
        instance: The problem.
        slots: Sums over clients; their ``lost_peak`` is ``(S, X, lost, slot)``.
        instances: ``(S, X, K)``.

    Returns:
        ``(S, X)``; 0 for a set of one region, 1 where nothing is asked for.
    """
    rate = instance.full_rate[slots.services] * instance.policy.saturation
    able = instances * rate[:, None, None]
    asked = slots.lost_peak.sum(axis=3)
    served = np.minimum(slots.lost_peak, able[:, :, None, :]).sum(axis=3)
    share = np.where(asked > 0, served / np.where(asked > 0, asked, 1.0), 1.0)
    share = np.where(slots.used, share, 1.0).min(axis=2)
    alone = (slots.size == 1) & (slots.mean.sum(axis=2) > 0)
    return np.asarray(np.where(alone, 0.0, share))


def _sizes(instance: Instance, slots: Slots, floor: Floats) -> Ints:
    """Return the fewest instances for the peak, and for a loss that must be survived."""
    policy = instance.policy
    rate = instance.full_rate[slots.services][:, None, None]
    least = np.maximum(policy.min_instances, _ceil(slots.peak, rate * policy.utilisation_target))
    worst = slots.lost_peak.max(axis=2)
    proof = np.maximum(least, _ceil(worst, rate * policy.utilisation_after_loss))
    least, proof = np.where(slots.used, least, 0), np.where(slots.used, proof, 0)
    enough = served_share(instance, slots, least) >= floor[:, None] - _CEIL_SLACK
    keep = enough & ~instance.loss_proof[slots.services][:, None]
    return np.where(keep[:, :, None], least, proof)


def _slo(instance: Instance, slots: Slots, least: Ints) -> tuple[Ints, Floats]:
    """Go up to two utilisation buckets down in each region where that alone meets the objective.

    Fewer more instances would change nothing that is predicted.
    """
    rate = instance.full_rate[slots.services][:, None, None]
    demand = slots.mean.sum(axis=2)

    def met(instances: Ints) -> Floats:
        at = _bucket(instance, slots.peak / (np.maximum(instances, 1) * rate))
        found = np.take_along_axis(slots.within_slo, at[..., None], axis=3)[..., 0].sum(axis=2)
        return np.where(demand > 0, found / np.where(demand > 0, demand, 1.0), 1.0)

    best, share = least, met(least)
    start = _bucket(instance, slots.peak / (np.maximum(least, 1) * rate))
    hard = ~np.isnan(instance.slo_ms[slots.services])[:, None]
    need = instance.policy.slo_demand_share - _CEIL_SLACK
    for step in range(1, _EXTRA_STEPS + 1):
        if not (hard & (share < need)).any():
            break
        quieter = instance.latency.buckets[np.maximum(start - step, 0)]
        more = np.where(slots.used, np.maximum(least, _ceil(slots.peak, rate * quieter)), 0)
        got = met(more)
        better = hard & (share < need) & (got >= need)
        best = np.where(better[..., None], more, best)
        share = np.where(better, got, share)
    return best, share


def _broken(
    instance: Instance,
    slots: Slots,
    today: Today,
    instances: Ints,
    slo: Floats,
    served: Floats,
    mean_ms: Floats,
) -> Ints:
    """Return the bits of the rules that each set breaks."""
    services, member = slots.services, slots.member
    code = instance.blocker[services][:, None, :]
    broken = np.zeros(slo.shape, dtype=np.int64)

    def add(rule: str, where: Any) -> None:
        broken[np.broadcast_to(where, broken.shape)] |= _BIT[rule]

    for rule, value in zip(RULES, (NOT_OFFERED, BANNED, RESIDENCY, INCOMPLETE), strict=False):
        add(rule, (member & (code == value)).any(axis=2))
    add("MAX_REGIONS", slots.size > instance.max_regions[services][:, None])
    # The cap bounds what is enumerated; a larger set that runs today may stay.
    at_home = (member == instance.current[services][:, None, :]).all(axis=2)
    add("MAX_REGIONS", (slots.size > instance.policy.max_regions_cap) & ~at_home)
    add("MIN_REGIONS", slots.size < instance.min_regions[services][:, None])
    hard = ~np.isnan(instance.slo_ms[services])[:, None]
    hard &= instance.policy.elastic_slo_usd_per_request is None
    add("SLO_MISSED", hard & (slo < instance.policy.slo_demand_share - _CEIL_SLACK))
    floor, proof = today.served_floor[services], instance.loss_proof[services][:, None]
    add("N1_LOSS", (proof & (slots.size < 2)) | (served < floor[:, None] - _CEIL_SLACK))
    vcpu = instances * instance.cpu_cores[services][:, None, None]
    room = np.where(slots.used, instance.hard_capacity_vcpu[slots.region], np.inf)
    add("NO_CAPACITY", (vcpu > room + _CEIL_SLACK).any(axis=2))
    if instance.memory_capacity_gb is not None:
        memory = instances * instance.memory_gb[services][:, None, None]
        room = np.where(slots.used, instance.memory_capacity_gb[slots.region], np.inf)
        add("NO_CAPACITY", (memory > room + _CEIL_SLACK).any(axis=2))
    add("SLOWER_THAN_TODAY", mean_ms > today.slowest_ms[services][:, None] * (1.0 + _CEIL_SLACK))
    return broken


def assess(
    instance: Instance, slots: Slots, today: Today, dependency_ms: Floats, onward_usd: Floats
) -> Assessed:
    """Return what follows from every set of ``slots``.

    Args:
        instance: The problem.
        slots: Sums over clients.
        today: Cost of moving and the survival that must not be lost.
        dependency_ms: Time on calls, ``(S, R)`` of the whole fleet.
        onward_usd: Cost of the calls that one request per second leads to, ``(S, R)``.
    """
    services, region, used = slots.services, slots.region, slots.used
    rows = services[:, None, None]
    floor = today.served_floor[services]
    instances, slo = _slo(instance, slots, _sizes(instance, slots, floor))
    served = served_share(instance, slots, instances)
    rate = instance.full_rate[services][:, None, None] * np.maximum(instances, 1)
    at = _bucket(instance, slots.mean / rate)
    parts = instance.latency
    weight = parts.network_weight[rows, region, at]
    inside = np.maximum(0.0, parts.own_ms[rows, region, at] + dependency_ms[rows, region])
    factor = np.where(used, parts.factor[rows, region, at], 0.0)
    slot_total = factor * (weight * slots.mean_rtt + inside * slots.mean)
    demand = slots.mean.sum(axis=2)
    some = np.where(demand > 0, demand, 1.0)
    mean_ms = slot_total.sum(axis=2) / some
    waiting = (factor * (weight * slots.wait_rtt + inside * slots.wait)).sum(axis=2)
    indirect = (factor * (weight * slots.caller_rtt + inside * slots.caller)).sum(axis=2)
    indirect += (slots.mean * onward_usd[rows, region]).sum(axis=2)
    price = np.nan_to_num(instance.instance_usd)[rows, region]
    size = np.broadcast_to(slots.size, demand.shape)
    extra = instance.replica_usd[services][:, None] * (size - 1)
    added = slots.member & ~instance.current[services][:, None, :]
    optional = extra_terms(instance, slots, instances, slo, served, added.sum(axis=2))
    return Assessed(
        instances=instances,
        compute=(instances * price).sum(axis=2),
        open=instance.policy.open_region_usd_per_hour * size + extra,
        egress=slots.egress.sum(axis=2),
        waiting=waiting,
        moving=(added * today.move_usd[services][:, None, :]).sum(axis=2),
        indirect=indirect,
        mean_ms=mean_ms,
        slot_ms=slot_total / np.where(slots.mean > 0, slots.mean, 1.0),
        slot_share=slots.mean / some[:, :, None],
        slot_peak_utilisation=slots.peak / rate,
        slo_share=slo,
        served_share=served,
        broken=_broken(instance, slots, today, instances, slo, served, mean_ms),
        added=added.sum(axis=2),
        bucket=at,
        carbon=optional.carbon,
        elastic=optional.elastic,
    )
