"""Waves of moves: every state legal, every move accounted for, every temporary stay ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from ml.placement.answers.waves import Planner, Schedule, payback
from ml.placement.answers.waves_detours import Detours
from ml.placement.answers.waves_frames import moves_frame, waves_frame
from ml.placement.answers.waves_trial import Trial, Trials
from ml.placement.answers.waves_units import Unit, Units
from ml.placement.fleet.evaluate import RULES, SLOWER
from ml.placement.fleet.fleet import Fleet, evaluate_fleet
from ml.placement.search.solve import Solution, solve
from tests.ml.placement.builder import build_instance

# One fleet with room to move, one that has room for today and for the plan and hardly for both.
CASES = ("roomy", "narrow")


@lru_cache
def _solution(case: str) -> Solution:
    if case == "roomy":
        instance = build_instance(28, 4, 17, hours=6, capacity_share=1.3, move_budget=40)
        return solve(instance, quick=True)
    found = solve(build_instance(16, 5, 8, hours=4, capacity_share=1.3, move_budget=60), quick=True)
    return _narrowed(found)


def _narrowed(solution: Solution) -> Solution:
    """Return the same plan with capacities that just hold both ends, and nothing to copy."""
    instance, trials = solution.instance, Trials(solution)
    cores = instance.cpu_cores[:, None]
    held = [(trials.instances_of(f) * cores).sum(axis=0) for f in _ends(solution)]
    room, state = np.maximum(*held), np.zeros(instance.n_services)
    return replace(solution, instance=replace(instance, capacity_vcpu=room, state_gb=state))


def _ends(solution: Solution) -> tuple[Fleet, Fleet]:
    return solution.today_fleet, solution.fleet


@lru_cache
def _schedule(case: str) -> Schedule:
    return Planner(_solution(case)).schedule()


def _states(case: str) -> list[tuple[np.ndarray, Fleet]]:
    solution = _solution(case)
    chosen = solution.today.home.copy()
    out = [(chosen.copy(), _evaluated(solution, chosen))]
    for wave in _schedule(case).waves:
        for unit in wave.units:
            chosen[list(unit.services)] = unit.plans
        out.append((chosen.copy(), _evaluated(solution, chosen)))
    return out


def _evaluated(solution: Solution, chosen: np.ndarray) -> Fleet:
    return evaluate_fleet(solution.instance, solution.space, chosen, solution.today)


def _need(solution: Solution, fleet: Fleet) -> np.ndarray:
    need = np.zeros((solution.instance.n_services, solution.instance.n_regions))
    for s, p in enumerate(fleet.chosen):
        for k, r in enumerate(solution.space.sets[p]):
            need[s, r] = fleet.assessed.instances[s, 0, k]
    return need


@pytest.mark.parametrize("case", CASES)
def test_the_waves_lead_to_the_plan_or_name_what_cannot_move(case: str) -> None:
    solution, schedule = _solution(case), _schedule(case)
    stuck = {s for unit in schedule.stuck for s in unit.services}
    assert all(stay.until_wave is not None for stay in schedule.stays)
    last = _states(case)[-1][0]
    for s in range(solution.instance.n_services):
        want = solution.today.home[s] if s in stuck else solution.fleet.chosen[s]
        assert last[s] == want
    assert schedule.waves


@pytest.mark.parametrize("case", CASES)
def test_old_and_new_fit_side_by_side_in_every_wave(case: str) -> None:
    solution, states = _solution(case), _states(case)
    cores, limit = solution.instance.cpu_cores[:, None], solution.instance.capacity_vcpu
    for (_, before), (_, after), wave in zip(
        states, states[1:], _schedule(case).waves, strict=False
    ):
        old, new = _need(solution, before), _need(solution, after)
        both = (np.maximum(old, new) * cores).sum(axis=0)
        held = (old * cores).sum(axis=0)
        assert (both <= np.maximum(limit, held) + 1e-6).all()
        np.testing.assert_allclose(both, wave.side_by_side)


@pytest.mark.parametrize("case", CASES)
def test_no_rule_but_slowness_breaks_on_the_way(case: str) -> None:
    solution = _solution(case)
    ends = solution.today_fleet.assessed.broken | solution.fleet.assessed.broken
    for _, fleet in _states(case):
        assert not (fleet.assessed.broken & ~ends & ~SLOWER).any()


def test_services_with_state_move_alone_and_few_at_a_time() -> None:
    solution = _solution("roomy")
    most = solution.instance.policy.wave_moves_max
    for wave in _schedule("roomy").waves:
        stateful = [u for u in wave.units if u.has_state]
        assert not stateful or len(wave.units) == 1
        assert len(wave.units) == 1 or sum(u.added for u in wave.units) <= most


@pytest.mark.parametrize("case", CASES)
def test_frames_hold_every_change_once(case: str) -> None:
    solution, schedule = _solution(case), _schedule(case)
    moves, waves = moves_frame(solution, schedule), waves_frame(solution, schedule)
    member, home = (solution.space.member[x] for x in (solution.fleet.chosen, solution.today.home))
    lasting = moves[~moves["is_temporary"]]
    assert len(lasting) == int((member != home).sum())
    assert not moves.duplicated(["service_id", "region_id", "step"]).any()
    assert (moves["wave"].isna() == moves["is_deadlock"]).all()
    assert moves["reason"].str.len().gt(0).all()
    assert waves["wave"].tolist() == list(range(len(schedule.waves) + 1))
    added = moves[(moves["change"] == "add") & ~moves["is_deadlock"]]
    assert waves["regions_added"].sum() == len(added)


def test_a_service_steps_aside_where_moves_wait_for_each_others_room() -> None:
    solution, schedule = _solution("narrow"), _schedule("narrow")
    assert Planner(solution, may_step_aside=False).schedule().stuck
    assert not schedule.stuck
    assert schedule.stays
    moves, waves = moves_frame(solution, schedule), waves_frame(solution, schedule)
    undone = moves[moves["is_temporary"]]
    for stay in schedule.stays:
        assert stay.until_wave is not None
        mine = undone[undone["service_id"] == solution.instance.service_ids[stay.service]]
        out, back = (mine[mine["wave"] == w] for w in (stay.from_wave, stay.until_wave))
        # What the first step does, the last one undoes.
        assert dict(zip(out["region_id"], out["change"] == "add", strict=True)) == dict(
            zip(back["region_id"], back["change"] == "remove", strict=True)
        )
        assert (out["until_wave"] == stay.until_wave).all()
        assert solution.instance.state_gb[stay.service] == 0
    assert len(undone) == 2 * undone["until_wave"].notna().sum()
    told = moves["stay_usd_per_month"].dropna().tolist()
    assert sorted(told) == pytest.approx(sorted(s.usd_per_month for s in schedule.stays))
    for number, count, usd in zip(
        waves["wave"], waves["temporary_services"], waves["temporary_usd_per_month"], strict=True
    ):
        lasting = [s for s in schedule.stays if s.from_wave <= number < (s.until_wave or 0)]
        assert count == len(lasting)
        assert usd == pytest.approx(sum(s.usd_per_month for s in lasting))


def test_a_stay_costs_what_the_bill_rises_by() -> None:
    solution, schedule = _solution("narrow"), _schedule("narrow")
    waves = waves_frame(solution, schedule).set_index("wave")["cost_usd_per_month"]
    for stay in schedule.stays:
        rise = waves[stay.from_wave] - waves[stay.from_wave - 1]
        assert stay.usd_per_month == pytest.approx(rise)


def _swap(regions: int) -> tuple[Solution, np.ndarray]:
    """Return two services that change places where each region holds the larger of them only."""
    instance = build_instance(2, regions, 1, hours=2, calls=False, capacity_share=None)
    current = np.zeros((2, regions), dtype=bool)
    current[0, 0] = current[1, 1] = True
    free = replace(
        instance,
        current=current,
        blocker=np.zeros_like(instance.blocker),
        min_regions=np.ones_like(instance.min_regions),
        loss_proof=np.zeros_like(instance.loss_proof),
        cpu_cores=np.full(2, 2.0),
        slo_ms=np.full(2, np.nan),
        state_gb=np.zeros(2),
    )
    solution = solve(free, quick=True)
    swapped = np.array([solution.space.index[(1,)], solution.space.index[(0,)]])
    fleet = evaluate_fleet(free, solution.space, swapped, solution.today)
    both = [f.assessed.instances[:, 0, 0] * 2.0 for f in (solution.today_fleet, fleet)]
    room = np.full(regions, 1e6)
    room[0], room[1] = max(both[0][0], both[1][1]), max(both[0][1], both[1][0])
    return replace(solution, fleet=fleet, instance=replace(free, capacity_vcpu=room)), room


def test_two_moves_that_wait_for_each_others_room_are_a_deadlock_without_a_third_region() -> None:
    narrow, room = _swap(2)
    schedule = Planner(narrow).schedule()
    assert not schedule.waves
    assert "no room" in schedule.obstacle[0]
    moves = moves_frame(narrow, schedule)
    assert moves["is_deadlock"].all()
    assert len(moves) == 4
    roomy = replace(narrow, instance=replace(narrow.instance, capacity_vcpu=room * 2))
    assert not Planner(roomy).schedule().stuck


def test_a_third_region_lets_two_services_change_places() -> None:
    narrow, _ = _swap(3)
    schedule = Planner(narrow).schedule()
    assert not schedule.stuck
    assert len(schedule.waves) == 3
    moves = moves_frame(narrow, schedule)
    assert moves["is_temporary"].sum() == 2
    assert set(moves.loc[moves["is_temporary"], "region_id"]) == {narrow.instance.region_ids[2]}
    # Its state would be copied twice: a service with state does not step aside.
    heavy = replace(narrow, instance=replace(narrow.instance, state_gb=np.ones(2)))
    assert Planner(heavy).schedule().stuck


@pytest.mark.parametrize("regrets", [0, 2])
def test_nobody_is_left_half_way(regrets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.placement.answers.waves._REGRETS", regrets)
    narrow, _ = _swap(3)
    truly = Trials.of

    def full(self: Trials, fleet: Fleet, groups: Sequence[Sequence[Unit]]) -> list[Trial]:
        """Keep the second service out of its place in the plan for ever."""
        found = truly(self, fleet, groups)
        refused = [any(u.services == (1,) and u.step == "plan" for u in g) for g in groups]
        return [
            replace(trial, use=trial.use + 1e9) if out else trial
            for trial, out in zip(found, refused, strict=True)
        ]

    # It can step aside and the first then move: both would be done but for its own way back.
    monkeypatch.setattr(Trials, "of", full)
    schedule = Planner(narrow).schedule()
    assert {s for unit in schedule.stuck for s in unit.services} == {0, 1}
    assert not schedule.waves
    assert not schedule.stays


def test_a_step_that_helps_nobody_is_not_proposed() -> None:
    narrow, _ = _swap(3)
    stuck = Units(narrow).every()
    steps = Detours(Trials(narrow)).aside(narrow.today_fleet, stuck, set())
    assert steps is not None
    assert len(steps) == 1
    assert Detours(Trials(narrow)).aside(narrow.today_fleet, stuck, {0, 1}) is None


def test_services_that_only_move_together_share_a_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow, room = _swap(2)
    roomy = replace(narrow, instance=replace(narrow.instance, capacity_vcpu=room * 2))
    truly = Trials.of

    def torn(self: Trials, fleet: Fleet, groups: Sequence[Sequence[Unit]]) -> list[Trial]:
        """Break an objective half-way: each service keeps it only where the other runs too."""
        found = truly(self, fleet, groups)
        late = np.array([1 << RULES.index("SLO_MISSED"), 0])
        return [
            replace(trial, broken=trial.broken | late) if len(group) == 1 else trial
            for trial, group in zip(found, groups, strict=True)
        ]

    monkeypatch.setattr(Trials, "of", torn)
    schedule = Planner(roomy).schedule()
    assert not schedule.stuck
    assert [len(wave.units) for wave in schedule.waves] == [2]


def test_callees_move_no_later_than_callers_where_order_holds() -> None:
    instance = replace(build_instance(14, 4, 6, hours=4, move_budget=None))
    solution = solve(instance, quick=True)
    schedule = Planner(solution).schedule()
    wave = {s: w.number for w in schedule.waves for u in w.units for s in u.services}
    edges, later = instance.edges, 0
    for e in range(len(edges.caller)):
        caller, callee = int(edges.caller[e]), int(edges.callee[e])
        later += wave.get(callee, 0) > wave.get(caller, 99)
    # The order of calls gives way only where nothing can move by it.
    assert later <= len(edges.caller) // 4


def test_payback_needs_a_saving() -> None:
    assert payback(10.0, 0.0) == float("inf")
    assert payback(0.0, 5.0) == 0.0
    assert payback(10.0, 30.0) == pytest.approx(10.14, abs=0.01)
