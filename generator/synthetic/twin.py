"""A plan in the world before noise: load, latency, histograms. Cached, since noise comes after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from generator.synthetic.costs import compute_usd, egress_usd, storage_usd
from generator.synthetic.foundation import Foundation
from generator.synthetic.histogram import BINS, service_histograms
from generator.synthetic.observe import load_errors, shed_share
from generator.synthetic.physics import Latency, Setting, compose, waits, weighted_daily
from generator.synthetic.rng import Floats
from generator.synthetic.routing import Flows, make_flows, make_routes

Halves = NDArray[np.float32]
"""Half the memory of doubles: histograms of every row are by far the largest thing kept."""

_BLOCK = 64
"""Service-days whose histograms are made at once."""


@dataclass(frozen=True)
class Inputs:
    """Uncertain inputs, as factors on the world's own values."""

    rtt_scale: float = 1.0
    service_time_scale: float = 1.0
    capacity_scale: float = 1.0
    demand_scale: float = 1.0

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Inputs:
        """Return inputs by name.

        Raises:
            ValueError: If a name is unknown or a factor is not positive.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown or any(not v > 0 for v in values.values()):
            msg = f"inputs == {dict(values)}, must be positive factors of known names"
            raise ValueError(msg)
        return cls(**values)


@dataclass(frozen=True)
class Demand:
    """What users ask on D days, whatever the plan.

    Attributes:
        days: Absolute days, shape (D,).
        users: Direct user requests per second, shape (S, O, D, 24).
        offered: Requests after propagation, integer, shape (S, O, 24 D).
        rtt_ms: Round trips, shape (D, R, R).
        drift: What the world's own deploys add to the log of own work, shape (S, D).
    """

    days: np.ndarray
    users: Floats
    offered: np.ndarray
    rtt_ms: Floats
    drift: Floats


@dataclass(frozen=True)
class Load:
    """Where a plan sends the demand; instances has shape (S, R)."""

    instances: np.ndarray
    routes: Floats
    flows: Flows
    total: Floats


@dataclass(frozen=True)
class Physics:
    """A plan without noise, for one set of inputs.

    Attributes:
        inputs: The inputs.
        setting: Routes, load and instances.
        inside_ms: L, shape (S, D, R, 24).
        shed, failed: Shares of requests dropped and failed, shape (S, D, R, 24).
        own_share: Own work over all latency of a row, shape (S, D, R).
        cost: Compute, egress and storage in USD, shape (3, S, D).
        utilisation: Busy over running vCPUs by region and hour, shape (R, 24 D).
        rows: Service, day and region of every histogram, shape (3, P).
        counts: Requests in all hours, and after the warm-up, shape (2, P, BINS), or None.
        violating: Share above the objective from a place in a region, (S, D, Q, R, 24), or None.
        slo_ms: Objectives, shape (S,), or None.
    """

    inputs: Inputs
    setting: Setting
    inside_ms: Floats
    shed: Floats
    failed: Floats
    own_share: Floats
    cost: Floats
    utilisation: Floats
    rows: np.ndarray
    counts: Halves | None
    violating: Halves | None
    slo_ms: Floats | None


def load_of(base: Foundation, demand: Demand, instances: np.ndarray) -> Load:
    """Return the load of a plan; instances has shape (S, R)."""
    days = demand.days.size
    active = np.repeat((instances > 0)[:, None], days, axis=1)
    active &= base.services.alive(demand.days)[:, :, None]
    routes = make_routes(active, demand.rtt_ms, base.params.placement.misroute_share)
    flows = make_flows(demand.users, routes, base.services, base.graph, by_origin=True)
    users = demand.users.transpose(0, 2, 1, 3)
    return Load(instances * 1, routes, flows, users + flows.calls.sum(axis=2))


def physics_of(
    base: Foundation, demand: Demand, load: Load, inputs: Inputs, slo_ms: Floats | None
) -> Physics:
    """Return a plan without noise.

    Args:
        base: The fixed part of the world.
        demand: What users ask.
        load: Where the plan sends it.
        inputs: Factors on the world's own values.
        slo_ms: Objectives; without them histograms are left out.
    """
    scale = inputs.demand_scale
    runs: np.ndarray = np.any(load.routes, axis=2)
    setting = Setting(
        base.services,
        base.graph,
        load.routes,
        demand.rtt_ms * inputs.rtt_scale,
        base.geography.numbers("last_mile_ms"),
        demand.users.transpose(0, 2, 1, 3) * scale,
        load.flows.calls.sum(axis=3) * scale,
        load.flows.load * scale,
        load.instances[:, None, :] * runs,
        base.params.timeout_ms,
        inputs.service_time_scale,
        inputs.capacity_scale,
    )
    law = waits(setting)
    latency = compose(setting, law, demand.drift)
    inside = weighted_daily(latency.inside_ms, setting.load)
    own = np.divide(latency.own_ms[:, :, None], inside, out=np.zeros_like(inside), where=inside > 0)
    days = demand.days.size
    flat = np.ones(days)
    lives: np.ndarray = np.any(runs, axis=2)
    cost = np.stack(
        [
            compute_usd(base, load.instances)[:, None] * flat * lives,
            egress_usd(base, setting),
            storage_usd(base, load.instances)[:, None] * flat * lives,
        ]
    )
    rows = np.array(np.nonzero(setting.instances))
    shed = shed_share(law.rho)
    failed = load_errors(law, setting.timeout_ms) + base.services.error_base[:, None, None, None]
    counts, violating = None, None
    if slo_ms is not None:
        kept = np.maximum(1 - shed - failed, 0.0)
        counts, violating = _detail(setting, latency, kept, rows, slo_ms)
    return Physics(
        inputs,
        setting,
        latency.inside_ms,
        shed,
        failed,
        own,
        cost,
        _utilisation(setting, law.rho),
        rows,
        counts,
        violating,
        slo_ms,
    )


def _detail(
    setting: Setting, latency: Latency, kept: Floats, rows: np.ndarray, slo_ms: Floats
) -> tuple[Halves, Halves]:
    """Return histograms of answered requests by row, and their share above the objective."""
    count, days, regions, _ = setting.load.shape
    counts = np.zeros((2, rows.shape[1], BINS), dtype=np.float32)
    violating = np.zeros((count, days, regions, regions, 24), dtype=np.float32)
    slo = np.where(np.isfinite(slo_ms), np.minimum(slo_ms, 1e6), 1e6)
    step = max(1, _BLOCK // days)
    for first in range(0, count, step):
        some = np.arange(first, min(first + step, count))
        mine = (rows[0] >= first) & (rows[0] < first + step)
        found = service_histograms(setting, latency, some, kept=kept[some], slo_ms=slo[some])
        if found.after_warmup is None or found.violating is None:
            raise AssertionError("service_histograms was asked for detail")
        at = (rows[0, mine] - first, rows[1, mine], rows[2, mine])
        counts[0, mine] = found.requests[at]
        counts[1, mine] = found.after_warmup[at]
        violating[some] = found.violating
    return counts, violating


def _utilisation(setting: Setting, rho: Floats) -> Floats:
    """Return busy over running vCPUs of every region and hour, shape (R, 24 D)."""
    weight = setting.instances * setting.services.cores[:, None, None]
    busy = np.einsum("sdr,sdrh->rdh", weight, np.minimum(rho, 1.0))
    running = weight.sum(axis=0).T[:, :, None]
    used = np.divide(busy, running, out=np.zeros_like(busy), where=running > 0)
    by_hour: Floats = used.reshape(used.shape[0], -1)
    return by_hour
