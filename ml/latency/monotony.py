"""More load must never predict less latency: the history again, with half as much load on top."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ml.latency.graph import FloatArray
from ml.latency.model import Core, Data, assemble, predict, rows_of
from ml.latency.physics import components, waiting_with

_MAX_RHO = 0.97


def lowered_by_load(data: Data, core: Core, factor: float = 1.5) -> int:
    """Return how many predictions fall when every load is multiplied by ``factor``.

    The own queue, the utilisation and the queues of all callees move; placement and instances stay.
    """
    before = predict(core, rows_of(data, core))
    busier = replace(data.columns, q_hat_ms=busier_queue(data, factor))
    physics = waiting_with(busier, data.fleet, core.physics, busier.q_hat_ms)
    heavy = replace(core, physics=physics)
    rows = rows_of(data, heavy)
    loaded = {name: rows.features[name] * factor for name in ("rho", "rho_max")}
    features = {**rows.features, **loaded, "q_hat_ms": busier.q_hat_ms}
    parts = components(busier, data.fleet, physics)
    after = predict(heavy, assemble(parts, features, features["dep_rtt_ms"], rows.kind, heavy))
    return int(np.sum(after < before))


def busier_queue(data: Data, factor: float) -> FloatArray:
    """Return the queue of every row under ``factor`` times its load, ms, by Sakasegawa's ratio."""
    rows = data.inputs.rows
    number = {
        name: pd.to_numeric(rows[name], errors="coerce").fillna(1.0).to_numpy(np.float64)
        for name in ("instances", "cpu_cores")
    }
    workers = number["instances"] * np.maximum(np.floor(number["cpu_cores"]), 1.0)
    power = np.sqrt(2 * (workers + 1)) - 1
    old = np.clip(np.nan_to_num(data.rho), 1e-6, _MAX_RHO)
    new = np.minimum(old * factor, _MAX_RHO)
    ratio = (new / old) ** power * (1 - old) / (1 - new)
    queue: FloatArray = data.columns.q_hat_ms * np.maximum(ratio, 1.0)
    return queue
