"""What a perfect model of latency would predict: the truth, in the shape of predictions.

For scoring decisions only: what the optimiser would decide if it knew the truth. Nothing that
learns or decides in a build may read it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from generator.synthetic.foundation import Foundation
from generator.synthetic.physics import (
    Latency,
    Setting,
    calls_everywhere,
    compose,
    daily_network_ms,
    waits,
)
from generator.synthetic.queue import wait
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
        Columns of predicted candidates: service_id, region_id, utilization_bucket, internal_ms,
        network_weight, residual_factor (1), mean_lo_factor and mean_hi_factor (1), p95_factor and
        p95_hi_factor (the true ratio of p95 and mean of the service), interval_level.
    """
    services = base.services
    setting = physics_of(base, demand, load, Inputs(), None).setting
    latency = compose(setting, waits(setting), demand.drift)
    inside = latency.own_ms[:, 0, None] + _calls_ms(setting, latency) + _mile_ms(setting)[:, None]
    ratio = _p95_over_mean(setting, latency)
    parts = []
    for bucket in buckets:
        waited = _wait_ms(base, setting, bucket)
        service, region = np.indices(inside.shape)
        parts.append(
            pd.DataFrame(
                {
                    "service_id": np.array(services.ids, dtype=object)[service.ravel()],
                    "region_id": np.array(base.geography.region_ids, dtype=object)[region.ravel()],
                    "utilization_bucket": float(bucket),
                    "internal_ms": (inside + waited[:, None]).ravel(),
                    "network_weight": services.round_trips[service.ravel()].astype(np.float64),
                    "residual_factor": 1.0,
                    "mean_lo_factor": 1.0,
                    "mean_hi_factor": 1.0,
                    "p95_factor": ratio[service.ravel()],
                    "p95_hi_factor": ratio[service.ravel()],
                    "interval_level": 0.8,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


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


def _wait_ms(base: Foundation, setting: Setting, bucket: float) -> Floats:
    """Return the mean wait at a utilisation, with as many instances as today, (S,)."""
    services = base.services
    counts = setting.instances[:, 0].astype(np.float64)
    regions = np.maximum((counts > 0).sum(axis=1), 1)
    servers = np.maximum(counts.sum(axis=1) / regions, _FEWEST_INSTANCES) * services.workers
    load = bucket * 1000.0 * servers / services.service_ms
    return wait(load, servers, services.service_ms, services.kappa, base.params.timeout_ms).mean_ms


def _p95_over_mean(setting: Setting, latency: Latency) -> Floats:
    """Return p95 over mean of a request from a place at the mean distance, (S,).

    The network is constant for one place, the time inside a gamma with the true moments.
    """
    load = setting.load
    total = np.maximum(load.sum(axis=(1, 2, 3)), 1e-12)

    def mean(values: Floats) -> Floats:
        found: Floats = (values * load).sum(axis=(1, 2, 3)) / total
        return found

    inside = np.maximum(mean(latency.inside_ms), 1e-6)
    spread = np.maximum(mean(latency.work_variance_ms2 + latency.wait.variance_ms2), 1e-9)
    network = mean(np.broadcast_to(daily_network_ms(setting)[..., None], load.shape))
    high = gammaincinv(inside**2 / spread, 0.95) * (spread / inside)
    found: Floats = (network + high) / (network + inside)
    return found
