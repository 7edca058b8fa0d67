"""Plain answers on the same rows: what the model must beat to be worth having."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.graph import FloatArray
from ml.latency.model import Core, Data, rows_of
from ml.latency.physics import MIN_LATENCY_MS
from ml.latency.residual import correction, fit_trees, matrix
from ml.latency.settings import LatencySettings

_RIDGE = ("rtt_w_ms", "entry_rtt_ms", "demand_ms", "q_hat_ms", "dep_full_ms", "base_hat_ms")
_RIDGE_PENALTY = 1.0


def baselines(
    data: Data, core: Core, train: NDArray[np.bool_], settings: LatencySettings
) -> dict[str, FloatArray]:
    """Return predictions of every baseline for every row, ms.

    Args:
        data: Everything known.
        core: Fitted model; its physics is one of the baselines.
        train: Labelled rows that baselines may learn from.
        settings: Parameters of the plain trees.
    """
    rows = rows_of(data, core)
    out = {
        "global_mean": _group_mean(data, train, []),
        "service_mean": _group_mean(data, train, ["service"]),
        "service_region_mean": _group_mean(data, train, ["service", "region"]),
        "physics": rows.phys_ms,
    }
    entry = rows.features["rtt_w_ms"] * rows.features["is_entry"]
    columns = {**rows.features, "entry_rtt_ms": entry}
    out["ridge"] = _ridge(np.column_stack([columns[n] for n in _RIDGE]), data, train)
    at = np.flatnonzero(train)
    level = float(np.mean(data.log_y[at]))
    if core.trees:
        trees = fit_trees(
            matrix(rows.features, "plain", at), data.log_y[at] - level, "plain", settings
        )
        plain = correction(trees, matrix(rows.features, "plain"))
        out["xgboost_plain"] = np.exp(level + plain)
    return {name: np.maximum(value, MIN_LATENCY_MS) for name, value in out.items()}


def _group_mean(data: Data, train: NDArray[np.bool_], keys: list[str]) -> FloatArray:
    """Return the training mean of each group; a group never seen takes the next wider one."""
    frame = pd.DataFrame(
        {"service": data.columns.service, "region": data.region, "y": data.columns.observed_ms}
    )
    known = frame[train]
    answer = np.full(len(frame), float(known["y"].mean()))
    for width in range(1, len(keys) + 1):
        mean = known.groupby(keys[:width])["y"].mean().rename("mean").reset_index()
        joined = frame.merge(mean, on=keys[:width], how="left", sort=False)["mean"].to_numpy()
        answer = np.where(np.isfinite(joined), joined, answer)
    return answer


def _ridge(parts: FloatArray, data: Data, train: NDArray[np.bool_]) -> FloatArray:
    centre = parts[train].mean(axis=0)
    scale = parts[train].std(axis=0)
    scale[scale == 0] = 1.0
    unit = (parts - centre) / scale
    target = data.columns.observed_ms
    level = float(target[train].mean())
    used = [unit[train, i] for i in range(unit.shape[1])]
    left = target[train] - level
    # Plain sums again: the same bits for any number of threads.
    gram = np.array([[float(np.sum(a * b)) for b in used] for a in used])
    right = np.array([float(np.sum(a * left)) for a in used])
    slopes = np.linalg.solve(gram + _RIDGE_PENALTY * np.eye(len(used)), right)
    answer: FloatArray = level + np.sum(unit * slopes, axis=1)
    return answer
