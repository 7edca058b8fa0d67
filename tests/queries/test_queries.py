"""Every question of ``queries/`` runs, answers, and says what it answers."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

QUERIES = sorted((Path(__file__).resolve().parents[2] / "queries").glob("*.sql"))
IDS = [path.stem for path in QUERIES]


def test_there_are_at_least_eight_questions_numbered_without_gaps() -> None:
    numbers = [int(path.name[:2]) for path in QUERIES]
    assert numbers == list(range(1, len(QUERIES) + 1))
    assert len(QUERIES) >= 8


@pytest.mark.parametrize("path", QUERIES, ids=IDS)
def test_header_states_question_grain_and_columns(path: Path) -> None:
    header = [line for line in path.read_text().splitlines() if line.startswith("--")]
    assert re.match(r"-- Question: .+\?", " ".join(header)), "the question ends with its mark"
    assert any(line.startswith("-- Grain:    one row per ") for line in header)
    assert any(line.startswith("-- Columns:  ") for line in header)


@pytest.mark.parametrize("path", QUERIES, ids=IDS)
def test_query_returns_rows(path: Path, marts: duckdb.DuckDBPyConnection) -> None:
    assert marts.sql(path.read_text()).fetchall(), f"{path.name} answers nothing on the demo"


@pytest.mark.parametrize("path", QUERIES, ids=IDS)
def test_query_reads_marts_only(path: Path, marts: duckdb.DuckDBPyConnection) -> None:
    tables = duckdb.DuckDBPyConnection.get_table_names(marts, path.read_text())
    private = sorted(name for name in tables if not re.match(r"(dim|fct|rpt|meta)_", name))
    assert not private, f"{path.name} reads {private}, which no snapshot promises"


@pytest.mark.parametrize("path", QUERIES, ids=IDS)
def test_answer_does_not_depend_on_threads(path: Path, marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute("set threads = 1")
    alone = marts.sql(path.read_text()).fetchall()
    marts.execute("set threads = 4")
    assert repr(marts.sql(path.read_text()).fetchall()) == repr(alone)
