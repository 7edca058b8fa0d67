"""Raw tables that no row rule would catch: wrong units, wrong layout, half empty, all alike."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from generator import contract
from regionwise.judge import Failure, engine, raw
from regionwise.judge.__main__ import main
from tests.helpers import ROOT


def _change(data: Path, table: str, select: str) -> None:
    """Replace a raw table by a query on itself, called ``t`` in it."""
    path = data / "raw" / f"{table}.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(path)).to_table("t")
        connection.execute(f"copy ({select}) to '{path}' (format parquet)")


def _failures(data: Path, *tables: str) -> tuple[Failure, ...]:
    """Judge some batches only: all of them take seconds."""
    batches = raw.batches(data / "raw")
    return engine.failures([b for b in batches if b.table in tables])


def _set(column: str, expression: str) -> str:
    return f"select * replace ({expression} as {column}) from t"


@pytest.fixture(scope="module")
def judged(sound_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder whose sound raw set was judged by the command, pages of another day included."""
    data = tmp_path_factory.mktemp("judged")
    shutil.copytree(sound_raw, data / "raw")
    stale = data / "build" / "data_docs" / "raw" / "validations" / "old.html"
    stale.parent.mkdir(parents=True)
    stale.write_text("yesterday")
    assert main(["raw", "--data", str(data)]) == 0
    return data


def test_sound_tables_are_accepted(judged: Path) -> None:
    record = json.loads((judged / "build" / "judgement_raw.json").read_text())
    assert record["failures"] == []
    assert record["expectations"] > 80
    assert (judged / record["data_docs"]).exists()


def test_pages_fetch_nothing_and_do_not_pile_up(judged: Path) -> None:
    pages = sorted((judged / "build" / "data_docs" / "raw").rglob("*.html"))
    # One per table, and the layout and coverage of all.
    assert len([p for p in pages if "validations" in p.parts]) == len(contract.TABLES) + 2
    for page in pages:
        text = page.read_text()
        outside = re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=[\"']https?:[^>]*>", text)
        assert outside == [], page
        assert not re.search(r"url\([\"']?https?:", text), page


# Each breaks one table as a whole; row by row, nothing in it would be quarantined.
WHOLES: dict[str, tuple[str, str, str, str]] = {
    "seconds_for_milliseconds": (
        "regional_latency",
        _set("latency_ms", "latency_ms / 1000"),
        "latency_ms",
        "unit",
    ),
    "microseconds_for_milliseconds": (
        "service_placement",
        _set("avg_latency_ms", "avg_latency_ms * 1000"),
        "avg_latency_ms",
        "unit",
    ),
    "gigabytes_for_megabytes": (
        "services",
        _set("memory_mb", "memory_mb // 1024"),
        "memory_mb",
        "unit",
    ),
    "price_of_a_month": (
        "regions",
        _set("vcpu_hour_usd", "cast(vcpu_hour_usd * 100 as decimal(18, 6))"),
        "vcpu_hour_usd",
        "unit",
    ),
    "no_traffic_at_all": (
        "traffic_patterns",
        _set("requests", "cast(0 as bigint)"),
        "requests",
        "degenerate_distribution",
    ),
    "the_same_traffic_always": (
        "traffic_patterns",
        _set("requests", "cast(5 as bigint)"),
        "requests",
        "constant_column",
    ),
    "every_tenth_value_unread": (
        "traffic_patterns",
        _set("_unparsed", 'case when _row % 10 = 0 then \'{"requests":"x"}\' end'),
        "_unparsed",
        "unparsed_share",
    ),
    "every_tenth_latency_zero": (
        "service_placement",
        _set("avg_latency_ms", "case when _row % 10 = 0 then 0 else avg_latency_ms end"),
        "avg_latency_ms",
        "bad_latency_share",
    ),
    "every_tenth_latency_unknown": (
        "service_placement",
        _set("avg_latency_ms", "case when _row % 10 <> 0 then avg_latency_ms end"),
        "avg_latency_ms",
        "bad_latency_share",
    ),
    "percent_for_shares": (
        "service_placement",
        _set("cpu_utilization", "cpu_utilization * 100"),
        "cpu_utilization",
        "range",
    ),
    "unknown_words": ("regions", _set("continent", "'North America'"), "continent", "value_set"),
    "most_ids_missing": (
        "traffic_patterns",
        _set("origin_region", "case when _row % 10 = 0 then origin_region end"),
        "origin_region",
        "completeness",
    ),
    "traffic_of_other_services": (
        "traffic_patterns",
        _set("service_id", "service_id || '-v2'"),
        "services_with_traffic_share",
        "completeness",
    ),
    "three_days_in_four_missing": (
        "service_placement",
        "select * from t where day_of_month % 4 = 0".replace("day_of_month", "day(day)"),
        "placement_days_share",
        "completeness",
    ),
    "no_rows": ("services", "select * from t where false", "", "no_rows"),
}


@pytest.mark.parametrize("name", sorted(WHOLES))
def test_wholes_are_judged(name: str, raw_data: Path) -> None:
    table, select, column, rule = WHOLES[name]
    _change(raw_data, table, select)
    failures = _failures(raw_data, table, "coverage")
    found = [f for f in failures if (f.column, f.rule) == (column, rule)]
    assert found, failures
    assert found[0].table == ("coverage" if column.endswith("_share") else table)
    assert found[0].expected
    assert found[0].observed not in ("", "None")


@pytest.mark.parametrize(
    "select",
    [
        "select * exclude (tier) from t",
        "select *, 1 as extra from t",
        "select memory_mb, * exclude (memory_mb) from t",
        "select * replace (cast(memory_mb as double) as memory_mb) from t",
    ],
    ids=["column_gone", "column_added", "order_changed", "type_changed"],
)
def test_layout_is_judged(select: str, raw_data: Path) -> None:
    _change(raw_data, "services", select)
    (failure,) = _failures(raw_data, "layout", "services")
    assert (failure.table, failure.rule) == ("layout", "layout")
    assert "services." in failure.observed


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"PAR1")])
def test_a_missing_or_broken_file_is_a_failure(
    spoil: Callable[[Path], object], raw_data: Path
) -> None:
    spoil(raw_data / "raw" / "traffic_patterns.parquet")
    (failure,) = _failures(raw_data, "layout", "traffic_patterns", "coverage")
    assert failure.rule == "layout"
    assert "traffic_patterns" in failure.observed


def test_dirt_within_limits_is_left_to_staging(raw_data: Path) -> None:
    bad = "case when _row % 50 = 0 then -1 else requests end"
    _change(raw_data, "traffic_patterns", _set("requests", bad))
    odd_day = "case when _row = 3 then date '9999-12-31' else day end"
    _change(raw_data, "service_placement", _set("day", odd_day))
    assert _failures(raw_data, "traffic_patterns", "service_placement", "coverage") == ()


def test_an_absent_optional_table_is_no_failure(raw_data: Path) -> None:
    _change(raw_data, "region_egress", "select * from t where false")
    absent = "is_present and table_name <> 'region_egress'"
    _change(raw_data, "landed_tables", _set("is_present", absent))
    assert _failures(raw_data, "region_egress", "layout") == ()


def test_the_command_says_what_failed_and_where(raw_data: Path) -> None:
    _change(raw_data, "regional_latency", _set("latency_ms", "latency_ms / 1000"))
    done = subprocess.run(
        [sys.executable, "-m", "regionwise.judge", "raw"],
        cwd=ROOT,
        env=os.environ | {"REGIONWISE_DATA": str(raw_data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "regional_latency.latency_ms: expected a median from 0.5 to 1000" in done.stderr
    assert "observed" in done.stderr
    assert str(raw_data / "build" / "data_docs" / "raw" / "index.html") in done.stderr
