"""The call graph of large fleets: bound and plan against every plan there is, and each other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ml.placement.bench.fleet import bench_fleet
from ml.placement.graph.exchange import exchanged
from ml.placement.graph.kernel_set import best_set
from ml.placement.graph.kernel_types import DEPTH, Work
from ml.placement.graph.passes import Passes, members
from ml.placement.graph.problem import GraphProblem, evaluate_graph, graph_problem
from ml.placement.graph.solve import solve_graph, solve_problem
from ml.placement.graph.starts import nearest_starts


def _problem(services: int, regions: int, seed: int) -> GraphProblem:
    return graph_problem(bench_fleet(services, regions, seed=seed, call_graph=True))


def _all_sets(problem: GraphProblem, service: int) -> list[tuple[int, ...]]:
    allowed = [int(r) for r in np.flatnonzero(problem.allowed[service])]
    sizes = range(int(problem.least[service]), int(problem.most[service]) + 1)
    return [a for k in sizes for a in itertools.combinations(allowed, k)]


def _flags(plan: tuple[tuple[int, ...], ...], regions: int) -> np.ndarray:
    found = np.zeros((len(plan), regions), dtype=bool)
    for s, chosen in enumerate(plan):
        found[s, list(chosen)] = True
    return found


def _random(problem: GraphProblem, rng: np.random.Generator) -> np.ndarray:
    every = [_all_sets(problem, s) for s in range(len(problem.total))]
    plan = tuple(sets[int(rng.integers(len(sets)))] for sets in every)
    return _flags(plan, problem.unit.shape[1])


def test_search_of_one_service_finds_the_best_of_all_sets() -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        clients, regions = int(rng.integers(1, 12)), 7
        cost = rng.random((clients, regions)) * rng.random((clients, 1))
        fixed, least = float(rng.choice([0.01, 0.1, 0.5, 2.0])), int(rng.integers(1, 4))
        most, allowed = int(rng.integers(least, 5)), rng.random(regions) < 0.8
        allowed[:3] = True
        order = np.zeros((DEPTH + 3, max(regions, DEPTH)), dtype=np.int64)
        found = np.zeros(DEPTH + 1, dtype=np.int64)
        near, value = np.zeros((DEPTH, clients)), np.zeros((DEPTH, regions))
        gain = np.zeros((DEPTH + 1, regions))
        work = Work(cost, np.zeros(clients), near, value, gain, order)
        reached = best_set(cost, clients, fixed, allowed, least, most, work, found)
        sets = [
            list(a)
            for k in range(least, most + 1)
            for a in itertools.combinations(np.flatnonzero(allowed), k)
        ]
        assert reached == pytest.approx(
            min(fixed * len(a) + cost[:, a].min(axis=1).sum() for a in sets), abs=1e-12
        )
        mine = found[1 : 1 + found[0]]
        assert fixed * len(mine) + cost[:, mine].min(axis=1).sum() == pytest.approx(reached)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_plan_is_the_optimum_and_the_bound_close_on_tiny_fleets(seed: int) -> None:
    problem = _problem(5, 3, seed)
    every = [_all_sets(problem, s) for s in range(5)]
    optimum = min(
        evaluate_graph(problem, _flags(plan, 3)).total_usd for plan in itertools.product(*every)
    )
    found = solve_problem(problem)
    assert found.objective == pytest.approx(optimum, rel=1e-9)
    assert found.lower_bound <= optimum
    assert found.gap <= 0.02


def test_bound_is_below_every_plan_at_any_prices() -> None:
    problem, rng = _problem(40, 6, 5), np.random.default_rng(5)
    capped = replace(
        problem, capacity=np.full(6, 0.6 * float((problem.vcpu * problem.total).sum()))
    )
    found = solve_problem(problem)
    plans = [_random(problem, rng) for _ in range(30)]
    costs = [evaluate_graph(problem, plan) for plan in plans]
    assert found.lower_bound <= found.objective <= min(c.total_usd for c in costs)
    fitting = [c for c in costs if (c.use_vcpu <= capped.capacity).all()]
    assert fitting
    start = _problem_prices(problem)
    for scale in (0.0, 0.5, 1.0, 1.5):
        noise = rng.normal(1.0, 0.3, start.shape)
        free = Passes(problem).dual(scale * start * noise, np.zeros(6)).lower_usd
        assert free <= found.objective
        rented = Passes(capped).dual(scale * start, rng.uniform(0, 0.05, 6)).lower_usd
        assert rented <= min(c.total_usd for c in fitting)


def _problem_prices(problem: GraphProblem) -> np.ndarray:
    passes = Passes(problem)
    sets = np.zeros((len(problem.total), DEPTH + 1), dtype=np.int64)
    for s in range(len(sets)):
        chosen = _all_sets(problem, s)[0]
        sets[s, 0], sets[s, 1 : 1 + len(chosen)] = len(chosen), chosen
    passes.settled(sets, np.zeros(problem.unit.shape[1]), 1)
    return passes.state.reply.copy()


def test_cost_of_the_search_is_the_cost_of_following_every_request() -> None:
    problem, rng = _problem(60, 6, 2), np.random.default_rng(2)
    passes = Passes(problem)
    for _ in range(5):
        plan = _random(problem, rng)
        sets = np.zeros((60, DEPTH + 1), dtype=np.int64)
        for s, row in enumerate(plan):
            chosen = np.flatnonzero(row)
            sets[s, 0], sets[s, 1 : 1 + len(chosen)] = len(chosen), chosen
        np.testing.assert_array_equal(members(sets, 6), plan)
        _, cost = passes.settled(sets, np.zeros(6), 0)
        honest = evaluate_graph(problem, plan)
        assert cost == pytest.approx(honest.total_usd, rel=1e-10)
        np.testing.assert_allclose(passes.use(), honest.use_vcpu, rtol=1e-9, atol=1e-9)


def test_joint_moves_only_help_and_what_they_cost_is_what_following_every_request_costs() -> None:
    saved = 0.0
    for seed in range(3):
        problem = _problem(150, 6, seed)
        passes = Passes(problem)
        first, before = passes.settled(next(nearest_starts(problem)), np.zeros(6), 30)
        sets, cost = exchanged(passes, first, lambda _cost: False)
        honest = evaluate_graph(problem, members(sets, 6)).total_usd
        assert cost == pytest.approx(honest, rel=1e-10)
        again, same = exchanged(Passes(problem), first, lambda _cost: False)
        assert same == cost
        np.testing.assert_array_equal(again, sets)
        assert cost <= before
        saved = max(saved, 1.0 - cost / before)
    assert saved > 1e-3


def test_joint_moves_end_where_the_cost_is_enough() -> None:
    problem = _problem(60, 5, 1)
    passes = Passes(problem)
    sets, cost = passes.settled(next(nearest_starts(problem)), np.zeros(5), 30)
    asked: list[float] = []
    same, _ = exchanged(passes, sets, lambda found: asked.append(found) is None)
    assert asked == [pytest.approx(cost)]
    np.testing.assert_array_equal(same, sets)


def test_gap_is_small_and_repeats_at_company_size() -> None:
    instance = bench_fleet(300, 8, seed=1, call_graph=True)
    seen: list[tuple[int, float, float]] = []
    found = solve_graph(instance, progress=lambda *row: seen.append(row))
    again = solve_graph(instance)
    assert 0 <= found.gap <= 0.005
    assert seen[-1][1] >= seen[0][1]
    assert (found.objective, found.lower_bound) == (again.objective, again.lower_bound)
    np.testing.assert_array_equal(found.member, again.member)


def test_limited_regions_are_kept_and_bounded() -> None:
    problem = _problem(300, 8, 3)
    free = solve_problem(problem)
    capacity = np.full(8, np.inf)
    busy = np.argsort(-free.cost.use_vcpu, kind="stable")[:4]
    capacity[busy] = 0.85 * free.cost.use_vcpu[busy]
    tight = solve_problem(replace(problem, capacity=capacity))
    assert tight.is_feasible
    assert (tight.cost.use_vcpu <= capacity * (1 + 1e-9)).all()
    assert tight.objective >= free.lower_bound
    assert 0 <= tight.gap <= 0.03


def test_regions_too_small_for_everybody_give_no_upper_bound() -> None:
    problem = _problem(30, 3, 3)
    found = solve_problem(replace(problem, capacity=np.full(3, 0.1)))
    assert not found.is_feasible
    assert found.gap == np.inf
