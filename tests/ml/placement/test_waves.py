"""Waves of moves: every state legal, every move accounted for."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from ml.placement.answers.waves import Planner, Schedule, payback
from ml.placement.answers.waves_frames import moves_frame, waves_frame
from ml.placement.fleet.evaluate import SLOWER
from ml.placement.fleet.fleet import Fleet, evaluate_fleet
from ml.placement.search.solve import Solution, solve
from tests.ml.placement.builder import build_instance


@lru_cache
def _solution() -> Solution:
    return solve(build_instance(28, 4, 17, hours=6, capacity_share=1.3, move_budget=40), quick=True)


@lru_cache
def _schedule() -> Schedule:
    return Planner(_solution()).schedule()


def _states() -> list[tuple[np.ndarray, Fleet]]:
    solution = _solution()
    chosen = solution.today.home.copy()
    out = [(chosen.copy(), _evaluated(chosen))]
    for wave in _schedule().waves:
        for unit in wave.units:
            for s in unit.services:
                chosen[s] = solution.fleet.chosen[s]
        out.append((chosen.copy(), _evaluated(chosen)))
    return out


def _evaluated(chosen: np.ndarray) -> Fleet:
    solution = _solution()
    return evaluate_fleet(solution.instance, solution.space, chosen, solution.today)


def _need(fleet: Fleet) -> np.ndarray:
    solution = _solution()
    need = np.zeros((solution.instance.n_services, solution.instance.n_regions))
    for s, p in enumerate(fleet.chosen):
        for k, r in enumerate(solution.space.sets[p]):
            need[s, r] = fleet.assessed.instances[s, 0, k]
    return need


def test_the_waves_lead_to_the_plan_or_name_what_cannot_move() -> None:
    solution, schedule = _solution(), _schedule()
    stuck = {s for unit in schedule.stuck for s in unit.services}
    last = _states()[-1][0]
    for s in range(solution.instance.n_services):
        want = solution.today.home[s] if s in stuck else solution.fleet.chosen[s]
        assert last[s] == want
    assert schedule.waves


def test_old_and_new_fit_side_by_side_in_every_wave() -> None:
    solution, states = _solution(), _states()
    cores, limit = solution.instance.cpu_cores[:, None], solution.instance.capacity_vcpu
    for (_, before), (_, after), wave in zip(states, states[1:], _schedule().waves, strict=False):
        both = (np.maximum(_need(before), _need(after)) * cores).sum(axis=0)
        held = (_need(before) * cores).sum(axis=0)
        assert (both <= np.maximum(limit, held) + 1e-6).all()
        np.testing.assert_allclose(both, wave.side_by_side)


def test_no_rule_but_slowness_breaks_on_the_way() -> None:
    solution = _solution()
    ends = solution.today_fleet.assessed.broken | solution.fleet.assessed.broken
    for _, fleet in _states():
        assert not (fleet.assessed.broken & ~ends & ~SLOWER).any()


def test_services_with_state_move_alone_and_few_at_a_time() -> None:
    solution = _solution()
    most = solution.instance.policy.wave_moves_max
    for wave in _schedule().waves:
        stateful = [u for u in wave.units if u.has_state]
        assert not stateful or len(wave.units) == 1
        assert len(wave.units) == 1 or sum(u.added for u in wave.units) <= most


def test_frames_hold_every_change_once() -> None:
    solution, schedule = _solution(), _schedule()
    moves, waves = moves_frame(solution, schedule), waves_frame(solution, schedule)
    member, home = (solution.space.member[x] for x in (solution.fleet.chosen, solution.today.home))
    assert len(moves) == int((member != home).sum())
    assert (moves["wave"].isna() == moves["is_deadlock"]).all()
    assert moves["reason"].str.len().gt(0).all()
    assert waves["wave"].tolist() == list(range(len(schedule.waves) + 1))
    added = moves[(moves["change"] == "add") & ~moves["is_deadlock"]]
    assert waves["regions_added"].sum() == len(added)


def test_two_moves_that_wait_for_each_others_room_are_a_deadlock() -> None:
    instance = build_instance(2, 2, 1, hours=2, calls=False, capacity_share=None)
    current = np.array([[True, False], [False, True]])
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
    # Both services change places by hand; each region holds the larger of the two and no more.
    swapped = np.array([solution.space.index[(1,)], solution.space.index[(0,)]])
    fleet = evaluate_fleet(free, solution.space, swapped, solution.today)
    both = [f.assessed.instances[:, 0, 0] * 2.0 for f in (solution.today_fleet, fleet)]
    room = np.array([max(both[0][0], both[1][1]), max(both[0][1], both[1][0])])
    narrow = replace(solution, fleet=fleet, instance=replace(free, capacity_vcpu=room))
    schedule = Planner(narrow).schedule()
    assert not schedule.waves
    assert "no room" in schedule.obstacle[0]
    moves = moves_frame(narrow, schedule)
    assert moves["is_deadlock"].all()
    assert len(moves) == 4
    roomy = replace(narrow, instance=replace(free, capacity_vcpu=room * 2))
    assert not Planner(roomy).schedule().stuck


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
