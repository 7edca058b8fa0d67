"""The rule that no service pays with its own speed for the gain of others."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ml.placement.check.checker import check_plan
from ml.placement.fleet.evaluate import SLOWER
from ml.placement.fleet.fleet import Fleet, describe_today, evaluate_fleet
from ml.placement.graph.bound import joint_bound
from ml.placement.problem.instance import Flags
from ml.placement.run import find_plans, tables
from ml.placement.search.descent import descend
from ml.placement.search.kinds import Found, excused, strict_today
from ml.placement.search.solve import solve, space_of
from tests.ml.placement.builder import build_instance


def slowed(fleet: Fleet) -> Flags:
    return np.asarray(fleet.assessed.broken[:, 0] & SLOWER != 0)


_LIMIT: dict[str, Any] = {"slowdown_limit_share": 0.10, "slowdown_error_share": 0.05}


@lru_cache
def _found(seed: int) -> Found:
    return find_plans(build_instance(24, 4, seed, hours=6, **_LIMIT), quick=True)


def test_only_excused_services_are_slower_than_allowed_and_all_are_reported() -> None:
    solution = _found(11).recommended
    limit = strict_today(solution).slowest_ms
    slower = solution.fleet.assessed.mean_ms[:, 0] > limit * (1 + 1e-9)
    assert not (slower & ~excused(solution)).any()
    rows = tables(_found(11), 0.8)["run_degradations"]
    listed = set(rows[rows["code"] == "SLOWER_THAN_TODAY"]["scope"])
    names = {f"service:{solution.instance.service_ids[s]}" for s in np.flatnonzero(slower)}
    assert names <= listed


def test_limit_is_the_allowed_share_of_todays_time() -> None:
    instance = build_instance(24, 4, 11, hours=6, **_LIMIT)
    today, fleet = describe_today(instance, space_of(instance))
    judged = np.isfinite(today.slowest_ms)
    ratio = today.slowest_ms[judged] / fleet.assessed.mean_ms[judged, 0]
    np.testing.assert_allclose(ratio, 1.10 / 1.05, rtol=1e-9)
    assert judged.sum() > 12
    assert not slowed(fleet).any()


def test_plan_that_moves_a_service_far_away_is_flagged_and_the_checker_agrees() -> None:
    instance = build_instance(24, 4, 12, hours=6, **_LIMIT)
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    flagged = 0
    for s in np.flatnonzero(np.isfinite(today.slowest_ms))[:8]:
        for region in range(4):
            chosen = fleet.chosen.copy()
            chosen[s] = space.index[(region,)]
            moved = evaluate_fleet(instance, space, chosen, today)
            is_slow = moved.assessed.mean_ms[s, 0] > today.slowest_ms[s] * (1 + 1e-9)
            assert bool(moved.assessed.broken[s, 0] & SLOWER) == bool(is_slow)
            flagged += int(is_slow)
    assert flagged > 0
    plan = [space.sets[p] for p in moved.chosen]
    count = [
        {r: int(moved.assessed.instances[i, 0, k]) for k, r in enumerate(chosen)}
        for i, chosen in enumerate(plan)
    ]
    everybody = frozenset(range(24))
    report = check_plan(
        instance, plan, count, int(moved.cost_micro.sum()), may_break=everybody, with_rows=False
    )
    slow = {instance.service_ids[s] for s in np.flatnonzero(slowed(moved))}
    assert slow <= set(report.broken_services)


def test_without_the_rule_nobody_is_judged_and_the_bound_covers_plans_that_keep_it() -> None:
    kept = _found(11).recommended
    policy = replace(kept.instance.policy, slowdown_limit_share=None)
    free = solve(replace(kept.instance, policy=policy), quick=True)
    assert np.isinf(strict_today(free).slowest_ms).all()
    assert not slowed(free.fleet).any()
    assert joint_bound(free, iterations=80).lower_micro <= kept.upper_micro


def test_descent_slows_down_fewer_services_than_where_it_began() -> None:
    instance = build_instance(24, 4, 13, hours=6, move_budget=None, **_LIMIT)
    space = space_of(instance)
    today, _ = describe_today(instance, space)
    rng = np.random.default_rng(13)
    begin = rng.integers(0, 4, 24)
    before = slowed(evaluate_fleet(instance, space, begin, today)).sum()
    after = slowed(descend(instance, space, today, begin, 30).fleet).sum()
    assert before > 0
    assert after < before
