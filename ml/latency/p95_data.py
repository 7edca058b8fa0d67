"""The rows whose p95 was observed, with what the p95 follows from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.graph import FloatArray
from ml.latency.mixture import Callers, callers_of, mixture_p95
from ml.latency.model import Core, Data, Rows, thin
from ml.latency.settings import LatencySettings
from ml.latency.variance import TINY_MS


@dataclass(frozen=True)
class P95Rows:
    """The rows that the p95 is fitted and judged on: labelled, thinned, with their callers.

    Attributes:
        at: Positions among the rows of the history, (N,).
        rows: The rows in the terms of the model.
        service: Service of each row.
        region: Region of each row.
        day: Day of each row.
        trips: Round trips per request.
        callers: Who calls.
        inside_ms: Mean time inside: all but the network.
        own_ms: The part of it that does not wait for calls.
        observed_ms: Observed p95.
        log_observed_ratio: ln(observed p95 / predicted mean).
    """

    at: NDArray[np.int64]
    rows: Rows
    service: NDArray[np.int64]
    region: NDArray[np.int64]
    day: NDArray[np.int64]
    trips: FloatArray
    callers: Callers
    inside_ms: FloatArray
    own_ms: FloatArray
    observed_ms: FloatArray
    log_observed_ratio: FloatArray


def own_time_ms(rows: Rows) -> FloatArray:
    """Return work, queue and base of rows, ms, (N,)."""
    parts = rows.parts
    own: FloatArray = parts["cpu_ms"] + parts["queue_ms"] + parts["base_ms"]
    return np.maximum(own, TINY_MS)


def p95_rows_of(
    data: Data, core: Core, rows: Rows, predicted_ms: FloatArray, settings: LatencySettings
) -> P95Rows:
    """Return the rows with a p95; every k-th where there are more than ``fold_rows``."""
    p95 = pd.to_numeric(data.inputs.rows["p95_ms"], errors="coerce")
    values = p95.to_numpy(np.float64, na_value=np.nan)
    known = data.columns.is_labelled & (np.nan_to_num(values) > 0)
    at = thin(np.flatnonzero(known), settings.fold_rows)
    flows = data.inputs.flows
    callers = callers_of(
        flows["row"].to_numpy(np.int64),
        flows["share"].to_numpy(np.float64),
        flows["rtt_ms"].to_numpy(np.float64),
        at,
    )
    service, mine = data.columns.service[at], rows.take(at)
    return P95Rows(
        at=at,
        rows=mine,
        service=service,
        region=data.region[at],
        day=data.day[at],
        trips=core.physics.own.trips[service],
        callers=callers,
        inside_ms=np.maximum(mine.phys_ms - mine.parts["network_ms"], TINY_MS),
        own_ms=own_time_ms(mine),
        observed_ms=values[at],
        log_observed_ratio=np.log(values[at] / predicted_ms[at]),
    )


def physics_log_ratio(
    p95: P95Rows, own_variation: FloatArray, calls_variance_ms2: FloatArray
) -> FloatArray:
    """Return ln(p95 / mean) of the physics alone, (N,).

    Args:
        p95: Rows with a p95.
        own_variation: Coefficient of variation of the own time of each row, (N,).
        calls_variance_ms2: Variance of each row's waiting for calls, (N,).
    """
    spread = np.sqrt((own_variation * p95.own_ms) ** 2 + calls_variance_ms2)
    found = mixture_p95(p95.callers, p95.trips, p95.inside_ms, spread / p95.inside_ms)
    ratio: FloatArray = np.log(found / p95.rows.phys_ms)
    return ratio
