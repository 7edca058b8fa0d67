"""The measurement of placement: what it prints is checked apart from the solver."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml.placement.bench import whole
from ml.placement.bench.fleet import bench_fleet
from ml.placement.columns.fleet import fleet_problem
from regionwise.bench import placement
from regionwise.bench.commands import bench
from regionwise.exits import Exit, Stop


def test_measures_a_fleet_with_an_independent_check() -> None:
    found = json.loads(placement.run(60, 4, seed=1, capacity=True, as_json=True))
    assert found["state"] == "feasible"
    assert found["lower_bound_usd_per_hour"] <= found["objective_usd_per_hour"]
    assert 0 <= found["gap_share"] < 1e-3
    assert found["check"] == {"by": "checker", "is_ok": True, "findings": []}
    assert found["violations"]["slo_missed_services"] == 0
    assert found["violations"]["vcpu_above_capacity"] == 0
    assert found["peak_mb"] > 0
    assert found["seconds"] > 0
    assert set(found["baselines"]) >= {"current", "greedy_within_capacity"}


def test_large_fleets_are_checked_by_the_numpy_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_CHECKER_SERVICES", 10)
    found = json.loads(placement.run(60, 4, seed=1, capacity=True, as_json=True))
    assert found["check"]["by"] == "numpy_evaluation"
    assert found["check"]["is_ok"]


def test_general_solvers_run_side_by_side_and_none_contradicts_another() -> None:
    found = json.loads(placement.run(8, 3, seed=2, capacity=True, compare=8.0, as_json=True))
    ours = found["compare"]["plans"]
    for name in ("highs", "cp_sat"):
        other = found["compare"][name]
        assert other["rows"] > 0, other["status"]
        assert ours["lower_usd"] <= other["upper_usd"] * (1 + 1e-6)
        assert other["lower_usd"] <= ours["upper_usd"] * (1 + 1e-6)
        assert other["upper_usd"] == pytest.approx(ours["upper_usd"], rel=1e-4)


def test_a_solver_that_is_not_installed_is_named_and_the_rest_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ml.placement.bench.whole.find_spec", lambda _name: None)
    said: list[str] = []
    text = placement.run(5, 3, seed=2, capacity=True, compare=2.0, as_json=True, say=said.append)
    found = json.loads(text)["compare"]
    assert "regionwise[bench]" in found["cp_sat"]["status"]
    assert "regionwise[bench]" in said[-1]
    assert found["highs"]["rows"] > 0


def test_a_solver_that_dies_has_found_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise MemoryError('too large')", encoding="utf-8")
    monkeypatch.setattr(whole, "_CPSAT", broken)
    simple = whole.plain(bench_fleet(5, 3))
    found = whole.solve_with_cpsat(simple, fleet_problem(simple).today, 2.0, 1)
    assert found.upper_usd == math.inf
    assert "too large" in found.status


def test_call_graphs_go_to_their_own_solver() -> None:
    found = json.loads(placement.run(30, 4, seed=1, call_graph=True, as_json=True, time_limit=10))
    assert found["check"] == {"by": "evaluate_graph", "is_ok": True}
    assert found["lower_bound_usd_per_hour"] <= found["objective_usd_per_hour"]


def test_command_prints_rules_beside_the_plan() -> None:
    done = CliRunner().invoke(
        bench, ["placement", "--services", "25", "--regions", "3", "--capacity"]
    )
    assert done.exit_code == 0, done.output
    assert "| greedy_within_capacity |" in done.output


def test_too_many_regions_are_refused() -> None:
    with pytest.raises(Stop) as caught:
        placement.run(10, 99)
    assert caught.value.code == Exit.USAGE
