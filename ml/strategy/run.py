"""The strategy stage: label by the optimiser, learn, judge forward in time, store, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.io import Features, Writer
from ml.latency.metrics import Goal, Place, metric_row
from ml.placement.problem.policy import Policy, load_policy
from ml.strategy.folds import Judgement, judge
from ml.strategy.forest import (
    feature_matrix,
    feature_names,
    fit_forest,
    probabilities,
    save_forest,
)
from ml.strategy.labels import CLASSES, price_classes, read_market
from ml.strategy.report import regret, strategy_metrics
from ml.strategy.settings import StrategySettings

STAGE = "strategy"
_NO_MODEL = "none"
_COSTS = [f"{name}_usd" for name in CLASSES]
Pricer = Callable[[pd.DataFrame, list[pd.Timestamp]], pd.DataFrame]


@dataclass(frozen=True)
class StrategyResult:
    """Summary of the stage; ``headline`` holds the forest's measures by name."""

    model_id: str
    is_trained: bool
    rows: int
    headline: dict[str, float]
    degradations: tuple[str, ...]


@dataclass(frozen=True)
class StrategyTables:
    """Frames of the tables that the stage writes."""

    model_id: str
    predictions: pd.DataFrame
    metrics: pd.DataFrame
    importances: pd.DataFrame
    degradations: pd.DataFrame


def run(
    features: Features,
    writer: Writer,
    settings: StrategySettings,
    policy: Policy | None = None,
) -> StrategyResult:
    """Learn how many regions services need, and write what the forest says.

    Args:
        features: Reader of the warehouse.
        writer: Writer of predictions; must already hold ``latency_candidates`` and
            ``latency_calls``.
        settings: Parameters.
        policy: Weights and rules of the optimiser that makes the labels; packaged if None.
    """
    table = features.read("feat_strategy__services")
    demand = features.read("feat_demand__service_origin_dayparts")
    candidates = writer.read("latency_candidates")
    rules = policy or load_policy()

    def price(window: pd.DataFrame, cuts: list[pd.Timestamp]) -> pd.DataFrame:
        market = read_market(features, candidates, writer.read("latency_calls"), rules)
        return price_classes(market, window, cuts, settings)

    pricer = price if len(candidates) else None
    tables = compute(table, demand, pricer, writer, settings)
    writer.write("strategy_predictions", tables.predictions, STAGE)
    writer.write("model_metrics", tables.metrics, STAGE)
    writer.write("feature_importances", tables.importances, STAGE)
    writer.write("run_degradations", tables.degradations, STAGE)
    top = tables.metrics[
        (tables.metrics["variant"] == "model") & (tables.metrics["slice"] == "all")
    ].dropna(subset=["value"])
    return StrategyResult(
        tables.model_id,
        tables.model_id != _NO_MODEL,
        len(tables.predictions),
        {str(k): float(v) for k, v in zip(top["metric"], top["value"], strict=True)},
        tuple(tables.degradations["code"]) if len(tables.degradations) else (),
    )


def compute(
    table: pd.DataFrame,
    demand: pd.DataFrame,
    price: Pricer | None,
    writer: Writer,
    settings: StrategySettings,
) -> StrategyTables:
    """Return all tables of the stage and store the forest.

    Args:
        table: ``feat_strategy__services``.
        demand: ``feat_demand__service_origin_dayparts``.
        price: Prices the classes on the demand after each cut; None when there is no prediction
            of latency to price with.
        writer: Gives the folder of models.
        settings: Parameters.
    """
    table = table.assign(cut_on=pd.to_datetime(table["cut_on"]))
    table = table.sort_values(["service_id", "cut_on"], ignore_index=True)
    has_next = table["has_next_14_days"].astype("boolean").fillna(False).astype(bool)
    cuts = sorted(table.loc[has_next, "cut_on"].unique())
    if price is None or len(cuts) < settings.min_cuts:
        why = f"{len(cuts)} cut dates have {settings.label_days} days of demand after them"
        return _nothing(f"{why}; needed are {settings.min_cuts} and a latency prediction")
    costs = price(demand, [pd.Timestamp(cut) for cut in cuts])
    both = table.merge(costs, on=["service_id", "cut_on"], how="left", sort=False)
    is_labelled = has_next & both["optimal_class"].notna()
    labelled = both[is_labelled].reset_index(drop=True)
    labels = set(labelled["optimal_class"])
    if labelled["service_id"].nunique() < settings.min_services or len(labels) < 2:
        why = f"{labelled['service_id'].nunique()} labelled services in {len(labels)} classes"
        return _nothing(f"{why}; needed are {settings.min_services} services and two classes")
    names = feature_names(table)
    judgement = judge(labelled, names, settings)
    if not judgement.at.size:
        return _nothing("no fold has an earlier label window with two classes")
    forest = fit_forest(
        feature_matrix(labelled, names), labelled["optimal_class"].to_numpy(object), settings
    )
    model_id = save_forest(writer.models_dir, forest, names, settings)
    fitted = probabilities(forest, feature_matrix(both, names))
    return StrategyTables(
        model_id,
        _predictions(both, is_labelled, has_next, judgement, fitted, model_id),
        pd.DataFrame(strategy_metrics(labelled, judgement, settings, model_id)),
        _importances(judgement, model_id),
        pd.DataFrame(),
    )


def _nothing(why: str) -> StrategyTables:
    """Return empty answers with the reason; the optimiser decides without the forest anyway."""
    metrics = [
        metric_row(
            Place("model", "grouped", "all", "strategy"),
            name,
            float("nan"),
            rows=0,
            model_id=_NO_MODEL,
            goal=goal,
        )
        for name, goal in (
            ("accuracy", Goal(None, 0.97)),
            ("balanced_accuracy", Goal(0.65, None)),
            ("macro_f1", Goal(0.65, None)),
            ("cost_regret", Goal(None, 0.03)),
        )
    ]
    reason = {"code": "STRATEGY_NOT_TRAINED", "scope": "fleet", "detail": why}
    empty = pd.DataFrame()
    return StrategyTables(_NO_MODEL, empty, pd.DataFrame(metrics), empty, pd.DataFrame([reason]))


def _predictions(
    both: pd.DataFrame,
    is_labelled: pd.Series,
    has_next: pd.Series,
    judgement: Judgement,
    fitted: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    model_id: str,
) -> pd.DataFrame:
    """Return every service and cut: out of fold where a fold judged it, else from the final forest.

    Rows without a label whose window has ended are left out: nothing can be said about them.
    """
    probability = fitted.copy()
    position = np.flatnonzero(is_labelled.to_numpy())
    judged = position[judgement.at]
    probability[judged] = judgement.probability
    split = np.where(has_next, "train", "current").astype(object)
    split[judged] = "test"
    answer = probability.argmax(axis=1)
    costs = both[_COSTS].to_numpy(np.float64)
    known = is_labelled.to_numpy()
    extra = np.full(len(both), np.nan)
    extra[known] = regret(costs[known], answer[known])
    out = pd.DataFrame(
        {
            "service_id": both["service_id"],
            "cut_on": both["cut_on"],
            "model_id": model_id,
            "split": split,
            "predicted_class": np.array(CLASSES, dtype=object)[answer],
            "optimal_class": both["optimal_class"].where(is_labelled, None),
            "cost_regret_share": extra,
        }
    )
    for i, name in enumerate(CLASSES):
        out[f"{name}_probability"] = np.clip(probability[:, i], 0.0, 1.0)
    keep = np.flatnonzero(known | ~has_next.to_numpy())
    return out.iloc[keep].reset_index(drop=True)


def _importances(judgement: Judgement, model_id: str) -> pd.DataFrame:
    table = pd.DataFrame(list(judgement.importance.items()), columns=["feature", "importance"])
    table = table.sort_values(["importance", "feature"], ascending=[False, True], ignore_index=True)
    return table.assign(
        model_name="strategy",
        method="permutation",
        slice="all",
        unit="loss of balanced accuracy",
        importance_rank=range(1, len(table) + 1),
        model_id=model_id,
    )
