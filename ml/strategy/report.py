"""Metric rows of the forest, the majority class and the rule k = kmin, on the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.metrics import Goal, Place, metric_row
from ml.strategy.folds import Judgement, balanced_accuracy
from ml.strategy.labels import CLASSES
from ml.strategy.settings import StrategySettings

MetricRows = list[dict[str, object]]
_GOOD = Goal(0.65, None)
_CHEAP = Goal(None, 0.03)
_HALF = Goal(None, 0.5)


def regret(costs: NDArray[np.float64], answer: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the extra cost of every answer, a share of the best plan's cost.

    Where no plan of the answered class keeps the rules, the cheapest plan with more regions is
    taken, as whoever acts on the answer would have to; without one, the best plan of any size.

    Args:
        costs: Best cost by class, shape (N, 3), infinite where the class is impossible.
        answer: Class of each row.
    """
    rows = np.arange(len(costs))
    chosen = costs[rows, answer]
    best = costs.min(axis=1)
    for more in range(1, len(CLASSES)):
        wider = costs[rows, np.minimum(answer + more, len(CLASSES) - 1)]
        chosen = np.where(np.isfinite(chosen), chosen, wider)
    chosen = np.where(np.isfinite(chosen), chosen, best)
    return np.where(best > 0, chosen / np.where(best > 0, best, 1.0) - 1, 0.0)


def strategy_metrics(
    labelled: pd.DataFrame, judgement: Judgement, settings: StrategySettings, model_id: str
) -> MetricRows:
    """Return all metric rows; statuses compare with the goals of the specification."""
    rows = labelled.iloc[judgement.at]
    truth = np.array([CLASSES.index(str(c)) for c in rows["optimal_class"]], dtype=np.int64)
    costs = rows[[f"{name}_usd" for name in CLASSES]].to_numpy(np.float64)
    kmin = np.clip(rows["kmin"].to_numpy(np.int64) - 1, 0, len(CLASSES) - 1)
    majority = np.array([CLASSES.index(str(c)) for c in judgement.majority], dtype=np.int64)
    answers = {
        "model": judgement.probability.argmax(axis=1),
        "majority_class": majority,
        "rule_kmin": kmin,
    }
    rule = float(np.mean(kmin == truth))
    alarm = Goal(None, max(settings.leak_accuracy, min(1.0, rule + settings.leak_slack)))
    goals = {
        "accuracy": alarm,
        "balanced_accuracy": _GOOD,
        "macro_f1": _GOOD,
        "cost_regret": _CHEAP,
        "cost_regret_to_majority": _HALF,
    }
    measured = {name: _measures(truth, answer, costs) for name, answer in answers.items()}
    plain = measured["majority_class"]["cost_regret"]
    model = measured["model"]
    model["cost_regret_to_majority"] = model["cost_regret"] / plain if plain > 0 else float("nan")
    model["accuracy_lift_over_kmin"] = model["accuracy"] - rule
    out: MetricRows = []
    for variant, values in measured.items():
        for metric, value in values.items():
            goal = goals.get(metric) if variant == "model" else None
            place = Place(variant, "grouped", "all", "strategy")
            out.append(
                metric_row(place, metric, value, rows=len(truth), model_id=model_id, goal=goal)
            )
        out += _by_class(variant, truth, answers[variant], model_id, settings)
    return out


def _measures(
    truth: NDArray[np.int64], answer: NDArray[np.int64], costs: NDArray[np.float64]
) -> dict[str, float]:
    best = costs.min(axis=1)
    extra = regret(costs, answer)
    f1 = [_class_measures(truth, answer, k)["f1"] for k in np.unique(truth)]
    impossible = ~np.isfinite(costs[np.arange(len(costs)), answer])
    return {
        "accuracy": float(np.mean(truth == answer)),
        "balanced_accuracy": balanced_accuracy(truth, answer),
        "macro_f1": float(np.mean(f1)),
        "cost_regret": float(np.sum(extra * best) / np.sum(best)),
        "cost_regret_mean": float(np.mean(extra)),
        "infeasible_share": float(np.mean(impossible)),
    }


def _class_measures(
    truth: NDArray[np.int64], answer: NDArray[np.int64], k: int
) -> dict[str, float]:
    """Return precision, recall and F1; precision is NaN where the class was never answered."""
    hit = float(np.sum((truth == k) & (answer == k)))
    named, real = float(np.sum(answer == k)), float(np.sum(truth == k))
    return {
        "precision": hit / named if named else float("nan"),
        "recall": hit / real if real else float("nan"),
        "f1": 2 * hit / (named + real) if named + real else float("nan"),
    }


def _by_class(
    variant: str,
    truth: NDArray[np.int64],
    answer: NDArray[np.int64],
    model_id: str,
    settings: StrategySettings,
) -> MetricRows:
    out: MetricRows = []
    for k, name in enumerate(CLASSES):
        count = int(np.sum(truth == k))
        for metric, value in _class_measures(truth, answer, k).items():
            place = Place(variant, "grouped", f"class:{name}", "strategy")
            least = settings.min_class_rows
            out.append(
                metric_row(place, metric, value, rows=count, model_id=model_id, min_rows=least)
            )
        for other, predicted in enumerate(CLASSES):
            place = Place(variant, "grouped", f"true:{name}/pred:{predicted}", "strategy")
            both = int(np.sum((truth == k) & (answer == other)))
            out.append(
                metric_row(place, "confusion", float(both), rows=len(truth), model_id=model_id)
            )
    return out
