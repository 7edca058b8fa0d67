"""Files that people download: the report, both placements, and what the predictions rest on."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.experiment.fleet import Fleet
from ml.experiment.plans import PlanSet

ESTIMAND = (
    "Total effect of running the whole fleet under the treatment instead of the control on the "
    "same offered demand over the evaluation days: log(sum latency_T / sum requests_T) - "
    "log(sum latency_C / sum requests_C), as 100 * (exp(theta) - 1) %. Requests not served count "
    "at the 2000 ms time-out."
)
POPULATION = {
    "twin": "this fleet, simulator uncertainty",
    "switchback": "future days of this fleet",
}
LIMITS = (
    "On generated data every layer is evidence inside the simulator; the switchback rehearses a "
    "field test.",
    "The switchback describes the 20 hours after the warm-up, the twin all 24.",
    "The rank among random plans is not an A/B p-value.",
    "Segments are exploratory: Benjamini-Hochberg over all of them.",
)


def clean(value: Any) -> Any:
    """Return JSON-ready data: 12 significant digits, null for NaN, dates as text.

    Example:
        >>> clean({"a": 1 / 3, "b": float("nan")})
        {'a': 0.333333333333, 'b': None}
    """
    if isinstance(value, Mapping):
        return {str(key): clean(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return clean(asdict(value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic):
        return clean(value.item())
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    return value


def git_commit(source: Path = Path(__file__)) -> str | None:
    """Return the commit of the checkout that ``source`` belongs to; None outside git.

    A package that was installed inside somebody else's checkout is not part of it.
    """
    found = ""
    for question in (["ls-files", "--error-unmatch", source.name], ["rev-parse", "HEAD"]):
        try:
            asked = subprocess.run(
                ["git", *question], cwd=source.parent, capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        found = asked.stdout.strip()
    return found


def write_report(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write ``experiment_report.json``: sorted keys, LF, no wall clock."""
    path = folder / "experiment_report.json"
    text = json.dumps(clean(content), indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path


def write_placements(folder: Path, plans: PlanSet, fleet: Fleet) -> None:
    """Write ``control_placement.csv`` and ``treatment_placement.csv``; may be empty."""
    columns = ["plan_id", "service_id", "service_name", "criticality_tier", "region_id"]
    for arm in ("control", "treatment"):
        rows = plans.placements.get(arm, pd.DataFrame({"service_id": [], "region_id": []}))
        services = [str(service) for service in rows["service_id"]]
        out = pd.DataFrame(
            {
                "plan_id": plans.ids.get(arm, ""),
                "service_id": rows["service_id"],
                "service_name": [fleet.text(s, "service_name") for s in services],
                "criticality_tier": [fleet.text(s, "tier") for s in services],
                "region_id": rows["region_id"],
                "instances": rows["instances"] if len(rows) else [],
                "traffic_weight": rows["traffic_share"] if len(rows) else [],
            }
        ).sort_values(["service_id", "region_id"])
        _csv(folder / f"{arm}_placement.csv", out[[*columns, "instances", "traffic_weight"]])


def write_importances(folder: Path, importances: pd.DataFrame) -> None:
    """Write one CSV of feature importances per model."""
    for model in ("latency", "strategy"):
        rows = importances[importances["model_name"] == model]
        keys = ["method", "slice", "importance_rank", "feature"]
        out = rows.sort_values(keys)[[*keys, "importance", "unit", "model_id"]]
        _csv(folder / f"{model}_feature_importance.csv", out)


def _csv(path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(path, index=False, lineterminator="\n", float_format="%.12g", encoding="utf-8")
