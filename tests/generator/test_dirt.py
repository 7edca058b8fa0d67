"""Damage in the raw tables equals the ledger, kind by kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from generator.contract import TABLES, arrow_schema
from generator.synthetic.dirt import LEDGER_COLUMNS, ORPHAN_ID
from generator.synthetic.foundation import Foundation
from generator.synthetic.history import History
from generator.synthetic.params import load_params
from tests.generator.small_world import DAYS, Dataset


@pytest.fixture(scope="module")
def ledger(dataset: Dataset) -> pd.DataFrame:
    return pd.read_parquet(dataset.truth / "dirt_ledger.parquet")


@pytest.fixture(scope="module")
def placement(dataset: Dataset) -> pd.DataFrame:
    return pd.read_parquet(dataset.raw / "service_placement.parquet")


@pytest.fixture(scope="module")
def traffic(dataset: Dataset) -> pd.DataFrame:
    return pd.read_parquet(dataset.raw / "traffic_patterns.parquet")


def count(ledger: pd.DataFrame, table: str, kind: str, column: str) -> int:
    hit = (ledger["table_name"] == table) & (ledger["kind"] == kind)
    return int((hit & (ledger["column_name"] == column)).sum())


def test_every_kind_of_damage_is_there_at_its_rate(ledger: pd.DataFrame, past: History) -> None:
    rows = int(past.active.sum())
    rates = load_params().dirt
    for kind, column, rate in (
        ("missing_latency", "avg_latency_ms", rates.missing_latency),
        ("missing_cpu", "cpu_utilization", rates.missing_cpu),
        ("duplicate", "avg_latency_ms", rates.duplicate),
        ("conflict", "avg_latency_ms", rates.conflict),
        ("unit_error", "avg_latency_ms", rates.unit_error),
        ("alias", "region", rates.alias),
    ):
        found = count(ledger, "service_placement", kind, column)
        assert abs(found - rate * rows) < 5 * np.sqrt(rate * rows) + 1, kind
    assert tuple(ledger.columns) == LEDGER_COLUMNS


def test_placement_rows_are_the_clean_ones_plus_what_the_ledger_added(
    ledger: pd.DataFrame, placement: pd.DataFrame, past: History
) -> None:
    added = sum(
        count(ledger, "service_placement", kind, column)
        for kind, column in (
            ("duplicate", "avg_latency_ms"),
            ("conflict", "avg_latency_ms"),
            ("orphan", "service_id"),
        )
    )
    assert len(placement) == past.active.sum() + added
    assert (placement["service_id"] == ORPHAN_ID).sum() == count(
        ledger, "service_placement", "orphan", "service_id"
    )
    aliases = placement["region"].str.contains("_")
    assert aliases.sum() == count(ledger, "service_placement", "alias", "region")
    unserved = (past.active & (past.requests == 0)).sum()
    missing = count(ledger, "service_placement", "missing_latency", "avg_latency_ms")
    assert placement["avg_latency_ms"].isna().sum() == missing + unserved
    zeros = count(ledger, "service_placement", "zero_latency", "avg_latency_ms")
    assert (placement["avg_latency_ms"] == 0).sum() == zeros


def test_touched_values_are_in_the_table_as_the_ledger_says(
    ledger: pd.DataFrame, placement: pd.DataFrame
) -> None:
    wrong = ledger[(ledger["kind"] == "unit_error") & (ledger["column_name"] == "avg_latency_ms")]
    assert len(wrong) > 3
    ratio = wrong["dirty_value"].astype(float) / wrong["clean_value"].astype(float)
    assert set(np.round(np.log10(ratio))) <= {-3.0, 3.0}
    frame = placement.assign(observed_at=pd.to_datetime(placement["day"]))
    merged = wrong.merge(
        frame,
        left_on=["service_id", "region_id", "observed_at"],
        right_on=["service_id", "region", "observed_at"],
    )
    assert len(merged) == len(wrong)
    assert merged["avg_latency_ms"].to_numpy() == pytest.approx(
        merged["dirty_value"].astype(float).to_numpy(), abs=1e-6
    )


def test_of_two_rows_with_one_key_the_later_is_right(
    ledger: pd.DataFrame, placement: pd.DataFrame
) -> None:
    conflicts = ledger[
        (ledger["kind"] == "conflict") & (ledger["table_name"] == "service_placement")
    ]
    frame = placement.assign(observed_at=pd.to_datetime(placement["day"]))
    for row in conflicts.itertuples():
        same = frame[
            (frame["service_id"] == row.service_id)
            & (frame["region"] == row.region_id)
            & (frame["observed_at"] == row.observed_at)
        ].sort_values("_row")
        assert len(same) == 2
        values = same["avg_latency_ms"].to_list()
        assert values == pytest.approx([float(row.dirty_value), float(row.clean_value)])


def test_traffic_rows_are_the_clean_ones_but_for_the_ledger(
    ledger: pd.DataFrame, traffic: pd.DataFrame, base: Foundation
) -> None:
    clean = int(base.services.alive(np.arange(DAYS)).sum()) * 24 * 5

    def n(kind: str, column: str = "requests") -> int:
        return count(ledger, "traffic_patterns", kind, column)

    hours = pd.to_datetime(ledger["observed_at"])
    days_late = ledger["dirty_value"].str.extract(r"\+days (\d)")[0].astype(float)
    end = pd.Timestamp("2026-06-01") + pd.Timedelta(days=DAYS)
    arrives = hours.dt.floor("D") + pd.to_timedelta(days_late, unit="D")
    never = int(((ledger["kind"] == "late") & (arrives >= end)).sum())
    assert never > 0
    added = n("duplicate") + n("conflict") + n("orphan", "service_id")
    assert len(traffic) == clean + added - n("gap") - never
    assert traffic["origin_region"].str.contains("_").sum() == n("alias", "origin_region")
    assert (traffic["service_id"] == ORPHAN_ID).sum() == n("orphan", "service_id")


def test_shifted_days_are_three_and_repeat_the_hour_before(
    ledger: pd.DataFrame, past: History, base: Foundation
) -> None:
    shifted = ledger[ledger["kind"] == "shifted_hour"]
    at = pd.to_datetime(shifted["observed_at"])
    # The events lie on absolute days up to 40, so a window of 30 may miss some.
    events = set(zip(shifted["region_id"], at.dt.date, strict=True))
    assert 1 <= len(events) <= 3
    s = pd.Index(base.services.ids).get_indexer(pd.Index(shifted["service_id"]))
    o = pd.Index(base.geography.region_ids).get_indexer(pd.Index(shifted["region_id"]))
    hour = ((at - pd.Timestamp("2026-06-01")) // pd.Timedelta(hours=1)).to_numpy()
    assert (past.offered[s, o, hour - 1] == shifted["dirty_value"].astype(int)).all()
    assert (past.offered[s, o, hour] == shifted["clean_value"].astype(int)).all()


@pytest.mark.parametrize("name", TABLES)
def test_landed_files_have_the_contract_schema(dataset: Dataset, name: str) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(dataset.raw / f"{name}.parquet")
    assert table.schema.equals(arrow_schema(TABLES[name]))
    assert table.num_rows == dataset.result.rows[name]
    assert table["_row"].to_pylist() == list(range(1, table.num_rows + 1))
    for column in TABLES[name].columns:
        if column.required and not column.nullable:
            known = table[column.name].null_count == 0
            assert known, f"{name}.{column.name}"


def test_register_names_every_table_and_its_gaps(dataset: Dataset) -> None:
    tables = pd.read_parquet(dataset.raw / "landed_tables.parquet").set_index("table_name")
    assert list(tables.index) == list(TABLES)
    assert tables["rows_read"].to_dict() == dataset.result.rows
    assert not tables.loc["origins", "is_present"]
    whole = pd.read_parquet(dataset.raw / "landed_dataset.parquet")
    assert len(whole) == 1
    assert whole["dataset_hash"][0] == dataset.result.dataset_hash
    assert whole["dataset_kind"][0] == "synthetic"
    assert not (dataset.raw / ".incoming").exists()


def test_no_hidden_parameter_is_exported(dataset: Dataset) -> None:
    hidden = pd.read_parquet(dataset.truth / "services_truth.parquet")
    raw = pd.read_parquet(dataset.raw / "services.parquet")
    for name in ("cpu_ms", "io_ms", "service_ms", "ca2", "cs2", "base_rps", "noise_sd"):
        assert name not in raw.columns
        for column in raw.select_dtypes("number").columns:
            both = np.corrcoef(hidden[name], raw[column].astype(float).fillna(0))[0, 1]
            # Level of demand is public for services that only users call; nothing else is.
            if not (name == "base_rps" and column == "traffic_volume_rps"):
                assert not abs(both) > 0.95, (name, column)
