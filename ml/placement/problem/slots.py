"""Sums over clients that every cost term needs, per service, region set and region of the set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.problem.tail import log_sd, share_within

_PRUNE_ABOVE_ROWS = 400


@dataclass(frozen=True)
class Clients:
    """What the clients of each service ask for; clients are user origins, then calling regions."""

    peak_rps: Floats
    """Upper quantile, ``(S, C, H)``."""
    mean_rps: Floats
    """Mean, ``(S, C)``."""
    wait_usd: Floats
    """$ per hour for one more ms of answer time to the client, ``(S, C)``."""
    caller_usd: Floats
    """The same through the callers' own clients, who wait for the callers, ``(S, C)``."""
    egress_usd: Floats
    """$ per hour if the client is served from the region alone, ``(S, C, R)``."""
    onward_usd: Floats
    """$ per hour for the calls of one request per second served in the region, ``(S, R)``."""
    dependency_ms: Floats
    """Time that a request served in each region spends on calls, ``(S, R)``."""
    dependency_variance: Floats
    """Its variance, ms², ``(S, R)``."""


@dataclass(frozen=True)
class Slots:
    """Sums over clients for services S, region sets X and slots K of a set."""

    services: Ints
    region: Ints
    """``(S or 1, X, K)``."""
    used: Flags
    member: Flags
    """``(S or 1, X, R)``."""
    size: Ints
    """``(S or 1, X)``."""
    peak: Floats
    lost_peak: Floats
    """Peak of slot j while the region of slot i is lost, ``(S, X, i, j)``."""
    mean: Floats
    mean_rtt: Floats
    wait: Floats
    wait_rtt: Floats
    caller: Floats
    caller_rtt: Floats
    egress: Floats
    within_slo: Floats
    """Requests within the objective at the p95 bound, by utilisation bucket, ``(S, X, K, B)``."""


def in_time(
    instance: Instance, services: Ints, dependency_ms: Floats, dependency_variance: Floats
) -> Floats:
    """Return the share of requests of (service, client, region, bucket) within the objective.

    All times are taken at the upper bound of the p95. An objective is a p95 over all requests, so
    shares of clients add up: a place that is late now and then counts for what is in time of it.

    Args:
        instance: The problem.
        services: Services to judge, ``(n,)``.
        dependency_ms: Time spent on calls, ``(n, R)``.
        dependency_variance: Its variance, ms², ``(n, R)``.

    Returns:
        ``(n, C, R, B)``; 0 everywhere for a service without an objective.
    """
    parts = instance.latency
    mean = np.maximum(0.0, parts.own_ms[services] + dependency_ms[:, :, None])
    spread = log_sd(mean, parts.own_variance[services] + dependency_variance[:, :, None])
    network = parts.network_weight[services][:, None] * instance.rtt_ms[None, :, :, None]
    upper = parts.factor[services] * parts.p95_hi[services]
    slo = np.nan_to_num(instance.slo_stated_ms[services], nan=-1.0)[:, None, None]
    # Where nothing was predicted, nobody waits as far as the model knows.
    stated = np.where(upper > 0, slo / np.where(upper > 0, upper, 1.0), np.sign(slo) * np.inf)
    return share_within(stated[:, None] - network, mean[:, None], spread[:, None])


def all_sets(instance: Instance, space: SetSpace, clients: Clients, services: Ints) -> Slots:
    """Return the sums of every set of the space for the given services.

    Linear sums are one matrix product per region: the routing of a set is the same for every
    service, so only the values per client differ.
    """
    n, n_rows = len(services), len(space.row_region)
    buckets = len(instance.latency.buckets)
    within = in_time(
        instance, services, clients.dependency_ms[services], clients.dependency_variance[services]
    )
    mean = clients.mean_rps[services]
    rows = np.zeros((n, n_rows + 1, 7 + buckets))
    for region in range(instance.n_regions):
        here = np.flatnonzero(space.row_region == region)
        rtt = instance.rtt_ms[None, :, region]
        wait, caller = clients.wait_usd[services], clients.caller_usd[services]
        values = np.concatenate(
            (
                np.stack((mean, mean * rtt, wait, wait * rtt, caller, caller * rtt), axis=2),
                clients.egress_usd[services, :, region][:, :, None],
                mean[:, :, None] * within[:, :, region],
            ),
            axis=2,
        )
        rows[:, here] = np.matmul(space.share[here], values)
    peak = np.zeros((n, n_rows + 1))
    for i, service in enumerate(services):
        peak[i] = _peaks(space.peak_share, clients.peak_rps[service])
    at = rows[:, space.slot_row]
    return Slots(
        services,
        space.slot_region[None],
        space.slot_used[None],
        space.member[None],
        space.size[None],
        peak[:, space.slot_row],
        peak[:, space.lost_row],
        at[..., 0],
        at[..., 1],
        at[..., 2],
        at[..., 3],
        at[..., 4],
        at[..., 5],
        at[..., 6],
        within_slo=at[..., 7:],
    )


def _peaks(share: Floats, demand: Floats) -> Floats:
    active = demand.any(axis=1)
    if not active.any():
        return np.zeros(len(share))
    kept = demand[active]
    if len(share) > _PRUNE_ABOVE_ROWS:
        kept = _peak_hours(kept)
    load: Floats = (share[:, active] @ kept).max(axis=1)
    return load


def _peak_hours(demand: Floats) -> Floats:
    """Drop hours in which no client asks for more than in some other hour; exact for loads."""
    unique = np.unique(demand, axis=1)
    below: Flags = np.asarray((unique[:, :, None] <= unique[:, None, :]).all(axis=0))
    # Columns are distinct, so an hour is dominated only by a different one.
    np.fill_diagonal(below, val=False)
    dominated: Flags = np.asarray(below.any(axis=1))
    return np.asarray(unique[:, ~dominated])


def one_set_each(
    instance: Instance, space: SetSpace, clients: Clients, services: Ints, chosen: Ints
) -> Slots:
    """Return the sums of one set per service; ``chosen`` numbers it, shape of ``services``."""
    rows = space.slot_row[chosen]
    region = space.slot_region[chosen]
    share = space.share[rows]
    within = in_time(
        instance, services, clients.dependency_ms[services], clients.dependency_variance[services]
    )
    rtt = instance.rtt_ms.T[region]
    mean = clients.mean_rps[services][:, None, :]
    wait = clients.wait_usd[services][:, None, :]
    caller = clients.caller_usd[services][:, None, :]
    picked = np.arange(len(services))[:, None]
    egress = clients.egress_usd[services].transpose(0, 2, 1)[picked, region]
    ok = within.transpose(0, 2, 1, 3)[picked, region]
    peak = clients.peak_rps[services]

    def total(values: Floats) -> Floats:
        return np.asarray((share * values).sum(axis=2))[:, None]

    return Slots(
        services,
        region[:, None],
        space.slot_used[chosen][:, None],
        space.member[chosen][:, None],
        space.size[chosen][:, None],
        np.matmul(space.peak_share[rows], peak).max(axis=2)[:, None],
        _lost_peaks(space, chosen, peak)[:, None],
        total(mean),
        total(mean * rtt),
        total(wait),
        total(wait * rtt),
        total(caller),
        total(caller * rtt),
        total(egress),
        (share[..., None] * mean[..., None] * ok).sum(axis=2)[:, None],
    )


def _lost_peaks(space: SetSpace, chosen: Ints, peak: Floats) -> Floats:
    """Return the peak of slot j while the region of slot i is lost, ``(n, i, j)``.

    Only the slots that a set fills are multiplied: most sets are far smaller than the largest.
    """
    width = space.lost_row.shape[1]
    found = np.zeros((len(chosen), width, width))
    size = space.size[chosen]
    for k in np.unique(size[size > 1]):
        at = np.flatnonzero(size == k)
        i, j = np.nonzero(~np.eye(k, dtype=bool))
        share = space.peak_share[space.lost_row[chosen[at]][:, i, j]]
        found[at[:, None], i, j] = np.matmul(share, peak[at]).max(axis=2)
    return found
