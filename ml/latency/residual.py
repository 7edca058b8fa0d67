"""The learned correction: monotone boosted trees on the log of observed over physics.

Every column through which load can act is constrained to raise latency (running instances to lower
it); a column that could not be constrained is left out. So more load never predicts less latency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from ml.latency.graph import FloatArray
from ml.latency.settings import LatencySettings

Kind = Literal["full", "region", "cold", "p95", "plain"]

# Column, sign of its effect. No region name: an unused region must be scorable. No raw load.
SIGNS: dict[str, int] = {
    "rtt_w_ms": 1,
    "demand_ms": 1,
    "rho": 1,
    "rho_max": 1,
    "q_hat_ms": 1,
    "dep_rtt_ms": 1,
    "dep_full_ms": 1,
    "base_hat_ms": 1,
    "phys_ms": 1,
    "instances": -1,
    "memory_mb": 0,
    "cpu_cores": 0,
    "is_class_entry": 0,
    "is_class_middle": 0,
    "is_class_leaf": 0,
    "template_code": 0,
    "is_latency_critical": 0,
    "is_entry": 0,
    "depth": 0,
    "out_degree": 0,
    "n_regions": 0,
}
_NOT_COLD = ("template_code", "base_hat_ms", "phys_ms")
# The ratio p95 over mean falls with a longer constant way: only what load moves keeps its sign.
_P95_SIGNS = {**SIGNS, "rtt_w_ms": 0, "dep_rtt_ms": 0, "base_hat_ms": 0, "q_w95_ms": 1}
_P95_SIGNS.pop("phys_ms")


def signs_of(kind: Kind) -> dict[str, int]:
    """Return columns and monotone signs of one kind of model.

    >>> signs_of("cold").keys() & {"template_code", "phys_ms"}
    set()
    """
    if kind == "cold":
        return {name: sign for name, sign in SIGNS.items() if name not in _NOT_COLD}
    if kind == "p95":
        return dict(_P95_SIGNS)
    if kind == "plain":
        return {name: 0 for name in SIGNS if name not in ("base_hat_ms", "phys_ms")}
    return dict(SIGNS)


@dataclass(frozen=True)
class Templates:
    """Codes of the templates seen in training; others are missing values."""

    names: tuple[str, ...]

    def code(self, values: pd.Series) -> FloatArray:
        """Return the code of each template, NaN if it was never seen."""
        position = {name: float(i) for i, name in enumerate(self.names)}
        return np.array([position.get(str(name), np.nan) for name in values], dtype=np.float64)


def context(rows: pd.DataFrame, templates: Templates) -> dict[str, FloatArray]:
    """Return the columns of the trees that do not come from the physics, as floats."""
    out = {
        name: pd.to_numeric(rows[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        for name in (
            *("rtt_w_ms", "demand_ms", "rho", "rho_max", "q_hat_ms", "q_w95_ms", "instances"),
            *("memory_mb", "cpu_cores", "depth", "out_degree", "n_regions"),
        )
    }
    out["is_latency_critical"] = rows["is_latency_critical"].to_numpy(np.float64)
    out["is_entry"] = rows["is_entry"].to_numpy(np.float64)
    for name in ("entry", "middle", "leaf"):
        out[f"is_class_{name}"] = (rows["service_class"] == name).to_numpy(np.float64)
    out["template_code"] = templates.code(rows["template"])
    return out


def matrix(
    columns: dict[str, FloatArray], kind: Kind, at: NDArray[np.int64] | None = None
) -> xgb.DMatrix:
    """Return the columns of a kind of model as XGBoost's matrix, rows ``at`` only if given."""
    names = list(signs_of(kind))
    stack = [columns[name] if at is None else columns[name][at] for name in names]
    return xgb.DMatrix(np.column_stack(stack).astype(np.float32), feature_names=names, nthread=1)


def fit_trees(
    data: xgb.DMatrix, target: FloatArray, kind: Kind, settings: LatencySettings
) -> xgb.Booster:
    """Fit the trees of one kind of model to a target in logs.

    One thread: sums of gradients would otherwise depend on how rows are split between threads.
    """
    data.set_label(target.astype(np.float32))
    signs = signs_of(kind)
    is_large = kind in ("p95", "plain")
    params = {
        "objective": "reg:squarederror",
        "base_score": 0.0,
        "tree_method": "hist",
        "max_depth": settings.p95_depth if is_large else settings.depth,
        "eta": settings.learning_rate,
        "subsample": settings.row_sample,
        "colsample_bytree": settings.column_sample,
        "min_child_weight": settings.min_child_weight,
        "lambda": settings.l2,
        "monotone_constraints": tuple(signs.values()),
        "seed": settings.seed,
        "nthread": 1,
        "verbosity": 0,
    }
    rounds = settings.p95_trees if is_large else settings.trees
    return xgb.train(params, data, num_boost_round=rounds)


def correction(trees: xgb.Booster | None, data: xgb.DMatrix) -> FloatArray:
    """Return the log correction of every row; zeros without trees."""
    if trees is None:
        return np.zeros(data.num_row())
    margin: FloatArray = trees.predict(data, output_margin=True).astype(np.float64)
    return margin


def as_booster(raw: bytes) -> xgb.Booster:
    """Return trees from their binary JSON, ready for one thread."""
    trees = xgb.Booster({"nthread": 1})
    trees.load_model(bytearray(raw))
    return trees
