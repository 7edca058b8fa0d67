"""Sound raw tables and sound predictions, which each test breaks in its own way."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from generator.importers.folder import land
from ml.contract import TABLES, Column, Table
from ml.io import Writer
from tests.importers import village as v

SERVICES = ("api", "web")


def _value(column: Column, row: int) -> object:
    """Return a value that the contract allows, different in each row where it may be."""
    if column.name == "service_id":
        return SERVICES[row]
    if column.values:
        return column.values[min(row, len(column.values) - 1)]
    if column.type == "text":
        return f"{column.name}-{row}"
    if column.type == "boolean":
        return True
    if column.type == "date":
        return dt.date(2026, 6, 1) + dt.timedelta(days=row)
    low = 0 if column.low is None else column.low
    high = low + 2 if column.high is None else column.high
    step = low + (high - low) / 2
    if column.type == "bigint":
        return int(low + 1) + (row if column.high is None else 0)
    return step


def sound_rows(table: Table) -> pd.DataFrame:
    """Return two rows of a prediction table that keep its contract."""
    rows = [{c.name: _value(c, row) for c in table.columns} for row in range(2)]
    frame = pd.DataFrame(rows)
    if table.name == "strategy_predictions":
        frame[["single_probability", "dual_probability", "multi_probability"]] = (0.5, 0.3, 0.2)
    if table.name == "placement_plans":
        frame["traffic_share"] = 1.0
    if table.name == "placement_runs":
        frame["plan_kind"] = ["current", "recommended"]
    return frame


@pytest.fixture(scope="session")
def sound_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound raw set, landed once."""
    data = tmp_path_factory.mktemp("sound")
    land(v.write(v.village(), data / "in"), data / "raw")
    return data / "raw"


@pytest.fixture
def raw_data(sound_raw: Path, tmp_path: Path) -> Path:
    """Data folder with a sound raw set, free to break."""
    shutil.copytree(sound_raw, tmp_path / "raw")
    return tmp_path


@pytest.fixture
def predicted_data(tmp_path: Path) -> Path:
    """Data folder with sound predictions for two active services."""
    writer = Writer(tmp_path / "predictions", tmp_path / "models")
    for table in TABLES:
        writer.write(table.name, sound_rows(table), "stage")
    (tmp_path / "build").mkdir()
    with duckdb.connect(str(tmp_path / "build" / "warehouse.duckdb")) as connection:
        connection.execute(
            "create table feat_placement__services as "
            "select * from (values ('api', true), ('web', true), ('old', false)) "
            "as t(service_id, is_active)"
        )
    return tmp_path
