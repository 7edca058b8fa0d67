"""`regionwise bench orlib`: what it prints, what it compares with, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from regionwise.bench import orlib
from regionwise.cli import app
from regionwise.exits import Exit, Stop
from tests.ml.placement.facility.families import euclidean, graph, written


@pytest.fixture
def medians(tmp_path: Path) -> Path:
    path = tmp_path / "pmed1.txt"
    path.write_text(graph(60, 4, 1))
    return path


@pytest.fixture
def left_open(tmp_path: Path) -> Path:
    return written(euclidean(1, 9, 20, 400.0, (10, 90)), tmp_path / "site.txt", word="capacity")


def _rows(*files: Path, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(orlib.run(list(files), as_json=True, **options))
    return found


def test_each_file_is_one_row_of_json_alone_on_standard_output(medians: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "orlib", str(medians), "--json"])
    assert done.exit_code == 0
    (row,) = json.loads(done.stdout)
    assert row["file"] == str(medians)
    assert row["family"] == "p-median"
    assert row["proved"] is True
    assert row["gap"] == 0
    assert row["objective"] == row["lower_bound"]
    assert row["published_optimum"] is None
    assert row["match"] is None
    assert row["seconds"] >= 0


def test_an_optimum_beside_the_file_is_compared(medians: Path) -> None:
    cost = _rows(medians)[0]["objective"]
    table = medians.parent / "optima.csv"
    table.write_text(f"instance,problem,published_optimum\npmed2,p-median,1\npmed1,,{cost}\n")
    (row,) = _rows(medians)
    assert (row["published_optimum"], row["match"]) == (cost, True)
    assert "✓" in orlib.run([medians])
    table.write_text(f"instance,problem,published_optimum\npmed1,,{cost + 1}\n")
    assert _rows(medians)[0]["match"] is False
    assert "✗" in orlib.run([medians])
    table.write_text("instance,problem,published_optimum\npmed1,,many\n")
    with pytest.raises(Stop, match="line 2: published_optimum must be a number") as stop:
        orlib.run([medians])
    assert stop.value.code == Exit.INPUT_REFUSED


def test_a_capacity_left_open_is_asked_for_or_given(left_open: Path) -> None:
    with pytest.raises(Stop, match="left open") as stop:
        orlib.run([left_open])
    assert stop.value.code == Exit.USAGE
    rows = _rows(left_open, capacities=(300.0, float("inf")))
    assert [row["capacity"] for row in rows] == [300.0, None]
    assert rows[0]["objective"] >= rows[1]["objective"]


def test_the_largest_published_files_run_at_their_published_capacities(left_open: Path) -> None:
    known = left_open.rename(left_open.parent / "capa.txt")
    rows = _rows(known)
    assert [row["capacity"] for row in rows] == [8000, 10000, 12000, 14000]
    cost = rows[1]["objective"]
    (known.parent / "optima.csv").write_text(f"instance,published_optimum\ncapa2,{cost}\n")
    assert [row["match"] for row in _rows(known)] == [None, True, None, None]


def test_a_damaged_file_ends_the_command_before_anything_is_solved(
    medians: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = medians.parent / "cap1.txt"
    damaged.write_text(" 2 3 \n 10 5. \n 20 x \n")
    monkeypatch.setattr(orlib, "solve", lambda *_: pytest.fail("solved"))
    with pytest.raises(Stop) as stop:
        orlib.run([medians, damaged])
    assert stop.value.code == Exit.INPUT_REFUSED
    assert f"{damaged}: line 3: fixed cost of site 2 == 'x'" in stop.value.message


def test_sites_that_cannot_hold_the_demand_end_as_no_plan(left_open: Path) -> None:
    with pytest.raises(Stop, match="no choice of sites") as stop:
        orlib.run([left_open], (1.0,))
    assert stop.value.code == Exit.NO_FEASIBLE_PLAN


def test_a_capacity_that_is_none_is_refused(left_open: Path) -> None:
    with pytest.raises(Stop, match=r"capacity == -1\.0, must be above 0") as stop:
        orlib.run([left_open], (-1.0,))
    assert stop.value.code == Exit.USAGE


def test_limits_leave_an_honest_gap(tmp_path: Path) -> None:
    path = tmp_path / "graph.txt"
    path.write_text(graph(300, 10, 1))
    for options, reason in (({"node_limit": 1}, "nodes"), ({"time_limit": 0.0}, "time")):
        (row,) = _rows(path, **options)
        assert (row["proved"], row["stop_reason"]) == (False, reason)
        assert row["gap"] > 0
    assert "no (nodes)" in orlib.run([path], node_limit=1)


def test_a_plan_that_does_not_check_is_never_printed(
    medians: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orlib, "violations", lambda *_: ["cost is said to be 1"])
    with pytest.raises(Stop, match="does not check: cost is said to be 1"):
        orlib.run([medians])
