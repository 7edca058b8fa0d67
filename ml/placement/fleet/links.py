"""What a region choice of one service costs its callers and its callees, at a given plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ml.placement.fleet.fleet import GB_PER_KB, SECONDS_PER_HOUR, Fleet
from ml.placement.problem.instance import Floats, Instance
from ml.placement.problem.slots import Clients
from ml.placement.problem.subsets import SetSpace


def priced_clients(instance: Instance, space: SetSpace, fleet: Fleet) -> Clients:
    """Return the plan's clients with the prices of edges on them.

    A service is chosen as if all others stayed: its callers' clients wait for its answers (the
    call that is the slowest of its stage counts), and each request it serves leads to calls that
    are answered, paid and computed in its callees' regions.
    """
    return replace(
        fleet.clients,
        caller_usd=_callers_waiting(instance, space, fleet),
        onward_usd=_onward(instance, space, fleet),
    )


def _callers_waiting(instance: Instance, space: SetSpace, fleet: Fleet) -> Floats:
    """Return $ per hour and ms that callers' clients lose, ``(S, C)``, callers first."""
    edges, regions, origins = instance.edges, instance.n_regions, instance.n_origins
    usd = np.zeros_like(fleet.clients.wait_usd)
    calling = np.arange(origins, origins + regions)
    for services in instance.layers:
        chosen = fleet.chosen[services]
        share, region = space.share[space.slot_row[chosen]], space.slot_region[chosen]
        waiting = (share * (fleet.clients.wait_usd + usd)[services][:, None]).sum(axis=2)
        at = fleet.assessed.bucket[services, 0]
        slot = instance.latency.factor[services[:, None], region, at] * waiting
        per_ms = np.zeros((instance.n_services, regions))
        np.add.at(per_ms, (services[:, None], region), slot)
        inside = np.zeros(instance.n_services, dtype=bool)
        inside[services] = True
        e = np.flatnonzero(inside[edges.caller] & ~edges.is_async)
        lost = edges.factor[e][:, None] * fleet.is_slowest[e] * per_ms[edges.caller[e]]
        np.add.at(usd, (edges.callee[e][:, None], calling), lost)
    return usd


def _onward(instance: Instance, space: SetSpace, fleet: Fleet) -> Floats:
    """Return $ per hour for the calls of one request per second in a region, callees first."""
    edges, regions, origins = instance.edges, instance.n_regions, instance.n_origins
    onward = np.zeros((instance.n_services, regions))
    share = space.share[space.slot_row[fleet.chosen]][:, :, origins:]
    region = space.slot_region[fleet.chosen]
    out = np.nan_to_num(instance.region_egress_usd)
    sent = (share * out.T[region]).sum(axis=1)
    returned = (share * out[region]).sum(axis=1)
    load = fleet.clients.mean_rps.sum(axis=1)
    per_request = fleet.assessed.instances.sum(axis=(1, 2)) / np.where(load > 0, load, 1.0)
    unit = np.nan_to_num(instance.instance_usd) * per_request[:, None]
    worth = SECONDS_PER_HOUR * instance.usd_per_request_ms[:, None] * fleet.answer_ms
    hourly = SECONDS_PER_HOUR * GB_PER_KB
    for services in reversed(instance.layers):
        inside = np.zeros(instance.n_services, dtype=bool)
        inside[services] = True
        e = np.flatnonzero(inside[edges.caller])
        if not e.size:
            continue
        t = edges.callee[e]
        spent = (unit + onward)[t[:, None], region[t]]
        served = (share[t] * spent[:, :, None]).sum(axis=1)
        transfer = (
            edges.request_kb[e][:, None] * sent[t] + edges.response_kb[e][:, None] * returned[t]
        )
        waits = np.where(edges.is_async[e][:, None], 0.0, worth[t])
        np.add.at(
            onward,
            edges.caller[e],
            edges.calls[e][:, None] * (hourly * transfer + waits + served),
        )
    return onward
