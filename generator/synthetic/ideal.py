"""What a perfect model of latency would predict: the truth, in the shape of predictions.

For scoring decisions only: what the optimiser would decide if it knew the truth. Nothing that
learns or decides in a build may read it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from generator.synthetic.entities import Services
from generator.synthetic.foundation import Foundation
from generator.synthetic.graph import Graph
from generator.synthetic.physics import Latency, Setting, calls_everywhere, compose, waits
from generator.synthetic.queue import Wait, wait
from generator.synthetic.rng import Floats
from generator.synthetic.twin import Demand, Inputs, Load, physics_of

_FEWEST_INSTANCES = 2.0


def ideal_latency(
    base: Foundation, demand: Demand, load: Load, buckets: Sequence[float]
) -> pd.DataFrame:
    """Return true parts of the latency by service, region and utilisation.

    Args:
        base: The fixed part of the world.
        demand: What users ask on one day.
        load: Where the plan in force sends it; calls of other services take their time under it.
        buckets: Utilisations.

    Returns:
        Columns of predicted candidates: service_id, region_id, utilization_bucket, internal_ms and
        calls_ms, the part of it that waits for calls, network_weight, residual_factor (1),
        own_sd_ms (standard deviation of own work and wait of a request), mean_lo_factor,
        mean_hi_factor, p95_factor and p95_hi_factor (1: the p95 follows from mean and variance),
        interval_level.
    """
    services = base.services
    setting = physics_of(base, demand, load, Inputs(), None).setting
    latency = compose(setting, waits(setting), demand.drift)
    calls = _calls_ms(setting, latency)
    inside = latency.own_ms[:, 0, None] + calls + _mile_ms(setting)[:, None]
    work_variance = services.work_variance_ms2 * np.exp(2 * demand.drift[:, 0])
    service, region = (index.ravel() for index in np.indices(inside.shape))
    parts = []
    for bucket in buckets:
        waited = _wait(base, setting, bucket)
        spread = np.sqrt(work_variance + waited.variance_ms2)
        parts.append(
            pd.DataFrame(
                {
                    "service_id": np.array(services.ids, dtype=object)[service],
                    "region_id": np.array(base.geography.region_ids, dtype=object)[region],
                    "utilization_bucket": float(bucket),
                    "internal_ms": (inside + waited.mean_ms[:, None]).ravel(),
                    "calls_ms": calls.ravel(),
                    "network_weight": services.round_trips[service].astype(np.float64),
                    "residual_factor": 1.0,
                    "own_sd_ms": spread[service],
                    "mean_lo_factor": 1.0,
                    "mean_hi_factor": 1.0,
                    "p95_factor": 1.0,
                    "p95_hi_factor": 1.0,
                    "interval_level": 0.8,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def ideal_calls(services: Services, graph: Graph) -> pd.DataFrame:
    """Return what one request of a caller truly waits for, call by call.

    Args:
        services: The fleet.
        graph: Its calls.

    Returns:
        One row per synchronous call, by caller and callee: caller_service_id, callee_service_id,
        latency_factor (answer times of the callee that a request waits for) and traced_factor (the
        same as tracing shows it).
    """
    edge = np.flatnonzero(~graph.is_async)
    ids = np.array(services.ids, dtype=object)
    return pd.DataFrame(
        {
            "caller_service_id": ids[graph.caller[edge]],
            "callee_service_id": ids[graph.callee[edge]],
            "latency_factor": graph.factor[edge],
            "traced_factor": graph.serial_calls[edge],
        }
    )


def _calls_ms(setting: Setting, latency: Latency) -> Floats:
    """Return the time on calls by service and region, hours weighted by load, (S, R)."""
    by_hour = setting.load.sum(axis=(1, 2))
    total = by_hour.sum(axis=1, keepdims=True)
    share = np.where(total > 0, by_hour / np.where(total > 0, total, 1.0), 1 / 24)
    calls = calls_everywhere(setting, latency).mean(axis=1)
    found: Floats = np.einsum("srh,sh->sr", calls, share)
    return found


def _mile_ms(setting: Setting) -> Floats:
    """Return what the last mile adds to a mean request, (S,): only users cross it."""
    users = setting.users.sum(axis=(1, 3))
    total = (setting.users + setting.calls).sum(axis=(1, 2, 3))
    mile = users @ setting.last_mile_ms / np.where(total > 0, total, 1.0)
    found: Floats = mile * setting.services.round_trips
    return found


def _wait(base: Foundation, setting: Setting, bucket: float) -> Wait:
    """Return the law of the wait at a utilisation, with as many instances as today, (S,)."""
    services = base.services
    counts = setting.instances[:, 0].astype(np.float64)
    regions = np.maximum((counts > 0).sum(axis=1), 1)
    servers = np.maximum(counts.sum(axis=1) / regions, _FEWEST_INSTANCES) * services.workers
    load = bucket * 1000.0 * servers / services.service_ms
    return wait(load, servers, services.service_ms, services.kappa, base.params.timeout_ms)
