"""The what-if command and the user's file of weights and rules: what they read and how they end."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from ml.placement.answers.saved import Problem, save
from ml.placement.answers.scenario import Scenario
from ml.placement.search.solve import solve
from ml.placement.whatif import problem_of, whatif
from regionwise import whatif as command
from regionwise.build import config_hash
from regionwise.config import Settings, load
from regionwise.exits import Exit, Stop
from regionwise.policy import policy
from tests.ml.placement.builder import build_instance

NOTHING: dict[str, Any] = {
    "weight": 1.0,
    "slo": None,
    "ban": (),
    "lose": (),
    "price": (),
    "capacity": (),
    "min_regions": None,
    "move_budget": None,
    "freeze": (),
    "pin": (),
}


@lru_cache
def _problem() -> Problem:
    return problem_of(solve(build_instance(16, 4, 21, hours=4), quick=True))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "serving" / "build-a"
    home.mkdir(parents=True)
    save(home, _problem())
    pointer = {"build_id": "build-a", "path": "build-a/warehouse.duckdb"}
    (tmp_path / "serving" / "current.json").write_text(json.dumps(pointer))
    return load(data=tmp_path)


def test_options_become_the_scenario() -> None:
    given = NOTHING | {
        "weight": 2.0,
        "slo": "-20%",
        "price": ("r00=+20%", "r01=0.9"),
        "capacity": ("r02=-5%",),
        "move_budget": "none",
        "pin": ("s00001=r00+r01",),
        "ban": ("r03",),
    }
    assert command.scenario_of(**given) == Scenario(
        waiting_factor=2.0,
        slo_factor=0.8,
        prices=(("r00", 1.2), ("r01", 0.9)),
        capacities=(("r02", 0.95),),
        no_move_budget=True,
        pinned=(("s00001", ("r00", "r01")),),
        banned=("r03",),
    )
    assert command.scenario_of(**NOTHING) == Scenario()


@pytest.mark.parametrize(
    "wrong",
    [{"price": ("r00",)}, {"price": ("=2",)}, {"slo": "fast"}, {"move_budget": "many"}],
)
def test_options_that_cannot_be_read_end_with_usage(wrong: dict[str, Any]) -> None:
    with pytest.raises(Stop) as caught:
        command.scenario_of(**(NOTHING | wrong))
    assert caught.value.code == Exit.USAGE


def test_json_holds_what_the_function_answers(settings: Settings) -> None:
    scenario = Scenario(waiting_factor=8.0)
    content = json.loads(command.run(settings, scenario, as_json=True))
    found = whatif(_problem(), scenario)
    assert content["sentence"] == found.sentence
    assert content["after"]["mean_latency_ms"] == found.after.mean_latency_ms
    assert content["gap_share"] == found.gap_share
    assert found.sentence in command.run(settings, scenario, as_json=False)


def test_endings_say_why(settings: Settings) -> None:
    with pytest.raises(Stop, match="not known") as caught:
        command.run(settings, Scenario(banned=("nowhere",)), as_json=False)
    assert caught.value.code == Exit.USAGE
    with pytest.raises(Stop, match="MOVE_BUDGET") as caught:
        command.run(settings, Scenario(min_regions=4, move_budget=0), as_json=False)
    assert caught.value.code == Exit.NO_FEASIBLE_PLAN


def test_a_setting_that_nobody_gave_does_not_undo_the_file(settings: Settings) -> None:
    own = settings.data / "own.yml"
    own.write_text("move_budget: 7\n")
    assert policy(settings).move_budget == 60
    by_file = load(data=settings.data, placement=own)
    assert policy(by_file).move_budget == 7
    assert policy(load(data=settings.data, placement=own, move_budget=9)).move_budget == 9
    before = config_hash(by_file)
    own.write_text("move_budget: 8\n")
    assert config_hash(by_file) != before


def test_a_refused_file_ends_with_usage_and_names_it(settings: Settings) -> None:
    own = settings.data / "own.yml"
    own.write_text("move_bugdet: 7\n")
    with pytest.raises(Stop, match="move_bugdet") as caught:
        policy(load(data=settings.data, placement=own))
    assert caught.value.code == Exit.USAGE
    assert str(own) in caught.value.message
