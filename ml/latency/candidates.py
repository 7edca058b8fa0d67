"""What a service would add in every region at every load: the table the optimiser reads.

The mean of a plan is (network_weight × round trip + internal_ms) × residual_factor. Its p95 follows
from that mean, from own_sd_ms and from the calls that the plan leaves; README.md says how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.graph import FloatArray
from ml.latency.intervals import Intervals
from ml.latency.model import Core, Data, Rows, assemble, pick_kind, predict
from ml.latency.percentile import Percentile
from ml.latency.residual import context
from ml.latency.settings import LatencySettings

_MIN_INSTANCES = 2.0
_SPILL_P95 = 0.05


@dataclass(frozen=True)
class Fitted:
    """Everything a served model knows; without ``percentile`` no p95 is claimed."""

    core: Core
    intervals: Intervals
    percentile: Percentile | None


def queue_ms(demand_ms: FloatArray, workers: FloatArray, rho: float) -> FloatArray:
    """Return Sakasegawa's mean wait at utilisation ``rho``, ms.

    >>> float(np.round(queue_ms(np.array([10.0]), np.array([1.0]), 0.5)[0], 6))
    10.0
    """
    wait: FloatArray = demand_ms * busy_probability(workers, rho) / (workers * (1 - rho))
    return wait


def busy_probability(workers: FloatArray, rho: float) -> FloatArray:
    """Return Sakasegawa's stand-in for the probability that a request waits."""
    probability: FloatArray = rho ** (np.sqrt(2 * (workers + 1)) - 1)
    return probability


def queue_p95_ms(demand_ms: FloatArray, workers: FloatArray, rho: float) -> FloatArray:
    """Return the 95 % quantile of a wait that is exponential once it happens, ms."""
    scale = demand_ms / (workers * (1 - rho))
    tail: FloatArray = scale * np.log(np.maximum(busy_probability(workers, rho) / _SPILL_P95, 1.0))
    return tail


def build_candidates(
    data: Data, fitted: Fitted, settings: LatencySettings, model_id: str
) -> pd.DataFrame:
    """Return ``latency_candidates``: every active service, region and utilisation bucket."""
    asked = data.inputs.candidates
    if asked.empty:
        return pd.DataFrame()
    service = np.searchsorted(data.fleet.services.astype(str), asked["service_id"].astype(str))
    region = np.searchsorted(data.fleet.regions.astype(str), asked["region_id"].astype(str))
    instances = _instances(data, settings)[service]
    workers = instances * np.maximum(np.floor(asked["cpu_cores"].fillna(1).to_numpy(float)), 1.0)
    frames = [
        _bucket(data, fitted, settings, rho, service, region, instances, workers)
        for rho in settings.buckets
    ]
    table = pd.concat(frames, ignore_index=True)
    return table.assign(model_id=model_id, interval_level=settings.level)


def _instances(data: Data, settings: LatencySettings) -> FloatArray:
    """Return each service's median instances per region over the last weeks."""
    recent = data.day >= data.inputs.days - settings.candidate_days
    frame = pd.DataFrame(
        {"service": data.columns.service, "n": pd.to_numeric(data.inputs.rows["instances"])}
    )[recent]
    median = frame.groupby("service")["n"].median().reindex(range(len(data.fleet.services)))
    return median.fillna(_MIN_INSTANCES).to_numpy(np.float64)


def _bucket(
    data: Data,
    fitted: Fitted,
    settings: LatencySettings,
    rho: float,
    service: NDArray[np.int64],
    region: NDArray[np.int64],
    instances: FloatArray,
    workers: FloatArray,
) -> pd.DataFrame:
    asked, core = data.inputs.candidates, fitted.core
    demand = asked["demand_ms"].to_numpy(np.float64)
    at_load = asked.assign(
        rho=rho,
        rho_max=rho,
        q_hat_ms=queue_ms(demand, workers, rho),
        q_w95_ms=queue_p95_ms(demand, workers, rho),
        instances=instances,
        n_regions=asked["n_regions_now"],
    )
    rows = _rows(data, core, at_load, service, region)
    mean = predict(core, rows)
    busy = rho >= settings.load_group_rho
    quantile = (fitted.intervals.busy if busy else fitted.intervals.calm)[-1]
    is_cold = rows.kind == 2
    ever = asked["ever_ran_here"].astype("boolean").fillna(False).to_numpy(bool)
    widening = np.where(ever | is_cold, 1.0, fitted.intervals.unseen_region)
    quantiles = np.full(len(asked), quantile)
    half = widening * fitted.intervals.half_width(service, is_cold, quantiles)
    calls = rows.parts["dependency_ms"]
    out = pd.DataFrame(
        {
            "service_id": asked["service_id"],
            "region_id": asked["region_id"],
            "utilization_bucket": rho,
            # A part is no larger than the whole, whatever a difference of sums is rounded to.
            "internal_ms": np.maximum(rows.phys_ms - rows.parts["network_ms"], calls),
            "calls_ms": calls,
            "network_weight": core.physics.own.trips[service],
            "residual_factor": mean / rows.phys_ms,
            "mean_lo_factor": np.exp(-half),
            "mean_hi_factor": np.exp(half),
            "is_extrapolated": ~ever,
        }
    )
    if fitted.percentile is None:
        return out
    return out.assign(**_p95_columns(fitted.percentile, rows, service, widening))


def _p95_columns(
    percentile: Percentile, rows: Rows, service: NDArray[np.int64], widening: FloatArray
) -> dict[str, FloatArray]:
    """Return own_sd_ms, and the factors on the p95 that mean and variance give, by column."""
    log_factor = percentile.log_correction(rows)
    upper = percentile.log_lasting_upper(service) * widening
    return {
        "own_sd_ms": percentile.own_sd_ms(rows, service),
        "p95_factor": np.exp(log_factor),
        "p95_hi_factor": np.exp(log_factor + upper),
    }


def _rows(
    data: Data,
    core: Core,
    at_load: pd.DataFrame,
    service: NDArray[np.int64],
    region: NDArray[np.int64],
) -> Rows:
    physics, last = core.physics, data.inputs.days - 1
    parts = {
        "network_ms": physics.own.trips[service] * at_load["rtt_w_ms"].to_numpy(np.float64),
        "cpu_ms": at_load["demand_ms"].to_numpy(np.float64),
        "queue_ms": physics.own.queue[service] * at_load["q_hat_ms"].to_numpy(np.float64),
        "dependency_ms": physics.slopes.calls * physics.waiting_ms[service, region, last],
        "base_ms": physics.base_ms[service],
    }
    kind = pick_kind(physics.is_cold[service], core.is_region_seen[region])
    # A region nobody ever used has no row to tell it apart: only its round trips are known.
    features = context(at_load, core.templates)
    waiting = physics.network_waiting_ms[service, region, last]
    return assemble(parts, features, waiting, kind, core)
