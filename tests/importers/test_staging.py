"""What dbt's staging makes of landed rows: kept or quarantined, and never lost.

Two runs of dbt serve all cases: one on the odd rows, one on real measurements.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from generator import contract
from generator.importers.folder import LandResult, land
from tests.helpers import ROOT
from tests.importers.row_cases import KEPT, ROW_CASES, RowCase, first_rows

Warehouse = duckdb.DuckDBPyConnection
STARTS = first_rows()


def _stage(data: Path) -> Path:
    """Run dbt's staging of the raw tables on one data folder."""
    (data / "build").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from dbt.cli.main import cli; cli()", "build"),
            *("--select", "path:models/staging/raw", "region_aliases"),
            *("--resource-type", "model", "--resource-type", "seed"),
            *("--project-dir", str(ROOT / "dbt_project"), "--profiles-dir", str(ROOT)),
            *("--target-path", str(data / "target"), "--log-path", str(data / "logs")),
        ],
        cwd=ROOT,
        env=os.environ | {"REGIONWISE_DATA": str(data), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return data / "build" / "warehouse.duckdb"


@pytest.fixture(scope="module")
def staged(odd_data: Path) -> Iterator[Warehouse]:
    with duckdb.connect(str(_stage(odd_data)), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The services of a real application among the regions of two providers."""
    data = tmp_path_factory.mktemp("real")
    source = data / "in"
    shutil.copytree(shared_data / "multicloud", source)
    for table in ("services", "service_dependencies", "service_placement", "traffic_patterns"):
        (path,) = (shared_data / "petshop").glob(f"{table}.csv*")
        shutil.copy(path, source)
    result = land(source, data / "raw")
    assert result.ignored_files == ("expected_quarantine.csv",)
    with duckdb.connect(str(_stage(data)), read_only=True) as connection:
        yield connection


def _account(warehouse: Warehouse) -> dict[str, tuple[int, int, int]]:
    """Return rows read, kept and quarantined of every table."""
    account = {}
    for table in contract.TABLES:
        row = warehouse.execute(
            f"""
            select
                (select rows_read from stg_raw__landed_tables where table_name = ?),
                (select count(*) from stg_raw__{table}),
                (select count(*) from stg_raw__{table}__judged where rejected_rule is not null)
            """,
            [table],
        ).fetchone()
        assert row is not None
        account[table] = row
    return account


def _rules(warehouse: Warehouse, table: str) -> dict[int, str]:
    rows = warehouse.execute(
        f"select line_number, coalesce(rejected_rule, ?) from stg_raw__{table}__judged", [KEPT]
    ).fetchall()
    rules = dict(rows)
    assert len(rules) == len(rows), "staging multiplied rows"
    return rules


def test_the_account_of_odd_rows_closes(staged: Warehouse) -> None:
    account = _account(staged)
    for table, (read, kept, quarantined) in account.items():
        assert read == kept + quarantined, table
    wanted = {
        table: sum(rule != KEPT for c in ROW_CASES if c.table == table for rule in c.rules)
        for table in contract.TABLES
    }
    assert {table: quarantined for table, (_, _, quarantined) in account.items()} == wanted


@pytest.fixture(scope="module")
def rules(staged: Warehouse) -> dict[str, dict[int, str]]:
    return {table: _rules(staged, table) for table in contract.TABLES}


@pytest.mark.parametrize("case", ROW_CASES, ids=lambda case: case.name)
def test_each_row_ends_in_its_place(
    case: RowCase, rules: dict[str, dict[int, str]], staged: Warehouse
) -> None:
    start = STARTS[case.name]
    found = tuple(rules[case.table][start + i] for i in range(len(case.rows)))
    assert found == case.rules
    if case.staged:
        number = max(start + i for i, rule in enumerate(case.rules) if rule == KEPT)
        columns = ", ".join(case.staged)
        row = staged.execute(
            f"select {columns} from stg_raw__{case.table}__judged where line_number = ?", [number]
        ).fetchone()
        assert row == tuple(case.staged.values())


def test_quarantine_keeps_the_original_words(staged: Warehouse) -> None:
    for case in ROW_CASES:
        for text in case.unparsed.values():
            row = staged.execute(
                f"select original_values from stg_raw__{case.table}__judged where line_number = ?",
                [STARTS[case.name]],
            ).fetchone()
            assert row is not None
            assert text in row[0], case.name


def test_quarantine_names_its_file(staged: Warehouse) -> None:
    rows = staged.execute("select distinct file_name from stg_raw__services__judged").fetchall()
    assert rows == [("services.csv",)]


def test_impossible_round_trips_of_real_data(real: Warehouse, shared_data: Path) -> None:
    with (shared_data / "multicloud" / "expected_quarantine.csv").open() as stream:
        wanted = {
            (row["source_region"], row["target_region"], row["observed_at"][:10])
            for row in csv.DictReader(stream)
        }
    rows = real.execute(
        """
        select client_id, region_id, cast(observed_at as date)
        from stg_raw__regional_latency__judged where rejected_rule = 'faster_than_light'
        """
    ).fetchall()
    found = {(a, b, day.isoformat()) for a, b, day in rows if isinstance(day, dt.date)}
    assert found == wanted
    assert _account(real)["regional_latency"] == (2256, 2180, 76)


def test_the_account_of_real_data_closes(real: Warehouse) -> None:
    account = _account(real)
    assert all(read == kept + quarantined for read, kept, quarantined in account.values())
    # No other row of these measurements breaks a rule, however odd its names are.
    faults = {table: row[2] for table, row in account.items() if row[2]}
    assert faults == {"regional_latency": 76}


def test_landing_real_data_keeps_every_row(shared_data: Path, tmp_path: Path) -> None:
    result: LandResult = land(shared_data / "petshop", tmp_path / "raw")
    assert {name: rows for name, rows in result.rows.items() if rows} == {
        "regions": 22,
        "region_egress": 481,
        "services": 39,
        "service_dependencies": 41,
        "regional_latency": 420,
        "traffic_patterns": 15288,
        "service_placement": 117,
    }


def test_geography_alone_is_refused(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(contract.ContractError) as caught:
        land(shared_data / "multicloud", tmp_path / "raw")
    assert {(f.file, f.rule) for f in caught.value.findings} == {
        (table, "missing_table") for table in ("services", "traffic_patterns", "service_placement")
    }
