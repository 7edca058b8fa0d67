"""Judges latency predictions against the truth, which only this room may read.

The ceiling is the true mean without deploy drift: what a perfect model of everything predictable
would say. A model above the deploy-aware ceiling knows what it cannot know: a leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from generator.synthetic.rng import Floats

_KEYS = ["service_id", "region_id", "placed_on"]
# A row is hot when its true request-weighted utilisation is above this.
_HOT_RHO = 0.6
_LEAK = 1.005
_FEWEST_ROWS = 50


@dataclass(frozen=True)
class _Goal:
    low: float | None = None
    high: float | None = None

    def status(self, value: float) -> str:
        """Return whether a value meets the goal."""
        if self.low is None and self.high is None:
            return "reported"
        above = self.low is None or value >= self.low
        below = self.high is None or value <= self.high
        return "met" if above and below else "missed"


_GOALS = {
    ("all", "r2_ratio_to_ceiling"): _Goal(low=0.98),
    ("all", "within_r2_ratio_to_ceiling"): _Goal(low=0.97),
    ("all", "mae_ratio_to_ceiling"): _Goal(high=1.25),
    ("hot", "within_r2_ratio_to_ceiling"): _Goal(low=0.90),
    ("hot", "mae_ratio_to_ceiling"): _Goal(high=1.8),
    ("all", "r2_ratio_to_deploy_aware_ceiling"): _Goal(high=_LEAK),
}


def audit(truth_dir: Path, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the ratios of a latency model to its ceilings, in the shape of ``model_metrics``.

    Args:
        truth_dir: The truth store of the dataset that the predictions were made on.
        predictions: Rows of ``latency_predictions``; those of the split ``test`` are judged.

    Returns:
        One row per variant (``model``, ``ceiling``), slice (``all``, ``hot``) and metric. Fewer
        than 50 rows in a slice are ``insufficient``.

    Raises:
        ValueError: If a test row has no truth: it belongs to another dataset.
    """
    truth = pd.read_parquet(truth_dir / "placement_truth.parquet")
    truth = truth[[*_KEYS, "mu_ms", "mu_no_deploy_ms", "rho"]]
    test = predictions[predictions["split"] == "test"].copy()
    for frame in (truth, test):
        frame["placed_on"] = pd.to_datetime(frame["placed_on"]).astype("datetime64[s]")
    rows = test.merge(truth, on=_KEYS, how="left", validate="one_to_one")
    if rows["mu_ms"].isna().any():
        missing = rows.loc[rows["mu_ms"].isna(), _KEYS].iloc[0].to_dict()
        msg = f"prediction {missing} has no truth: it belongs to another dataset"
        raise ValueError(msg)
    rows = rows.sort_values(_KEYS, ignore_index=True)
    model_id = str(predictions["model_id"].iloc[0]) if len(predictions) else "none"
    out: list[dict[str, object]] = []
    for name, part in (("all", rows), ("hot", rows[rows["rho"] > _HOT_RHO])):
        out += _measured(part, name, model_id)
    return pd.DataFrame(out)


def _measured(rows: pd.DataFrame, slice_: str, model_id: str) -> list[dict[str, object]]:
    enough = len(rows) >= _FEWEST_ROWS
    scores: dict[tuple[str, str], float] = {}
    if enough:
        model = _scores(rows, "predicted_ms")
        ceiling = _scores(rows, "mu_no_deploy_ms")
        aware = _scores(rows, "mu_ms")
        for metric, value in ceiling.items():
            scores["ceiling", metric] = value
        scores["model", "r2_ratio_to_ceiling"] = model["r2"] / ceiling["r2"]
        scores["model", "within_r2_ratio_to_ceiling"] = model["within_r2"] / ceiling["within_r2"]
        scores["model", "mae_ratio_to_ceiling"] = model["mae_ms"] / ceiling["mae_ms"]
        scores["model", "r2_ratio_to_deploy_aware_ceiling"] = model["r2"] / aware["r2"]
    else:
        scores = {("model", m): float("nan") for s, m in _GOALS if s == slice_}
    out: list[dict[str, object]] = []
    for (variant, metric), value in scores.items():
        goal = _GOALS.get((slice_, metric), _Goal()) if variant == "model" else _Goal()
        out.append(
            {
                "model_name": "latency",
                "variant": variant,
                "split": "forward",
                "slice": slice_,
                "metric": metric,
                "value": value if enough else None,
                "goal_low": goal.low,
                "goal_high": goal.high,
                "status": goal.status(value) if enough else "insufficient",
                "rows": len(rows),
                "model_id": model_id,
            }
        )
    return out


def _scores(rows: pd.DataFrame, column: str) -> dict[str, float]:
    """Return R² in ms, R² of ln around each (service, region) mean, and MAE in ms."""
    y = rows["observed_ms"].to_numpy(dtype=np.float64)
    p = rows[column].to_numpy(dtype=np.float64)
    log_y, log_p = np.log(y), np.log(np.maximum(p, 1e-6))
    series = rows.groupby(["service_id", "region_id"]).ngroup().to_numpy()
    centre: Floats = np.bincount(series, log_y) / np.maximum(np.bincount(series), 1)
    around = float(((log_y - centre[series]) ** 2).sum())
    return {
        "r2": 1 - float(((y - p) ** 2).sum()) / float(((y - y.mean()) ** 2).sum()),
        "within_r2": 1 - float(((log_y - log_p) ** 2).sum()) / around,
        "mae_ms": float(np.abs(y - p).mean()),
    }
