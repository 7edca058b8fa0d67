"""The forest beside the optimiser: honest labels, honest folds, an alarm for leaks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.io import Writer
from ml.strategy import StrategySettings
from ml.strategy.folds import make_folds
from ml.strategy.forest import TRUSTED, content_id, feature_matrix, fit_forest, load_forest
from ml.strategy.labels import CLASSES
from ml.strategy.report import regret
from ml.strategy.run import StrategyTables, compute

LAST = pd.Timestamp("2026-08-29")
CUTS = [LAST - pd.Timedelta(days=14 * k) for k in (4, 3, 2, 1, 0)]


def make_tables(
    services: int = 60, *, seed: int = 5, noise: float = 0.3
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return features, and costs of the best plan per class: features decide them, and luck."""
    rng = np.random.default_rng(seed)
    rows, costs = [], []
    for number in range(services):
        service = f"svc-{number:03d}"
        level, spread, tier = rng.normal(5, 2), rng.uniform(0, 1.6), int(rng.integers(1, 5))
        for cut in CUTS:
            rows.append(
                {
                    "service_id": service,
                    "cut_on": cut,
                    "log_demand": level + rng.normal(0, 0.1),
                    "origin_entropy": spread,
                    "largest_origin_share": 1 / (1 + spread),
                    "best_single_rtt_ms": 40 + 60 * spread,
                    "cpu_cores": 1.0,
                    "memory_mb": 512,
                    "is_latency_critical": tier == 1,
                    "demand_ms": 4.0,
                    "demand_variation": 0.3,
                    "out_degree": 2,
                    "tier": tier,
                    "share_eu": spread / 2,
                    "share_na": 1 - spread / 2,
                    "has_next_14_days": cut < LAST,
                }
            )
            pull = 0.35 * level * spread + rng.normal(0, noise)
            cost = {
                "single_usd": 1.0 + 1.2 * pull if tier > 1 else np.inf,
                "dual_usd": 2.2 + 0.5 * pull,
                "multi_usd": 4.5 + 0.05 * pull,
            }
            best = CLASSES[int(np.argmin([cost[f"{name}_usd"] for name in CLASSES]))]
            kmin = 2 if tier == 1 else 1
            costs.append(
                {"service_id": service, "cut_on": cut, **cost, "optimal_class": best, "kmin": kmin}
            )
    return pd.DataFrame(rows), pd.DataFrame(costs)


def pricer(costs: pd.DataFrame):
    """Return a pricer that answers from a table."""
    return lambda _demand, cuts: costs[costs["cut_on"].isin(cuts)].reset_index(drop=True)


def write_all(tables: StrategyTables, writer: Writer) -> None:
    writer.write("strategy_predictions", tables.predictions, "strategy")
    writer.write("model_metrics", tables.metrics, "strategy")
    writer.write("feature_importances", tables.importances, "strategy")
    writer.write("run_degradations", tables.degradations, "strategy")


@pytest.fixture(scope="module")
def settings() -> StrategySettings:
    """Parameters as shipped, with fewer trees: the tests fit two hundred forests."""
    return replace(StrategySettings.load(), trees=40, permutations=2)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "predictions", tmp_path / "models")


@pytest.fixture(scope="module")
def built(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("strategy")
    writer = Writer(folder / "predictions", folder / "models")
    table, costs = make_tables()
    tables = compute(table, pd.DataFrame(), pricer(costs), writer, settings)
    write_all(tables, writer)
    return tables, writer


def value(tables: StrategyTables, metric: str, variant: str = "model") -> float:
    found = tables.metrics
    found = found[(found["variant"] == variant) & (found["slice"] == "all")]
    return float(found.set_index("metric").loc[metric, "value"])


def test_folds_never_share_a_service_or_a_label_window(settings):
    table, _ = make_tables()
    labelled = table[table["has_next_14_days"]].reset_index(drop=True)
    folds = list(make_folds(labelled["service_id"], labelled["cut_on"], settings))
    assert folds
    for fold in folds:
        train, test = labelled.iloc[fold.train], labelled.iloc[fold.test]
        assert not set(train["service_id"]) & set(test["service_id"])
        ends = train["cut_on"] + pd.Timedelta(days=settings.label_days)
        assert ends.max() <= test["cut_on"].min()


def test_first_cut_teaches_but_is_never_judged(built):
    splits = built[0].predictions.groupby("cut_on")["split"].unique()
    assert set(splits.iloc[0]) == {"train"}
    assert all(set(s) == {"test"} for s in splits.iloc[1:-1])
    assert set(splits.iloc[-1]) == {"current"}


def test_forest_beats_majority_and_rule(built):
    tables, _ = built
    assert value(tables, "balanced_accuracy") > value(tables, "balanced_accuracy", "majority_class")
    assert value(tables, "balanced_accuracy") > value(tables, "balanced_accuracy", "rule_kmin")
    assert value(tables, "cost_regret") < value(tables, "cost_regret", "majority_class")
    assert value(tables, "accuracy") < 0.97


def test_confusion_counts_every_judged_row(built):
    found = built[0].metrics
    confusion = found[(found["metric"] == "confusion") & (found["variant"] == "model")]
    judged = int((built[0].predictions["split"] == "test").sum())
    assert len(confusion) == 9
    assert confusion["value"].sum() == judged


def test_important_features_come_first(built):
    ranked = built[0].importances.sort_values("importance_rank")["feature"].tolist()
    assert set(ranked[:4]) & {"origin_entropy", "log_demand", "tier"}
    assert ranked.index("cpu_cores") > 2


def test_a_label_that_is_a_rule_over_the_features_raises_the_alarm(settings, writer):
    """A planted leak: features hold the class, so the forest learns it perfectly."""
    table, costs = make_tables()
    tier = table.set_index(["service_id", "cut_on"])["tier"]
    order = tier.reindex(pd.MultiIndex.from_frame(costs[["service_id", "cut_on"]])).to_numpy()
    number = np.minimum(order - 1, 2)
    leaky = costs.assign(
        optimal_class=np.array(CLASSES, dtype=object)[number],
        kmin=1,
        **{f"{name}_usd": np.where(number == i, 1.0, 2.0) for i, name in enumerate(CLASSES)},
    )
    copies = dict.fromkeys(("log_demand", "origin_entropy", "best_single_rtt_ms"), table["tier"])
    table = table.assign(**copies)
    tables = compute(table, pd.DataFrame(), pricer(leaky), writer, settings)
    found = tables.metrics[
        (tables.metrics["metric"] == "accuracy") & (tables.metrics["variant"] == "model")
    ]
    assert found["value"].iloc[0] > 0.97
    assert found["status"].tolist() == ["missed"]


def test_the_alarm_is_quiet_where_the_plain_rule_is_as_good(settings, writer):
    table, costs = make_tables()
    ruled = costs.assign(
        optimal_class=np.where(costs["kmin"] == 2, "dual", "single"),
        single_usd=np.where(costs["kmin"] == 2, np.inf, 1.0),
        dual_usd=1.5,
        multi_usd=2.0,
    )
    tables = compute(table, pd.DataFrame(), pricer(ruled), writer, settings)
    found = tables.metrics[
        (tables.metrics["metric"] == "accuracy") & (tables.metrics["variant"] == "model")
    ]
    assert found["value"].iloc[0] > 0.97
    assert found["status"].tolist() == ["met"]


def test_labels_of_later_windows_do_not_reach_earlier_forests(settings, writer):
    """Swapping the labels of the last labelled cut changes no answer for the cut before it."""
    table, costs = make_tables()
    other = costs.copy()
    late = other["cut_on"] == CUTS[3]
    other.loc[late, "optimal_class"] = "multi"
    one = compute(table, pd.DataFrame(), pricer(costs), writer, settings).predictions
    two = compute(table, pd.DataFrame(), pricer(other), writer, settings).predictions
    columns = ["service_id", "predicted_class", "single_probability"]
    for cut in CUTS[1:3]:
        first, second = one[one["cut_on"] == cut][columns], two[two["cut_on"] == cut][columns]
        pd.testing.assert_frame_equal(first, second)


def test_shuffled_input_gives_the_same_answer(settings, writer, built):
    table, costs = make_tables()
    tables = compute(
        table.sample(frac=1, random_state=1),
        pd.DataFrame(),
        pricer(costs.sample(frac=1, random_state=2)),
        writer,
        settings,
    )
    assert tables.model_id == built[0].model_id
    pd.testing.assert_frame_equal(tables.predictions, built[0].predictions)


def test_stored_forest_is_the_same_forest_without_pickle(built, settings):
    tables, writer = built
    folder = writer.models_dir / tables.model_id
    forest, names = load_forest(folder)
    assert content_id(forest, names, settings) == tables.model_id
    assert {path.suffix for path in folder.iterdir()} == {".skops", ".json"}
    assert TRUSTED == ["sklearn.tree._tree.Tree"]
    table, _ = make_tables()
    current = table[~table["has_next_14_days"].astype(bool)].sort_values("service_id")
    answer = forest.predict_proba(feature_matrix(current, names))
    written = tables.predictions[tables.predictions["split"] == "current"]
    assert np.array_equal(answer[:, 0], written["single_probability"].to_numpy())


def test_a_forest_that_was_tampered_with_is_refused(built, tmp_path):
    tables, writer = built
    for path in (writer.models_dir / tables.model_id).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "forest.skops").write_bytes(b"PK")
    with pytest.raises(ValueError, match="not the file that was stored"):
        load_forest(tmp_path)


def test_a_stored_type_off_the_list_is_refused(built, settings, tmp_path):
    import hashlib

    import skops.io

    class_path = tmp_path / "forest.skops"
    skops.io.dump({"x": np.random.RandomState}, class_path)
    meta = {
        "features": [],
        "sha256": {"forest.skops": hashlib.sha256(class_path.read_bytes()).hexdigest()},
    }
    (tmp_path / "model.json").write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="unknown types"):
        load_forest(tmp_path)


def test_regret_repairs_impossible_answers_upwards():
    costs = np.array([[np.inf, 2.0, 3.0], [1.0, 2.0, np.inf], [np.inf, np.inf, 4.0]])
    assert regret(costs, np.array([0, 2, 0])).tolist() == [0.0, 0.0, 0.0]
    assert regret(costs, np.array([2, 1, 2])).tolist() == [0.5, 1.0, 0.0]


@pytest.mark.parametrize("case", ["one cut", "few services", "one class", "no latency"])
def test_too_little_history_is_said_and_nothing_is_claimed(settings, writer, case):
    table, costs = make_tables(10 if case == "few services" else 60)
    if case == "one cut":
        table = table[table["cut_on"] >= CUTS[3]]
    if case == "one class":
        costs = costs.assign(optimal_class="single")
    price = None if case == "no latency" else pricer(costs)
    tables = compute(table, pd.DataFrame(), price, writer, settings)
    write_all(tables, writer)
    assert tables.predictions.empty
    assert set(tables.metrics["status"]) == {"insufficient"}
    assert tables.degradations["code"].tolist() == ["STRATEGY_NOT_TRAINED"]


def test_services_without_a_feasible_plan_have_no_label(settings, writer):
    table, costs = make_tables()
    stuck = costs["service_id"] == "svc-007"
    costs.loc[stuck, ["single_usd", "dual_usd", "multi_usd"]] = np.inf
    costs["optimal_class"] = costs["optimal_class"].where(~stuck, None)
    tables = compute(table, pd.DataFrame(), pricer(costs), writer, settings)
    write_all(tables, writer)
    mine = tables.predictions[tables.predictions["service_id"] == "svc-007"]
    assert mine["split"].tolist() == ["current"]


def test_fitting_ignores_a_feature_nobody_may_use(settings):
    table, _ = make_tables()
    labels = np.array(["single", "dual"] * (len(table) // 2), dtype=object)
    names = ["log_demand", "tier"]
    forest = fit_forest(feature_matrix(table, names), labels, replace(settings, trees=5))
    assert content_id(forest, names, settings) != content_id(forest, names[::-1], settings)
