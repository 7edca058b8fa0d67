"""The measurement of placement: what it prints is checked apart from the solver."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

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


def test_a_general_solver_runs_side_by_side() -> None:
    found = json.loads(placement.run(12, 3, seed=2, capacity=True, compare=5.0, as_json=True))
    ours, highs = found["compare"]["plans"], found["compare"]["highs"]
    assert ours["lower_usd"] <= highs["upper_usd"] * (1 + 1e-6)
    assert highs["lower_usd"] <= ours["upper_usd"] * (1 + 1e-6)


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
