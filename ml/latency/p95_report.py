"""How good the p95 is, beside the plain answer: the service's median ratio times the mean."""

from __future__ import annotations

import numpy as np

from ml.latency.evaluate import MetricRows
from ml.latency.graph import FloatArray
from ml.latency.lasting import covered_elsewhere, lasting_quantile
from ml.latency.metrics import Goal, Place, error_measures, metric_row
from ml.latency.model import Data
from ml.latency.p95_data import P95Rows
from ml.latency.percentile import Percentile, placements_of, service_ratio
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split, service_fold

_BEATS_RATIO = Goal(None, 1.0)
_COVERAGE = Goal(0.88, 0.92)


def p95_rows(
    data: Data,
    p95: P95Rows,
    percentile: Percentile,
    split: Split,
    settings: LatencySettings,
    model_id: str,
) -> MetricRows:
    """Return errors of the p95 on test days, all and hot rows, for model and plain ratio."""
    day, service, observed = p95.day, p95.service, p95.observed_ms
    known = split.test(day)
    mean = observed / np.exp(p95.log_observed_ratio)
    plain_ratio = service_ratio(p95, split.train(day), len(data.fleet.services))
    answers = {
        "model": mean * np.exp(percentile.log_factor(p95)),
        "physics": mean * np.exp(percentile.physics_log_factor(p95)),
        "service_ratio": mean * np.exp(plain_ratio[service]),
    }
    bound = answers["model"] * np.exp(percentile.log_upper(service))
    group = service * len(data.fleet.regions) + p95.region
    out: MetricRows = []
    hot = known & (np.nan_to_num(data.rho[p95.at]) > settings.hot_rho)
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
    error = np.log(observed / answers["model"])
    return out + _lasting_rows(data, p95, percentile, split, error, settings, model_id)


def _lasting_rows(
    data: Data,
    p95: P95Rows,
    percentile: Percentile,
    split: Split,
    error: FloatArray,
    settings: LatencySettings,
    model_id: str,
) -> MetricRows:
    """Return how often the bound over weeks holds for placements that did not size it.

    Held out with their service, on all days after training; and forward in time, sized on the
    calibration days and judged on the test days. Beside them how wide both bounds are.
    """
    day, width, level = p95.day, percentile.width, settings.level
    later = placements_of(p95, error, ~split.train(day), settings)
    sized = placements_of(p95, error, split.calibration(day), settings)
    judged = placements_of(p95, error, split.test(day), settings)
    fold = service_fold(data.fleet.services, settings.service_folds, settings.seed)
    elsewhere = covered_elsewhere(later, width, fold, level)
    forward = judged.scores(width) <= lasting_quantile(sized, width, level)
    services = np.unique(later.service)
    found = (
        ("unseen_service", "coverage_lasting", elsewhere, _COVERAGE),
        ("forward", "coverage_lasting", forward, None),
        ("forward", "bound_ratio_lasting", np.exp(percentile.log_lasting_upper(services)), None),
        ("forward", "bound_ratio_day", np.exp(percentile.log_upper(services)), None),
    )
    return [
        metric_row(
            Place("model", name, "all", "latency_p95"),
            metric,
            float(np.mean(values)) if len(values) else float("nan"),
            rows=len(values),
            model_id=model_id,
            goal=goal,
            min_rows=settings.min_group_rows,
        )
        for name, metric, values, goal in found
    ]
