"""The certificate in SQL: what must turn red when a published number is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.warehouse.conftest import PROJECT, ROOT, query

BOUNDS = "fct_certificate__no_plan_differs"
TERMS = "int_certificate__plans__cost_every_term_as_published"
CALLS = "int_certificate__clients__calls_equal_the_load_that_makes_them"
PRICES = "int_certificate__latency__prices_of_calls_follow_from_the_plan"
INPUTS = ("certificate_*", "runs", "plans", "services", "duals")
MODELS = (
    "path:models/marts/certificate",
    "stg_ml__latency_candidates",
    "stg_ml__latency_calls",
    *(f"stg_ml__placement_{name}" for name in INPUTS),
)


@pytest.fixture(scope="module")
def copied(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's features and predictions, free to be spoiled."""
    data = tmp_path_factory.mktemp("certificate")
    (data / "build").mkdir()
    shutil.copyfile(demo_data / "build" / "warehouse.duckdb", data / "build" / "warehouse.duckdb")
    shutil.copytree(demo_data / "predictions", data / "predictions")
    return data


def _failed(data: Path, *arguments: str) -> set[str]:
    """Derive the certificate again and return the names of what failed."""
    command = [sys.executable, "-m", "dbt.cli.main", "--quiet", "build", "-s", *MODELS, *arguments]
    command += ["--exclude", "test_type:generic", "test_type:unit"]
    command += ["--project-dir", str(PROJECT), "--profiles-dir", str(ROOT)]
    command += ["--target-path", str(data / "target"), "--log-path", str(data / "logs")]
    environment = os.environ | {"REGIONWISE_DATA": str(data), "REGIONWISE_THREADS": "2"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    results = json.loads((data / "target" / "run_results.json").read_text())["results"]
    assert len(results) > 30, said.stdout + said.stderr
    return {r["unique_id"].split(".")[2] for r in results if r["status"] in ("fail", "error")}


@contextmanager
def _spoiled(data: Path, table: str, change: Callable[[pd.DataFrame], None]) -> Iterator[None]:
    path = data / "predictions" / table / "placement.parquet"
    sound = pq.read_table(path)
    frame = sound.to_pandas()
    change(frame)
    pq.write_table(pa.Table.from_pandas(frame, schema=sound.schema, preserve_index=False), path)
    yield
    pq.write_table(sound, path)


def _recommended(data: Path) -> str:
    (row,) = query(data, "select plan_id from fct_certificate where plan_kind = 'recommended'")
    return str(row[0])


def test_the_demo_is_confirmed_to_the_micro_dollar(demo_data: Path) -> None:
    found = query(
        demo_data,
        "select plan_kind, status, services, sets_evaluated, services_with_other_instances,"
        " abs(upper_bound_difference_usd_per_hour), abs(lower_bound_difference_usd_per_hour),"
        " own_rules_bound_usd_per_hour < upper_bound_usd_per_hour,"
        " lower_bound_usd_per_hour <= upper_bound_usd_per_hour"
        " from fct_certificate where status <> 'skipped' order by plan_kind",
    )
    assert [row[:2] for row in found] == [("current", "confirmed"), ("recommended", "confirmed")]
    _, _, services, sets, others, upper, lower, own_below, ordered = found[1]
    assert services > 100
    assert sets > 20 * services
    assert others == 0
    assert max(upper, lower) <= services * 1e-6
    assert own_below
    assert ordered


def test_skipped_plans_say_why(demo_data: Path) -> None:
    rows = query(demo_data, "select plan_kind, reason from fct_certificate where status='skipped'")
    assert {kind for kind, _ in rows} >= {"least_cost", "best_latency", "greedy"}
    assert all("call flows" in reason for _, reason in rows)


def test_a_changed_price_of_moves_is_seen(copied: Path) -> None:
    def raise_price(duals: pd.DataFrame) -> None:
        duals.loc[duals["row_kind"] == "moves", "dual"] += 5.0

    with _spoiled(copied, "placement_duals", raise_price):
        assert _failed(copied) == {BOUNDS}
    (row,) = query(
        copied,
        "select upper_bound_difference_usd_per_hour, lower_bound_difference_usd_per_hour"
        " from fct_certificate where plan_kind = 'recommended'",
    )
    assert row[0] == 0
    assert row[1] < 0


def test_a_set_made_cheaper_elsewhere_is_seen(copied: Path) -> None:
    def make_cheaper(sets: pd.DataFrame) -> None:
        first = sets.loc[~sets["is_closed"]].iloc[0]
        same = (sets["service_id"] == first["service_id"]) & (
            sets["set_number"] == first["set_number"]
        )
        sets.loc[same, "elsewhere_micro_usd"] -= 100_000_000

    with _spoiled(copied, "placement_certificate_elsewhere", make_cheaper):
        assert _failed(copied) == {BOUNDS}


def test_one_instance_too_many_is_seen(copied: Path) -> None:
    plan = _recommended(copied)

    def add_one(placed: pd.DataFrame) -> None:
        first = placed.index[placed["plan_id"] == plan][0]
        placed.loc[first, "instances"] += 1

    with _spoiled(copied, "placement_plans", add_one):
        assert _failed(copied) == {BOUNDS, TERMS}


def test_a_changed_price_of_an_open_region_is_seen(copied: Path) -> None:
    def raise_price(parameters: pd.DataFrame) -> None:
        parameters.loc[parameters["name"] == "open_region_usd_per_hour", "value"] *= 1.001

    with _spoiled(copied, "placement_certificate_parameters", raise_price):
        assert {BOUNDS, TERMS} <= _failed(copied)


def test_flows_and_prices_of_calls_that_the_plan_does_not_make_are_seen(copied: Path) -> None:
    plan = _recommended(copied)

    def add_calls(clients: pd.DataFrame) -> None:
        at = clients.loc[clients["plan_id"] == plan, "calls_rps"].idxmax()
        clients.loc[at, "calls_rps"] *= 1.0001

    def raise_worth(onward: pd.DataFrame) -> None:
        at = onward.loc[onward["plan_id"] == plan, "onward_usd_per_rps"].idxmax()
        onward.loc[at, "onward_usd_per_rps"] *= 1.0001

    with _spoiled(copied, "placement_certificate_clients", add_calls):
        assert CALLS in _failed(copied)
    with _spoiled(copied, "placement_certificate_onward", raise_worth):
        failed = _failed(copied)
    assert PRICES in failed
    assert CALLS not in failed


def test_a_fleet_too_large_is_skipped_aloud(copied: Path) -> None:
    assert _failed(copied, "--vars", '{"certificate_max_plan_rows": 100}') == set()
    rows = query(copied, "select distinct status, reason from fct_certificate")
    assert len(rows) == 1
    assert rows[0][0] == "skipped"
    assert "exceed certificate_max_plan_rows == 100" in rows[0][1]
    assert query(copied, "select count(*) from int_certificate__plans") == [(0,)]
