"""Columns into arrays, and the predicted parts of the latency."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ml.io import Features
from ml.placement.problem.instance import Flags, Floats, Ints, Latency

_PHYSICS_LO, _PHYSICS_HI = 0.6, 1.6


def number(frame: pd.DataFrame, column: str, missing: float = np.nan) -> Floats:
    """Return a column as floats, ``missing`` where it is null or absent."""
    if column not in frame:
        return np.full(len(frame), missing)
    numeric = pd.to_numeric(frame[column], errors="coerce")
    found = numeric.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    found[np.isnan(found)] = missing
    return found


def flag(frame: pd.DataFrame, column: str) -> Flags:
    """Return a column as booleans, false where it is null."""
    return np.array([bool(v) if pd.notna(v) else False for v in frame[column]], dtype=bool)


def positions(ids: tuple[str, ...], values: Iterable[object]) -> Ints:
    """Return the position of each value in ``ids``, -1 where it is not there."""
    position = {name: i for i, name in enumerate(ids)}
    return np.array([position.get(str(v), -1) for v in values], dtype=np.int64)


def latency_parts(
    candidates: pd.DataFrame,
    services: pd.DataFrame,
    service_ids: tuple[str, ...],
    region_ids: tuple[str, ...],
) -> tuple[Latency, Flags, Flags]:
    """Return the predicted parts, where they are complete, and who has a p95 bound.

    Args:
        candidates: Rows of ``latency_candidates``.
        services: Rows of ``feat_placement__services``, sorted by id.
        service_ids: Ids, ``(S,)``.
        region_ids: Ids, ``(R,)``.
    """
    buckets = np.sort(candidates["utilization_bucket"].astype(float).unique())
    shape = (len(service_ids), len(region_ids), max(1, len(buckets)))
    s = positions(service_ids, candidates["service_id"])
    r = positions(region_ids, candidates["region_id"])
    hit = (s >= 0) & (r >= 0)
    b = np.searchsorted(buckets, candidates["utilization_bucket"].to_numpy(dtype=np.float64))

    def grid(column: str) -> Floats:
        values = np.full(shape, np.nan)
        values[s[hit], r[hit], b[hit]] = number(candidates, column)[hit]
        return values

    parts = [grid(c) for c in ("internal_ms", "calls_ms", "network_weight", "residual_factor")]
    known: Flags = np.asarray(~np.isnan(np.stack(parts)).any(axis=(0, 3)))
    ratio = number(services, "p95_over_mean")[:, None, None]
    p95, p95_hi, hi = grid("p95_factor"), grid("p95_hi_factor"), grid("mean_hi_factor")
    p95 = np.where(np.isnan(p95), ratio, p95)
    p95_hi = np.where(np.isnan(p95_hi), p95 * np.nan_to_num(hi, nan=1.0), p95_hi)
    has_p95: Flags = np.asarray(
        ~np.isnan(np.where(known[:, :, None], p95_hi, 1.0)).any(axis=(1, 2))
    )
    latency = Latency(
        buckets=buckets if len(buckets) else np.array([1.0]),
        own_ms=np.nan_to_num(parts[0] - parts[1]),
        calls_ms=np.nan_to_num(parts[1]),
        own_variance=grid("own_sd_ms") ** 2,
        network_weight=np.nan_to_num(parts[2]),
        factor=np.nan_to_num(parts[3]),
        mean_lo=np.nan_to_num(grid("mean_lo_factor"), nan=1.0),
        mean_hi=np.nan_to_num(hi, nan=1.0),
        p95=np.nan_to_num(p95),
        p95_hi=np.nan_to_num(p95_hi),
    )
    return latency, known, has_p95


def physics_candidates(features: Features) -> pd.DataFrame:
    """Return candidates from the physics features alone, for a run without a latency model.

    One bucket, no learned correction, an interval wide enough to be honest about that.
    """
    known = features.read("feat_latency__candidates")
    parts = [number(known, c, 0.0) for c in ("demand_ms", "dep_full_ms", "base_hat_ms")]
    return pd.DataFrame(
        {
            "service_id": known["service_id"],
            "region_id": known["region_id"],
            "utilization_bucket": 1.0,
            "internal_ms": parts[0] + parts[1] + parts[2],
            "calls_ms": parts[1],
            "network_weight": 1.0,
            "residual_factor": 1.0,
            "mean_lo_factor": _PHYSICS_LO,
            "mean_hi_factor": _PHYSICS_HI,
            "p95_factor": np.nan,
            "p95_hi_factor": np.nan,
            "own_sd_ms": np.nan,
            "interval_level": 0.8,
        }
    )
