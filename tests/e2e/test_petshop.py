"""Real measurements: one region, two days, no CPU. The same path, honestly weakened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def marts(petshop_data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    serving = petshop_data / "serving"
    path = serving / str(json.loads((serving / "current.json").read_text())["path"])
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def test_what_the_data_lack_is_said(marts: duckdb.DuckDBPyConnection) -> None:
    codes = {
        code
        for (code,) in marts.execute("select distinct reason_code from fct_degradations").fetchall()
    }
    assert codes >= {
        "SHORT_HISTORY",
        "NO_PLACEMENT_VARIATION",
        "CPU_NOT_IDENTIFIABLE",
        "CAPACITY_OFF",
        "COST_FROM_PRICE_BOOK",
        "DISTANCE_FALLBACK",
        "EGRESS_DEFAULT",
    }
    assert codes.isdisjoint({"NO_CALL_GRAPH", "CALL_CYCLE", "ENTRY_REGION_ONLY", "CARBON_OFF"})


def test_every_service_and_region_has_an_answer(marts: duckdb.DuckDBPyConnection) -> None:
    assert marts.execute("select count(*) from fct_recommendations").fetchone() == (39,)
    assert marts.execute("select count(*) from fct_recommendation_alternatives").fetchone() == (
        39 * 22,
    )


def test_confidence_is_capped_and_says_why(marts: duckdb.DuckDBPyConnection) -> None:
    rows = marts.execute(
        "select confidence, confidence_cap_code from fct_recommendations"
    ).fetchall()
    assert {confidence for confidence, _ in rows} <= {"low", "medium"}
    assert all(code is not None for _, code in rows)


def test_without_a_world_there_is_no_effect_rather_than_an_effect_of_zero(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    assert marts.execute("select verdict from fct_experiment_verdict").fetchone() == (
        "inconclusive",
    )
    assert marts.execute(
        "select count(*) from fct_experiment_results "
        "where rel_effect is not null or p_value is not null or status = 'ok'"
    ).fetchone() == (0,)


def test_no_row_is_lost(marts: duckdb.DuckDBPyConnection) -> None:
    read, kept, quarantined = marts.execute(
        "select sum(rows_read), sum(rows_kept), sum(rows_quarantined) "
        "from fct_data_quality where is_whole_table"
    ).fetchone() or (0, 1, 1)
    assert read == kept + quarantined
    assert read >= 15_000


def test_real_data_are_not_called_synthetic(marts: duckdb.DuckDBPyConnection) -> None:
    assert marts.execute("select is_synthetic, seed from meta_runs").fetchone() == (False, None)
