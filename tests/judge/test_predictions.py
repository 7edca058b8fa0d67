"""Predictions that the writer alone would let pass, or that somebody wrote without it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contract import TABLES
from ml.io import Writer, to_arrow
from regionwise.judge import Failure, engine
from regionwise.judge.__main__ import main
from regionwise.judge.predictions import batches, expected_schema
from regionwise.judge.verdict import judge
from tests.judge.conftest import sound_rows

BY_NAME = {table.name: table for table in TABLES}


def _spoil(data: Path, table: str, **values: object) -> None:
    """Overwrite columns of a written file, past the writer and its checks."""
    path = data / "predictions" / table / "stage.parquet"
    arrow = pq.read_table(path)
    for column, value in values.items():
        index = arrow.schema.get_field_index(column)
        values_ = value if isinstance(value, list) else [value] * arrow.num_rows
        field = arrow.schema.field(index)
        arrow = arrow.set_column(index, field, pa.array(values_, field.type))
    pq.write_table(arrow, path)


def _failures(data: Path, *tables: str) -> tuple[Failure, ...]:
    """Judge the layout and some tables only: all of them take seconds."""
    found = batches(data / "predictions", data / "build" / "warehouse.duckdb")
    return engine.failures([b for b in found if b.table in ("layout", *tables)])


def test_sound_predictions_are_accepted(predicted_data: Path) -> None:
    judgement = judge("predictions", predicted_data)
    assert judgement.failures == ()
    assert judgement.tables == len(TABLES) + 1
    assert judgement.checks > 200


@pytest.mark.parametrize(
    ("table", "column", "value", "rule"),
    [
        ("latency_predictions", "model_id", None, "completeness"),
        ("latency_predictions", "predicted_ms", -1.0, "range"),
        ("latency_predictions", "predicted_ms", float("inf"), "range"),
        ("latency_predictions", "split", "holdout", "value_set"),
        ("strategy_predictions", "dual_probability", 0.4, "sums_to_one"),
        ("placement_plans", "traffic_share", 0.9, "sums_to_one"),
        ("placement_runs", "plan_kind", "greedy", "coverage"),
        ("latency_candidates", "service_id", "api", "coverage"),
        ("placement_services", "service_id", "web", "coverage"),
        ("placement_alternatives", "service_id", "web", "coverage"),
    ],
)
def test_broken_predictions_are_found(
    table: str, column: str, value: object, rule: str, predicted_data: Path
) -> None:
    _spoil(predicted_data, table, **{column: value})
    failures = _failures(predicted_data, table)
    assert {(f.table, f.rule) for f in failures} == {(table, rule)}
    assert failures[0].observed not in ("", "None")


def test_a_service_without_demand_shares_no_traffic(predicted_data: Path) -> None:
    _spoil(predicted_data, "placement_plans", traffic_share=[1.0, 0.0])
    (failure,) = _failures(predicted_data, "placement_plans")
    assert failure.rule == "sums_to_one"
    _spoil(predicted_data, "placement_services", mean_rps=[3.0, 0.0])
    assert _failures(predicted_data, "placement_plans") == ()


def test_an_interval_upside_down_is_found(predicted_data: Path) -> None:
    _spoil(predicted_data, "latency_predictions", predicted_lo_ms=9.0, predicted_hi_ms=1.0)
    (failure,) = _failures(predicted_data, "latency_predictions")
    assert (failure.rule, failure.column) == ("interval", "predicted_hi_ms")


def test_a_table_without_rows_is_found(predicted_data: Path) -> None:
    writer = Writer(predicted_data / "predictions", predicted_data / "models")
    writer.write("placement_alternatives", pd.DataFrame(), "stage")
    (failure,) = _failures(predicted_data, "placement_alternatives")
    assert (failure.table, failure.rule) == ("placement_alternatives", "no_rows")


def test_a_table_that_may_be_empty_may_be_empty(predicted_data: Path) -> None:
    writer = Writer(predicted_data / "predictions", predicted_data / "models")
    writer.write("strategy_predictions", pd.DataFrame(), "stage")
    assert _failures(predicted_data, "strategy_predictions") == ()


def test_a_table_that_nobody_wrote_is_found(predicted_data: Path) -> None:
    (predicted_data / "predictions" / "model_metrics" / "stage.parquet").unlink()
    (failure,) = _failures(predicted_data, "model_metrics")
    assert failure.table == "layout"
    assert "model_metrics" in failure.observed


def test_a_second_stage_is_judged_too(predicted_data: Path) -> None:
    table = BY_NAME["model_metrics"]
    arrow = to_arrow(table, sound_rows(table).assign(variant="audit"))
    pq.write_table(
        arrow.drop_columns(["status"]),
        predicted_data / "predictions" / "model_metrics" / "audit.parquet",
    )
    (failure,) = _failures(predicted_data, "model_metrics")
    assert "model_metrics/audit" in failure.observed


def test_the_command_returns_the_code_of_failed_data_tests(
    predicted_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _spoil(predicted_data, "latency_predictions", predicted_ms=-1.0)
    assert main(["predictions", "--data", str(predicted_data)]) == 4
    said = capsys.readouterr().err
    assert "latency_predictions.predicted_ms" in said
    assert "such as -1.0" in said


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_schema_is_the_writers(table: object, predicted_data: Path) -> None:
    assert isinstance(table, type(TABLES[0]))
    written = pq.read_schema(predicted_data / "predictions" / table.name / "stage.parquet")
    assert written.equals(expected_schema(table))
