"""Changes followed by compiled code, against the evaluation of the whole fleet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet, describe_today, evaluate_fleet
from ml.placement.fleet.pricing import PlanTable, price_all
from ml.placement.problem.instance import Floats, Instance
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.proposals import neighbours, single_moves
from ml.placement.search.solve import space_of
from ml.placement.walk.moves import Moves
from ml.placement.walk.ranks import priced, rank_of
from ml.placement.walk.slow import SlowWalk
from ml.placement.walk.walk import CompiledWalk
from tests.ml.placement.builder import build_instance

pytest.importorskip("numba")

_N = 30
Case = tuple[Instance, SetSpace, Today, PlanTable, Fleet]


def _limited(instance: Instance) -> Instance:
    """Return the problem with tight capacity, limited memory and a cap on the bill."""
    space = space_of(instance)
    _, fleet = describe_today(instance, space)
    use = np.zeros(instance.n_regions)
    np.add.at(use, space.slot_region[fleet.chosen], fleet.assessed.instances[:, 0])
    return replace(
        instance,
        capacity_vcpu=np.floor(use),
        memory_capacity_gb=np.full(instance.n_regions, 40.0),
        bill_cap_usd=float(fleet.cost_micro.sum()) / 2e6,
    )


def _extra(instance: Instance) -> Instance:
    """Return the problem with every optional term switched on."""
    policy = replace(
        instance.policy,
        carbon_usd_per_kg=0.5,
        elastic_slo_usd_per_request=1e-6,
        region_loss_usd_per_request=1e-6,
    )
    rng = np.random.default_rng(1)
    return replace(
        instance,
        policy=policy,
        carbon_g_per_kwh=rng.uniform(50, 500, instance.n_regions),
        carbon_priced=True,
        rent_usd=rng.uniform(0.0, 0.1, instance.n_regions),
        move_rent_usd=0.2,
    )


def _case(seed: int, kind: str, **overrides: Any) -> Case:
    instance = build_instance(_N, 4, seed, hours=6, **overrides)
    if kind == "limited":
        instance = _limited(instance)
    if kind == "extra":
        instance = _extra(instance)
    space = space_of(instance)
    today, _ = describe_today(instance, space)
    fleet = evaluate_fleet(instance, space, today.home, today)
    table, _ = price_all(instance, space, fleet, today)
    return instance, space, today, table, fleet


def _random(space: SetSpace, seed: int, count: int) -> Moves:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        services = np.sort(rng.choice(_N, int(rng.integers(1, 6)), replace=False))
        found.append((services, rng.integers(0, len(space.sets), len(services))))
    return Moves.of(found)


@pytest.mark.parametrize("kind", ["plain", "limited", "extra"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ranks_are_those_of_whole_plans(seed: int, kind: str) -> None:
    instance, space, today, table, fleet = _case(seed, kind)
    walk = CompiledWalk(instance, space, today, table, fleet.chosen)
    assert walk.rank == rank_of(instance, table, fleet)
    moves = _random(space, seed, 40)
    for g, rank in enumerate(walk.ranks(moves)):
        services, plans = moves.group(g)
        chosen = fleet.chosen.copy()
        chosen[services] = plans
        whole = rank_of(instance, table, evaluate_fleet(instance, space, chosen, today))
        assert tuple(rank[:2]) == whole[:2]
        # Each service is rounded by itself; the last bits of its sums may differ.
        assert abs(int(rank[2]) - whole[2]) <= _N
    # Looking changes nothing.
    assert walk.rank == rank_of(instance, table, fleet)


def _bill(fleet: Fleet) -> Floats:
    found = fleet.assessed
    return np.asarray((found.compute + found.open + found.egress)[:, 0])


@pytest.mark.parametrize("kind", ["plain", "limited", "extra"])
def test_reached_services_are_those_of_the_evaluation(kind: str) -> None:
    instance, space, today, table, fleet = _case(5, kind, slowdown_limit_share=0.1)
    walk = CompiledWalk(instance, space, today, table, fleet.chosen)
    slow = SlowWalk(instance, space, today, table, fleet)
    first = _random(space, 6, 1).group(0)
    for one in (walk, slow):
        one.make(*first)
    moves = Moves.of([*(_random(space, 7, 30).group(g) for g in range(30)), first])
    found, wanted = walk.reach(moves), slow.reach(moves)
    # The compiled walk stops where nothing differs any more; whom it leaves out stays as he was.
    here = evaluate_fleet(instance, space, walk.chosen, today)
    for name, base, error in (
        ("chosen", here.chosen, 0),
        ("broken", here.assessed.broken[:, 0], 0),
        ("instances", here.assessed.instances[:, 0], 0),
        ("cost_micro", here.cost_micro, 1),
        ("bill_usd", _bill(here), 1e-9),
    ):
        ends = []
        for one in (found, wanted):
            whole = np.tile(base, (moves.n, *(1 for _ in base.shape)))
            whole[one.change, one.service] = getattr(one, name)
            ends.append(whole)
        assert np.abs(ends[0] - ends[1]).max() <= error, name
        assert (ends[0] != base).any(), name
    # A group that goes where everybody is reaches nobody.
    assert not (found.change == 30).any()


@pytest.mark.parametrize("kind", ["plain", "limited", "extra"])
def test_taken_changes_add_up_to_the_plan_they_lead_to(kind: str) -> None:
    instance, space, today, table, fleet = _case(4, kind, slowdown_limit_share=0.1)
    walk = CompiledWalk(instance, space, today, table, fleet.chosen)
    before = walk.rank
    assert walk.take(single_moves(table, walk.chosen, thorough=True))
    assert walk.take(neighbours(instance, table, today, walk.chosen))
    whole = evaluate_fleet(instance, space, walk.chosen, today)
    after = rank_of(instance, table, whole)
    assert after < before
    assert walk.rank[:2] == after[:2]
    assert abs(walk.rank[2] - after[2]) <= _N
    np.testing.assert_array_equal(walk.broken, whole.assessed.broken[:, 0] != 0)


def test_without_a_compiler_the_same_changes_are_taken() -> None:
    instance, space, today, table, fleet = _case(5, "plain")
    compiled = CompiledWalk(instance, space, today, table, fleet.chosen)
    slow = SlowWalk(instance, space, today, table, fleet)
    for moves in (_random(space, 5, 30), single_moves(table, fleet.chosen, thorough=True)):
        np.testing.assert_array_equal(compiled.ranks(moves)[:, :2], slow.ranks(moves)[:, :2])
        assert compiled.take(moves) == slow.take(moves)
        np.testing.assert_array_equal(compiled.chosen, slow.chosen)
    np.testing.assert_array_equal(compiled.broken, slow.broken)


@pytest.mark.parametrize("kind", ["plain", "limited"])
def test_dearer_changes_are_accepted_as_far_as_said(kind: str) -> None:
    instance, space, today, table, fleet = _case(8, kind, slowdown_limit_share=0.1)
    moves = _random(space, 8, 200)
    dearer = np.random.default_rng(8).integers(0, 3_000_000, moves.n)
    prices = np.array([2_000_000, 1_000_000, 1_500_000, 10**9])
    compiled = CompiledWalk(instance, space, today, table, fleet.chosen)
    slow = SlowWalk(instance, space, today, table, fleet)
    for walk in (compiled, slow):
        walk.accept(moves, dearer, prices)
    np.testing.assert_array_equal(compiled.chosen, slow.chosen)
    # What was accepted is dearer than nothing, and than what is better alone.
    better = CompiledWalk(instance, space, today, table, fleet.chosen)
    better.take(moves)
    assert (compiled.chosen != fleet.chosen).any()
    assert (compiled.chosen != better.chosen).any()
    # Where everything has its price and nothing may cost more, none is dearer than the one before.
    strict = CompiledWalk(instance, space, today, table, fleet.chosen)
    at = priced(strict.rank, prices)
    for g in range(40):
        strict.accept(Moves.of([moves.group(g)]), np.zeros(1, dtype=np.int64), prices)
        assert priced(strict.rank, prices) <= at
        at = priced(strict.rank, prices)


def test_refused_changes_are_looked_at_again_only_when_the_table_likes_them_better() -> None:
    _, space, _, table, fleet = _case(6, "plain")
    refused = np.full((_N, len(space.sets)), 2**60, dtype=np.int64)
    first = single_moves(table, fleet.chosen, refused)
    assert first.n > 0
    assert single_moves(table, fleet.chosen, refused).n == 0
    s, p = int(first.services[0]), int(first.plans[0])
    cost = table.cost_micro.copy()
    cost[s, p] -= 1
    again = single_moves(replace(table, cost_micro=cost), fleet.chosen, refused)
    assert (again.services.tolist(), again.plans.tolist()) == ([s], [p])
