"""What the predictions rest on, measured three ways that answer three questions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.model import Core, Data, Rows, assemble, predict, rows_of, thin
from ml.latency.physics import components
from ml.latency.residual import matrix, signs_of
from ml.latency.settings import LatencySettings

# Component of the physics, and the tree columns that carry the same knowledge.
_GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "network": ("network_ms", ("rtt_w_ms",)),
    "cpu": ("cpu_ms", ("demand_ms",)),
    "queue": ("queue_ms", ("q_hat_ms", "rho", "rho_max", "instances")),
    "dependencies": ("dependency_ms", ("dep_rtt_ms",)),
    "base": ("base_ms", ("template_code",)),
}


def importances(
    data: Data, core: Core, test: NDArray[np.bool_], settings: LatencySettings, model_id: str
) -> pd.DataFrame:
    """Return ``feature_importances``: permuted groups, SHAP of the trees, shares of the estimate.

    Args:
        data: Everything known.
        core: Fitted model.
        test: Labelled test rows.
        settings: Repetitions, rows of SHAP, hot slice.
        model_id: Identifier written beside every row.
    """
    hot = test & (np.nan_to_num(data.rho) > settings.hot_rho)
    frames = []
    for name, mask in (("all", test), ("hot", hot)):
        if int(mask.sum()) >= settings.min_group_rows:
            frames.append(_permuted(data, core, mask, name, settings))
            frames.append(_shares(data, core, mask, name))
    if "full" in core.trees and test.any():
        frames.append(_shap(data, core, np.flatnonzero(test), settings))
    if not frames:
        return pd.DataFrame()
    table = pd.concat(frames, ignore_index=True).assign(model_name="latency", model_id=model_id)
    order = ["method", "slice", "importance", "feature"]
    table = table.sort_values(order, ascending=[True, True, False, True], ignore_index=True)
    table["importance_rank"] = table.groupby(["method", "slice"]).cumcount() + 1
    return table


def _permuted(
    data: Data, core: Core, mask: NDArray[np.bool_], name: str, settings: LatencySettings
) -> pd.DataFrame:
    """Permute one component through the whole pipeline; the loss is the mean absolute log error.

    Permuting columns of the trees alone would miss what the physics offset holds.
    """
    at = np.flatnonzero(mask)
    rows = rows_of(data, core).take(at)
    truth = data.log_y[at]
    base = float(np.mean(np.abs(truth - np.log(predict(core, rows)))))
    rng = np.random.default_rng(settings.seed)
    found = []
    for group, (part, columns) in _GROUPS.items():
        losses = []
        for _ in range(settings.permutations):
            order = rng.permutation(len(at))
            shuffled = _shuffle(rows, part, columns, order, core)
            losses.append(float(np.mean(np.abs(truth - np.log(predict(core, shuffled))))))
        found.append((group, float(np.mean(losses)) - base))
    table = pd.DataFrame(found, columns=["feature", "importance"])
    unit = "increase of the mean absolute log error"
    return table.assign(method="grouped_permutation", slice=name, unit=unit)


def _shuffle(
    rows: Rows, part: str, columns: tuple[str, ...], order: NDArray[np.int64], core: Core
) -> Rows:
    parts = {**rows.parts, part: rows.parts[part][order]}
    moved = {name: rows.features[name][order] for name in columns}
    features = {**rows.features, **moved}
    waiting = features["dep_rtt_ms"]
    return assemble(parts, features, waiting, rows.kind, core)


def _shares(data: Data, core: Core, mask: NDArray[np.bool_], name: str) -> pd.DataFrame:
    """Return each component's share of the summed estimate: what users see."""
    parts = components(data.columns, data.fleet, core.physics)
    sums = {key.removesuffix("_ms"): float(np.sum(value[mask])) for key, value in parts.items()}
    total = sum(sums.values())
    table = pd.DataFrame({"feature": list(sums), "importance": [v / total for v in sums.values()]})
    return table.assign(method="component_share", slice=name, unit="share of the physics estimate")


def _shap(
    data: Data, core: Core, test: NDArray[np.int64], settings: LatencySettings
) -> pd.DataFrame:
    """Return mean absolute SHAP values of the trees: of the log correction, not of the latency."""
    rows, at = rows_of(data, core), thin(test, settings.shap_rows)
    values = core.trees["full"].predict(matrix(rows.features, "full", at), pred_contribs=True)
    mean = np.mean(np.abs(values[:, :-1].astype(np.float64)), axis=0)
    table = pd.DataFrame({"feature": list(signs_of("full")), "importance": mean})
    return table.assign(method="shap", slice="all", unit="log correction of the physics estimate")
