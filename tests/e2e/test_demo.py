"""The demo, end to end: what `make build` promises, read from what it published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.e2e

MARTS = {
    "dim_services",
    "dim_regions",
    "dim_origins",
    "fct_traffic_hours",
    "fct_service_region_days",
    "fct_region_pair_latency",
    "rpt_region_pairs",
    "fct_latency_predictions",
    "fct_model_metrics",
    "fct_feature_importances",
    "fct_strategy_predictions",
    "fct_plan_placements",
    "fct_plan_totals",
    "fct_recommendations",
    "fct_recommendation_regions",
    "fct_recommendation_reasons",
    "fct_recommendation_alternatives",
    "fct_experiment_results",
    "fct_experiment_checks",
    "fct_data_quality",
    "fct_degradations",
    "meta_runs",
}


@pytest.fixture(scope="module")
def marts(demo_snapshot: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_snapshot), read_only=True) as connection:
        yield connection


def _one(marts: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = marts.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def test_every_mart_is_published_with_rows(marts: duckdb.DuckDBPyConnection) -> None:
    sizes = dict(marts.execute("select table_name, estimated_size from duckdb_tables()").fetchall())
    assert set(sizes) >= MARTS
    assert [name for name in sorted(MARTS) if not sizes[name]] == []


def test_every_table_and_column_is_described(marts: duckdb.DuckDBPyConnection) -> None:
    bare = marts.execute(
        "select table_name from duckdb_tables() where comment is null or comment = '' union all "
        "select table_name || '.' || column_name from duckdb_columns() "
        "where not internal and coalesce(comment, '') = ''"
    ).fetchall()
    assert bare == []


def test_the_world_is_as_large_as_promised(marts: duckdb.DuckDBPyConnection) -> None:
    read = dict(
        marts.execute(
            "select table_name, max(rows_read) from fct_data_quality group by 1"
        ).fetchall()
    )
    assert read["traffic_patterns"] >= 1_600_000
    assert read["service_placement"] >= 30_000
    assert _one(marts, "select count(*) from dim_services") == 150


def test_every_service_has_one_recommendation_and_every_region_an_answer(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    services = _one(marts, "select count(distinct service_id) from fct_recommendations")
    assert _one(marts, "select count(*) from fct_recommendations") == services
    regions = _one(marts, "select count(*) from dim_regions")
    assert _one(marts, "select count(*) from fct_recommendation_alternatives") == services * regions
    silent = _one(
        marts,
        "select count(*) from fct_recommendation_alternatives where "
        "(not is_feasible and blocking_constraint is null) "
        "or (is_feasible and gap_objective is null)",
    )
    assert silent == 0


def test_the_plan_is_certified(marts: duckdb.DuckDBPyConnection) -> None:
    gap, low, high = _one(
        marts,
        "select gap_share, monthly_objective_bound_usd, monthly_objective_usd "
        "from fct_plan_totals where plan_kind = 'recommended'",
    )
    assert 0 < low <= high
    assert gap == pytest.approx(float(high / low) - 1, abs=1e-6)
    again = "select status from fct_certificate where plan_kind = 'recommended'"
    assert _one(marts, again) == "confirmed"


def test_the_readme_says_how_far_the_plan_is_and_whether_that_misses_its_goal(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    gap = _one(marts, "select gap_share from fct_plan_totals where plan_kind = 'recommended'")
    rows = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in rows if line.startswith("| plan: certified gap"))
    said = f"{gap:.3%}".replace("%", " %")
    # A goal that is missed stands in bold; one that is reached must not.
    assert row.split("|")[2].strip() == (f"**{said}**" if gap > 0.001 else said)


def test_both_arms_serve_all_demand_and_the_twin_is_exact(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    red = marts.execute(
        "select check_name, observed, expected from fct_experiment_checks where status = 'red'"
    ).fetchall()
    assert red == []
    names = {
        name for (name,) in marts.execute("select check_name from fct_experiment_checks").fetchall()
    }
    assert names >= {"demand_equal", "demand_total", "requests_conserved", "twin_same_plan_twice"}


def test_the_evaluation_begins_after_the_last_day_the_plan_knew(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    known, first, days = _one(
        marts,
        "select train_through_on, evaluate_from_on, evaluate_days from fct_experiment_verdict",
    )
    assert first > known
    assert days >= 28


def test_the_report_and_the_marts_say_the_same(
    marts: duckdb.DuckDBPyConnection, demo_data: Path
) -> None:
    run_id = _one(marts, "select run_id from meta_runs")
    report = json.loads((demo_data / "runs" / f"{run_id}.json").read_text())
    moves = _one(marts, "select count(*) from fct_recommendations where action <> 'keep'")
    assert report["headline"]["moves"] == moves
    assert report["headline"]["verdict"] == _one(
        marts, "select verdict from fct_experiment_verdict"
    )
    assert {step["status"] for step in report["steps"]} == {"done"}


def test_the_summary_is_short_and_names_the_next_commands(
    shared_builds: Path, demo_data: Path
) -> None:
    out = json.loads((shared_builds / "demo.json").read_text())["out"]
    assert "[1/11]" in out
    assert "[11/11]" in out
    # The last step is named once more where it takes long enough to say that it is alive.
    summary = out.rsplit("[11/11]", 1)[1].splitlines()[2:]
    assert 4 <= len([line for line in summary if line.strip()]) <= 12
    assert "make dashboard" in out
