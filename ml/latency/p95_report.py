"""How good the p95 is, beside the plain answer: the service's median ratio times the mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.latency.evaluate import MetricRows
from ml.latency.graph import FloatArray
from ml.latency.metrics import Goal, Place, error_measures, metric_row
from ml.latency.model import Data, Rows
from ml.latency.percentile import Percentile
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split

_BEATS_RATIO = Goal(None, 1.0)


def p95_rows(
    data: Data,
    rows: Rows,
    predicted_ms: FloatArray,
    percentile: Percentile,
    split: Split,
    settings: LatencySettings,
    model_id: str,
) -> MetricRows:
    """Return errors of the p95 on test days, all and hot rows, for model and plain ratio."""
    service = data.columns.service
    observed = pd.to_numeric(data.inputs.rows["p95_ms"], errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    known = split.test(data.day) & data.columns.is_labelled & np.isfinite(observed)
    known &= np.nan_to_num(observed) > 0
    log_factor = percentile.log_factor(rows.features, service)
    answers = {
        "model": predicted_ms * np.exp(log_factor),
        "service_ratio": predicted_ms * np.exp(percentile.log_ratio[service]),
    }
    bound = answers["model"] * np.exp(percentile.log_upper(service, np.ones(len(service))))
    group = service * len(data.fleet.regions) + data.region
    out: MetricRows = []
    hot = known & (np.nan_to_num(data.rho) > settings.hot_rho)
    for name, mask in (("all", known), ("hot", hot)):
        count, least = int(mask.sum()), settings.min_group_rows
        found = {
            variant: error_measures(observed[mask], values[mask], group[mask])
            for variant, values in answers.items()
        }
        plain = found["service_ratio"]["mae_ms"]
        found["model"]["mae_ratio_to_service_ratio"] = (
            found["model"]["mae_ms"] / plain if plain else float("nan")
        )
        share = np.mean(observed[mask] <= bound[mask]) if count else np.nan
        found["model"]["coverage_upper"] = float(share)
        for variant, values in found.items():
            place = Place(variant, "forward", name, "latency_p95")
            for metric, value in values.items():
                goal = _BEATS_RATIO if metric == "mae_ratio_to_service_ratio" else None
                out.append(
                    metric_row(
                        place,
                        metric,
                        value,
                        rows=count,
                        model_id=model_id,
                        goal=goal,
                        min_rows=least,
                    )
                )
    return out
