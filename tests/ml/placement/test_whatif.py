"""What-if: the scenario is really solved, its bound is its own, the answer knows its limits."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from ml.placement import whatif as whatif_module
from ml.placement.answers.saved import FILE, Problem, SavedProblemError, load, save
from ml.placement.answers.scenario import Scenario, ScenarioError, applied
from ml.placement.check.checker import check_plan
from ml.placement.errors import InfeasibleError
from ml.placement.problem.instance import Instance, Ints
from ml.placement.search.solve import Solution, solve, space_of
from ml.placement.whatif import problem_of, resolve, whatif
from tests.ml.placement.builder import build_instance


@lru_cache
def _solution() -> Solution:
    return solve(build_instance(24, 4, 21, hours=6, capacity_share=1.5), quick=True)


@lru_cache
def _problem() -> Problem:
    return problem_of(_solution())


def _busiest() -> str:
    return _problem().instance.region_ids[int(_problem().member.sum(axis=0).argmax())]


def test_a_saved_problem_comes_back_whole(tmp_path: Path) -> None:
    path = save(tmp_path, _problem())
    again = load(path)
    assert again.instance.digest() == _problem().instance.digest()
    assert again.instance.policy == _problem().instance.policy
    assert again.instance.trained_through == _problem().instance.trained_through
    for field in fields(again.instance):
        mine, theirs = (getattr(p.instance, field.name) for p in (_problem(), again))
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype, field.name
    (tmp_path / "twice").mkdir()
    assert save(tmp_path / "twice", again).read_bytes() == path.read_bytes()
    asked = Scenario(waiting_factor=3.0)
    assert whatif(path, asked) == whatif(_problem(), asked)


def test_what_is_no_saved_problem_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SavedProblemError, match="holds no saved problem"):
        load(tmp_path / FILE)
    (tmp_path / FILE).write_bytes(b"not a zip")
    with pytest.raises(SavedProblemError):
        load(tmp_path / FILE)


def test_nothing_changed_changes_nothing() -> None:
    found = whatif(_problem(), Scenario())
    assert found.base == found.after == found.stay
    assert found.changes == ()
    assert not found.is_clear
    assert "no clear difference" in found.sentence


def test_a_scenario_is_checked_and_bounded_on_its_own_data() -> None:
    scenario = Scenario(waiting_factor=4.0, prices=((_busiest(), 1.5),), no_move_budget=True)
    changed = applied(_problem().instance, scenario)
    space = space_of(changed)
    start = np.array([space.of(row > 0) for row in _problem().member])
    found = resolve(changed, start)
    sets = [space.sets[p] for p in found.fleet.chosen]
    counts = found.fleet.assessed.instances[:, 0]
    stays = np.flatnonzero(found.table.is_stuck | np.isinf(found.today.slowest_ms))
    report = check_plan(
        changed,
        sets,
        [{r: int(counts[s, k]) for k, r in enumerate(one)} for s, one in enumerate(sets)],
        found.upper_micro,
        may_break=frozenset(stays.tolist()),
    )
    assert report.findings == ()
    answer = whatif(_problem(), scenario)
    assert answer.monthly_bound_usd <= answer.after.monthly_objective_usd + 1e-6
    # A bound of the build at the old prices would lie far below the scenario's cost.
    assert answer.monthly_bound_usd > _problem().upper_micro / 1e6 * 730
    assert answer.after.monthly_objective_usd <= answer.stay.monthly_objective_usd + 1e-6
    assert answer.is_clear
    assert answer.change_lo_usd <= answer.monthly_objective_change_usd <= answer.change_hi_usd


def test_faster_where_waiting_weighs_more() -> None:
    found = whatif(_problem(), Scenario(waiting_factor=20.0, no_move_budget=True))
    assert found.after.mean_latency_ms < found.base.mean_latency_ms
    assert found.changes


def test_a_banned_region_is_left_and_a_lost_one_too() -> None:
    region = _busiest()
    r = _problem().instance.region_ids.index(region)
    free = Scenario(lost=(region,))
    found = resolve(
        applied(_problem().instance, free),
        np.array([space_of(_problem().instance).of(row > 0) for row in _problem().member]),
    )
    inside = found.space.member[found.fleet.chosen][:, r]
    assert not (inside & ~found.table.is_stuck).any()
    answer = whatif(_problem(), free)
    assert any(region in one.from_regions for one in answer.changes)
    assert not any(region in one.to_regions for one in answer.changes)


def test_a_loss_asks_for_no_more_regions_than_are_left() -> None:
    instance = _problem().instance
    kept = instance.region_ids[0]
    lost = tuple(r for r in instance.region_ids if r != kept)
    changed = applied(instance, Scenario(lost=lost))
    assert (changed.min_regions == 1).all()
    assert not changed.loss_proof.any()
    assert changed.policy.move_budget is None


def test_frozen_and_pinned_services_stay() -> None:
    instance = _problem().instance
    name, other = instance.service_ids[3], instance.service_ids[5]
    allowed = np.flatnonzero(instance.blocker[5] == 0)[:2]
    pins = tuple(instance.region_ids[r] for r in allowed)
    scenario = Scenario(frozen=(name,), pinned=((other, pins),), no_move_budget=True)
    changed = applied(instance, scenario)
    space = space_of(changed)
    start = np.array([space.of(row > 0) for row in _problem().member])
    found = resolve(changed, start)
    assert found.space.member[found.fleet.chosen[3]].tolist() == instance.current[3].tolist()
    regions = np.flatnonzero(found.space.member[found.fleet.chosen[5]])
    assert regions.tolist() == allowed.tolist() or found.table.is_stuck[5]


def test_an_impossible_scenario_names_the_rules() -> None:
    with pytest.raises(InfeasibleError, match="move_budget"):
        whatif(_problem(), Scenario(min_regions=4, move_budget=0))


def test_where_the_recommended_plan_leads_nowhere_todays_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario, starts = Scenario(waiting_factor=2.0), []
    usual = whatif_module.resolve

    def refusing(instance: Instance, start: Ints, rounds: int = 4) -> Solution:
        starts.append(start)
        if len(starts) == 1:
            raise InfeasibleError(("MOVE_BUDGET",), "the first start leads nowhere")
        return usual(instance, start, rounds)

    monkeypatch.setattr(whatif_module, "resolve", refusing)
    answer = whatif(_problem(), scenario)
    assert len(starts) == 2
    assert (starts[0] != starts[1]).any()
    home = usual(applied(_problem().instance, scenario), starts[1])
    assert answer.after.monthly_objective_usd == pytest.approx(
        home.upper_micro / 1e6 * whatif_module.HOURS_PER_MONTH
    )


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (Scenario(banned=("nowhere",)), "not known"),
        (Scenario(frozen=("nobody",)), "not known"),
        (Scenario(pinned=(("nobody", ("r00",)),)), "not one of"),
        (Scenario(pinned=(("s00001", ()),)), "1 to 4"),
        (Scenario(prices=(("r00", -1.0),)), "not negative"),
        (Scenario(waiting_factor=float("nan")), "finite"),
        (Scenario(slo_factor=0.0), "positive"),
        (Scenario(min_regions=9), r"\[1, 4\]"),
        (Scenario(move_budget=-1), "at least 0"),
        (Scenario(banned=("r00", "r01"), lost=("r02", "r03")), "at least one"),
    ],
)
def test_a_senseless_scenario_is_refused(scenario: Scenario, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        whatif(_problem(), scenario)


def test_capacity_that_is_not_known_cannot_change() -> None:
    instance = _problem().instance
    r = int(np.flatnonzero(np.isinf(instance.capacity_vcpu))[0])
    with pytest.raises(ScenarioError, match="no capacity is known"):
        applied(instance, Scenario(capacities=((instance.region_ids[r], 0.5),)))


def test_less_capacity_never_pays() -> None:
    instance = _problem().instance
    r = int(np.flatnonzero(np.isfinite(instance.capacity_vcpu))[0])
    found = whatif(_problem(), Scenario(capacities=((instance.region_ids[r], 0.75),)))
    assert found.change_hi_usd >= 0
    assert replace(found.scenario, capacities=()) == Scenario()
