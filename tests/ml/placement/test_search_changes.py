"""Changes of a plan evaluated where they reach, against an evaluation of the whole fleet."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from ml.placement.fleet.changes import Change, Changes
from ml.placement.fleet.evaluate import Assessed, Today
from ml.placement.fleet.fleet import Fleet, describe_today, evaluate_fleet
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import Instance
from ml.placement.problem.rows import ROW_SLACK
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.solve import space_of
from ml.placement.walk.ranks import Ranker, rank_of
from tests.ml.placement.builder import build_instance

_N = 30


@lru_cache
def _case(seed: int) -> tuple[Instance, SetSpace, Today, Fleet]:
    instance = build_instance(_N, 4, seed, hours=6)
    space = space_of(instance)
    today, _ = describe_today(instance, space)
    return instance, space, today, evaluate_fleet(instance, space, today.home, today)


def _changes(space: SetSpace, rng: np.random.Generator, count: int) -> list[Change]:
    found = []
    for _ in range(count):
        services = np.sort(rng.choice(_N, int(rng.integers(1, 5)), replace=False))
        found.append((services, rng.integers(0, len(space.sets), len(services))))
    return found


def _whole(case: tuple[Instance, SetSpace, Today, Fleet], change: Change) -> Fleet:
    instance, space, today, base = case
    chosen = base.chosen.copy()
    chosen[change[0]] = change[1]
    return evaluate_fleet(instance, space, chosen, today)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reached_services_are_all_that_differ(seed: int) -> None:
    case = _case(seed)
    changes = _changes(case[1], np.random.default_rng(seed), 15)
    found = Changes(*case).reach(changes)
    base, reached = case[3], 0
    for i, change in enumerate(changes):
        whole, mine = _whole(case, change), found.change == i
        cost, broken = base.cost_micro.copy(), base.assessed.broken[:, 0].copy()
        count = base.assessed.instances[:, 0].copy()
        s = found.service[mine]
        cost[s], broken[s], count[s] = (
            found.cost_micro[mine],
            found.broken[mine],
            found.instances[mine],
        )
        assert np.abs(cost - whole.cost_micro).max() <= 1
        np.testing.assert_array_equal(broken, whole.assessed.broken[:, 0])
        np.testing.assert_array_equal(count, whole.assessed.instances[:, 0])
        reached += len(s)
    # Otherwise nothing would be won over the evaluation of the whole fleet.
    assert reached < 0.7 * len(changes) * _N


def test_applied_changes_give_the_fleet_of_a_whole_evaluation() -> None:
    case = _case(4)
    instance, space, today, fleet = case
    for change in _changes(space, np.random.default_rng(4), 12):
        fleet = Changes(instance, space, today, fleet).apply(*change)
    whole = evaluate_fleet(instance, space, fleet.chosen, today)
    for name in ("answer_ms", "answer_variance", "is_slowest"):
        np.testing.assert_allclose(getattr(fleet, name), getattr(whole, name), rtol=1e-9)
    for name in ("dependency_ms", "dependency_variance"):
        found, wanted = (getattr(one.clients, name) for one in (fleet, whole))
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    for name in Assessed.__dataclass_fields__:
        np.testing.assert_allclose(
            getattr(fleet.assessed, name), getattr(whole.assessed, name), rtol=1e-9, atol=1e-9
        )
    np.testing.assert_allclose(fleet.clients.peak_rps, whole.clients.peak_rps, rtol=1e-9)
    np.testing.assert_allclose(fleet.clients.egress_usd, whole.clients.egress_usd, rtol=1e-9)


def test_ranks_of_changes_are_those_of_whole_plans() -> None:
    instance, space, _, base = _case(5)
    use = np.zeros(4)
    np.add.at(use, space.slot_region[base.chosen], base.assessed.instances[:, 0])
    limited = replace(
        instance,
        capacity_vcpu=np.floor(use),
        memory_capacity_gb=np.full(4, 40.0),
        bill_cap_usd=float(base.cost_micro.sum()) / 2e6,
    )
    today, _ = describe_today(limited, space)
    base = evaluate_fleet(limited, space, today.home, today)
    table, _ = price_all(limited, space, base, today)
    changes = _changes(space, np.random.default_rng(5), 20)
    ranks = Ranker(limited, space, today, table, base).ranks(changes)
    for change, rank in zip(changes, ranks, strict=True):
        whole = rank_of(limited, table, _whole((limited, space, today, base), change))
        assert rank[:2] == whole[:2]
        assert abs(rank[2] - whole[2]) <= _N
    assert len({rank[0] for rank in ranks}) > 1
    assert ROW_SLACK < 1


def test_no_change_reaches_nobody() -> None:
    case = _case(1)
    same = (np.array([3]), case[3].chosen[[3]])
    assert Changes(*case).reach([same]).service.size == 0
    assert Changes(*case).reach([]).service.size == 0
