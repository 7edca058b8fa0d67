"""Odd rows: landing keeps every one of them as it was, dbt's staging puts each in its place."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from generator import contract
from generator.importers.folder import LandResult, land
from tests.importers import village as v
from tests.importers.row_cases import ROW_CASES, RowCase, first_rows, odd_village

STARTS = first_rows()


def _names(case: object) -> str:
    return case.name if isinstance(case, RowCase) else str(case)


@pytest.fixture(scope="module")
def landed(odd_data: Path) -> dict[str, list[dict[str, object]]]:
    return {
        name: pq.read_table(odd_data / "raw" / f"{name}.parquet").to_pylist()
        for name in contract.TABLES
        if name != "traffic_patterns"
    } | {"traffic_patterns": _traffic(odd_data)}


def _traffic(data: Path) -> list[dict[str, object]]:
    # Year 9999 is beyond pandas, and all ten thousand rows are beyond patience: only the odd ones.
    table = pq.read_table(data / "raw" / "traffic_patterns.parquet")
    good = len(v.village()["traffic_patterns"])
    return [{} for _ in range(good)] + table.slice(good).to_pylist()


def test_case_names_are_unique_and_many() -> None:
    names = [case.name for case in ROW_CASES]
    assert len(names) == len(set(names)) >= 40


@pytest.mark.parametrize("case", ROW_CASES, ids=_names)
def test_landing_keeps_the_row(case: RowCase, landed: dict[str, list[dict[str, object]]]) -> None:
    number = STARTS[case.name] + len(case.rows) - 1
    row = landed[case.table][number - 1]
    assert (row["_file"], row["_row"]) == (f"{case.table}.csv", number)
    assert {name: _plain(row[name]) for name in case.landed} == case.landed
    said = json.loads(str(row["_unparsed"])) if row["_unparsed"] else {}
    assert said == dict(case.unparsed)


def test_no_row_is_lost(odd_result: LandResult) -> None:
    assert odd_result.rows == {name: len(rows) for name, rows in odd_village().items()}


def test_good_rows_are_typed_whole(tmp_path: Path) -> None:
    land(v.write(v.village(), tmp_path / "in"), tmp_path / "raw")
    for name, table in contract.TABLES.items():
        schema = pq.read_schema(tmp_path / "raw" / f"{name}.parquet")
        assert schema.equals(contract.arrow_schema(table)), name
        landed = pq.read_table(tmp_path / "raw" / f"{name}.parquet", columns=["_unparsed", "_row"])
        assert landed["_unparsed"].null_count == landed.num_rows
        assert landed["_row"].to_pylist() == list(range(1, landed.num_rows + 1))


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat() if isinstance(value, dt.date) else value
