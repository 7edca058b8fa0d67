"""The joint bound against every plan of tiny fleets and random plans of larger ones."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ml.placement.fleet.evaluate import SLOWER
from ml.placement.fleet.fleet import Fleet, evaluate_fleet
from ml.placement.graph.bound import joint_bound
from ml.placement.graph.bound_open import opening_prices, relaxed_of
from ml.placement.graph.bound_prices import Prices
from ml.placement.search.solve import Solution, move_limit, solve
from tests.ml.placement.builder import build_instance

_MICRO = 1e6


def _keeps(solution: Solution, fleet: Fleet) -> bool:
    """Return whether a plan keeps every rule that the bound knows, and the shared rows."""
    stays = solution.table.is_stuck | solution.instance.is_fixed
    astray = stays & (fleet.chosen != solution.today.home)
    broken = fleet.assessed.broken[:, 0] & ~SLOWER
    use = np.zeros(solution.instance.n_regions)
    vcpu = fleet.assessed.instances[:, 0] * solution.instance.cpu_cores[:, None]
    np.add.at(use, solution.space.slot_region[fleet.chosen], vcpu)
    fits = (use <= solution.instance.capacity_vcpu + 1e-9).all()
    moves = fleet.assessed.added.sum() <= move_limit(solution.instance)
    return bool(fits and moves and not astray.any() and not broken[~stays].any())


def _only(solution: Solution, chosen: np.ndarray) -> tuple[float, Fleet]:
    """Return the bound of one plan alone at the prices it implies, and the plan."""
    fleet = evaluate_fleet(solution.instance, solution.space, chosen, solution.today)
    here = replace(solution, fleet=fleet)
    relaxed = relaxed_of(here)
    usable = np.zeros_like(relaxed.usable)
    usable[np.arange(len(chosen)), chosen] = True
    prices = replace(opening_prices(relaxed, here), vcpu=np.zeros(4), move=0.0)
    return replace(relaxed, usable=usable).value(prices)[0], fleet


@pytest.mark.parametrize("seed", [1, 3])
def test_bound_is_below_the_optimum_of_tiny_fleets_and_near_it(seed: int) -> None:
    instance = build_instance(4, 3, seed, hours=4, move_budget=None, slowdown_limit_share=None)
    found = solve(instance, quick=True)
    costs = []
    for plan in itertools.product(range(len(found.space.sets)), repeat=4):
        fleet = evaluate_fleet(instance, found.space, np.array(plan), found.today)
        if _keeps(found, fleet):
            costs.append(int(fleet.cost_micro.sum()))
    bound = joint_bound(found)
    assert bound.lower_micro <= min(costs) <= found.upper_micro
    assert min(costs) - bound.lower_micro <= 0.09 * min(costs)


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize("slo_share", [0.0, 0.6])
def test_no_random_plan_that_keeps_the_rules_is_below_the_bound(
    seed: int, slo_share: float
) -> None:
    instance = build_instance(
        14, 4, seed, hours=6, move_budget=None, slo_share=slo_share, capacity_share=0.97
    )
    found = solve(instance, quick=True)
    relaxed = relaxed_of(found)
    first = opening_prices(relaxed, found)
    rng, tried, costs = np.random.default_rng(seed), 0, [found.upper_micro]
    lower = joint_bound(found, iterations=150).lower_micro
    while len(costs) < 25 and tried < 1_500:
        tried += 1
        chosen = found.fleet.chosen.copy()
        some = rng.choice(14, int(rng.integers(1, 6)), replace=False)
        chosen[some] = [int(rng.choice(np.flatnonzero(relaxed.usable[s]))) for s in some]
        fleet = evaluate_fleet(instance, found.space, chosen, found.today)
        if _keeps(found, fleet):
            costs.append(int(fleet.cost_micro.sum()))
            # What a feasible plan does, the bound's own view of it must allow.
            assert relaxed.usable[np.arange(14), chosen].all()
    assert len(costs) > 10
    assert lower <= min(costs)
    for _ in range(6):
        prices = Prices(
            first.call * rng.uniform(0, 2, first.call.shape),
            first.wait * rng.uniform(0, 2, first.wait.shape),
            np.where(np.isfinite(instance.capacity_vcpu), rng.uniform(0, 0.05, 4), 0.0),
            0.0,
        )
        assert relaxed.value(prices)[0] * _MICRO <= min(costs) + 14


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_where_every_service_has_one_region_and_one_bucket(seed: int) -> None:
    instance = build_instance(20, 4, seed, hours=4)
    parts = instance.latency
    flat = replace(parts, own_ms=np.repeat(parts.own_ms[:, :, :1], 4, axis=2))
    found = solve(replace(instance, latency=flat), quick=True)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        value, fleet = _only(found, rng.integers(0, 4, 20))
        assert value * _MICRO == pytest.approx(fleet.cost_micro.sum(), abs=20)


def test_at_a_plans_own_prices_only_instances_and_buckets_are_favourable() -> None:
    found = solve(build_instance(20, 4, 3, hours=4), quick=True)
    rng = np.random.default_rng(3)
    for _ in range(4):
        chosen = rng.integers(4, len(found.space.sets), 20)
        value, fleet = _only(found, chosen)
        assert value * _MICRO <= fleet.cost_micro.sum() + 20
        assert value * _MICRO >= 0.9 * fleet.cost_micro.sum()


def test_more_steps_never_lower_the_bound_and_it_repeats() -> None:
    found = solve(build_instance(25, 4, 8, hours=6), quick=True)
    lower = [joint_bound(found, iterations=n).lower_micro for n in (0, 10, 60, 200)]
    assert lower == sorted(lower)
    assert lower[-1] > lower[0]
    again = joint_bound(found, iterations=200)
    assert again.lower_micro == lower[-1]
    assert again.gap >= 0
    assert again.sizing_share_micro >= 0
