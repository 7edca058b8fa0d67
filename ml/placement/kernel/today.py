"""Chosen sets of a whole fleet judged by the NumPy evaluation, a chunk of services at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.placement.fleet.evaluate import Assessed, Today, assess
from ml.placement.fleet.fleet import MICRO, migration_usd
from ml.placement.kernel.clients import Source, listed_slots
from ml.placement.problem.instance import Flags, Floats, Instance, Ints

_CHUNK = 250


@dataclass(frozen=True)
class Judged:
    """What follows from one set per service; money in micro-dollars per hour, ``(S,)``."""

    cost_micro: Ints
    instances: Ints
    """``(S, K)``."""
    broken: Ints
    added: Ints
    slo_share: Floats
    run_usd: Floats
    """Without the cost of moving, $ per hour."""
    served_share: Floats
    mean_ms: Floats


def judge_sets(
    instance: Instance,
    source: Source,
    today: Today,
    regions: Ints,
    services: Ints | None = None,
    base_usd: Floats | None = None,
) -> Judged:
    """Evaluate one set per service with :func:`ml.placement.fleet.evaluate.assess`.

    Args:
        instance: The problem.
        source: Clients.
        today: What is compared with.
        regions: Regions of each service's set, ascending, -1 where not filled, ``(n, K)``.
        services: Which services; all by default.
        base_usd: Taken off each service's cost, ``(S,)``; nothing by default.
    """
    wanted = np.arange(instance.n_services) if services is None else services
    base = np.zeros(instance.n_services) if base_usd is None else base_usd
    parts: list[Assessed] = []
    usd: list[Floats] = []
    for first in range(0, len(wanted), _CHUNK):
        some = wanted[first : first + _CHUNK]
        found = _assessed(instance, source, today, some, regions[first : first + _CHUNK])
        parts.append(found)
        usd.append((found.total + found.indirect)[:, 0] - base[some])

    def joined(name: str) -> Floats:
        return np.concatenate([getattr(part, name)[:, 0] for part in parts])

    return Judged(
        np.rint(np.concatenate(usd) * MICRO).astype(np.int64),
        joined("instances").astype(np.int64),
        joined("broken").astype(np.int64),
        joined("added").astype(np.int64),
        joined("slo_share"),
        joined("compute") + joined("open") + joined("egress") + joined("waiting"),
        joined("served_share"),
        joined("mean_ms"),
    )


def _assessed(
    instance: Instance, source: Source, today: Today, services: Ints, regions: Ints
) -> Assessed:
    clients = source.part(services)
    slots = listed_slots(instance, clients, services, regions)
    wide = np.broadcast_to(0.0, (instance.n_services, instance.n_regions))
    shift, onward = wide, wide
    if clients.dependency_ms.any() or clients.onward_usd.any():
        shift, onward = wide.copy(), wide.copy()
        shift[services], onward[services] = clients.dependency_ms, clients.onward_usd
    return assess(instance, slots, today, shift, onward)


def listed(member: Flags, width: int) -> Ints:
    """Return the regions flagged in each row, ascending, -1 where there are fewer than ``width``.

    Example:
        >>> listed(np.array([[True, False, True]]), 4).tolist()
        [[0, 2, -1, -1]]
    """
    order = np.argsort(~member, axis=1, kind="stable")[:, :width]
    found = np.where(np.take_along_axis(member, order, axis=1), order, -1)
    spare = width - found.shape[1]
    return np.pad(found, ((0, 0), (0, max(0, spare))), constant_values=-1).astype(np.int64)


def home_sets(instance: Instance) -> Ints:
    """Return today's regions of every service; the nearest allowed one where none is known."""
    member = instance.current.copy()
    for s in np.flatnonzero(~member.any(axis=1)):
        demand = instance.mean_rps[s]
        rtt = instance.rtt_ms[: instance.n_origins]
        way = demand @ rtt if demand.any() else np.nan_to_num(instance.vcpu_usd, nan=np.inf)
        member[s, int(np.argmin(np.where(instance.blocker[s] == 0, way, np.inf)))] = True
    width = max(int(member.sum(axis=1).max()), min(instance.policy.max_regions_cap, len(member.T)))
    return listed(member, width)


def plain_today(instance: Instance, source: Source) -> Today:
    """Return what the optimiser compares with, for services that do not call each other.

    The figures are those of :func:`ml.placement.fleet.fleet.describe_today`, which evaluates
    calls too and needs all sets of the fleet enumerated for it.
    """
    n, shape = instance.n_services, (instance.n_services, instance.n_regions)
    sets = home_sets(instance)
    nothing = np.broadcast_to(0.0, shape)
    nobody = np.zeros(n, dtype=bool)
    home = np.zeros(n, dtype=np.int64)
    free = Today(nothing, np.zeros(n), np.full(n, np.inf), home, nobody)
    first = judge_sets(instance, source, free, sets)
    policy, has_today = instance.policy, instance.current.any(axis=1)
    floor = np.where(has_today & policy.keep_loss_survival, first.served_share, 0.0)
    move = migration_usd(instance) / policy.migration_amortisation_hours
    move += (policy.stickiness_share * first.run_usd)[:, None]
    move[~has_today] = 0.0
    is_judged = has_today & (first.mean_ms > 0) & np.isfinite(policy.slowdown_factor)
    slowest = np.full(n, np.inf)
    slowest[is_judged] = first.mean_ms[is_judged] * policy.slowdown_factor
    return replace(free, move_usd=move, served_floor=floor, slowest_ms=slowest)
