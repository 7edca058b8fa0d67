"""The audit knows a perfect model from a leak."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from generator.synthetic import audit
from tests.generator.small_world import Dataset


@pytest.fixture(scope="module")
def predictions(dataset: Dataset) -> pd.DataFrame:
    truth = pd.read_parquet(dataset.truth / "placement_truth.parquet").dropna(subset=["mu_ms"])
    rng = np.random.default_rng(5)
    days = truth["placed_on"].rank(method="dense")
    return pd.DataFrame(
        {
            "service_id": truth["service_id"],
            "region_id": truth["region_id"],
            "placed_on": truth["placed_on"].dt.date,
            "model_id": "m",
            "split": np.where(days > 20, "test", "train"),
            "observed_ms": truth["mu_ms"] * np.exp(rng.normal(0, 0.12, len(truth))),
            "predicted_ms": truth["mu_no_deploy_ms"],
        }
    )


def value(found: pd.DataFrame, metric: str, slice_: str = "all", what: str = "value") -> object:
    row = found[(found["metric"] == metric) & (found["slice"] == slice_)]
    row = row[row["variant"] == "model"]
    assert len(row) == 1
    return row[what].iloc[0]


def test_the_ceiling_itself_scores_one(dataset: Dataset, predictions: pd.DataFrame) -> None:
    found = audit(dataset.truth, predictions)
    for metric in ("r2", "within_r2", "mae"):
        assert value(found, f"{metric}_ratio_to_ceiling") == pytest.approx(1.0)
    assert value(found, "r2_ratio_to_deploy_aware_ceiling", what="status") == "met"


def test_a_model_that_saw_the_answers_is_a_leak(
    dataset: Dataset, predictions: pd.DataFrame
) -> None:
    found = audit(dataset.truth, predictions.assign(predicted_ms=predictions["observed_ms"]))
    assert value(found, "r2_ratio_to_deploy_aware_ceiling", what="status") == "missed"


def test_a_poor_model_misses_its_goals(dataset: Dataset, predictions: pd.DataFrame) -> None:
    found = audit(dataset.truth, predictions.assign(predicted_ms=predictions["observed_ms"].mean()))
    for metric in ("r2", "within_r2", "mae"):
        assert value(found, f"{metric}_ratio_to_ceiling", what="status") == "missed"


def test_few_rows_are_insufficient(dataset: Dataset, predictions: pd.DataFrame) -> None:
    few = predictions[predictions["split"] == "test"].head(20)
    found = audit(dataset.truth, few)
    assert set(found["status"]) == {"insufficient"}
    assert found["value"].isna().all()


def test_predictions_of_another_dataset_are_refused(
    dataset: Dataset, predictions: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match="another dataset"):
        audit(dataset.truth, predictions.assign(region_id="moon-" + predictions["region_id"]))
