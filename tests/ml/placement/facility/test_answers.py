"""The proved answer is the answer: of the library, of brute force, of another solver."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from ml.placement.facility import (
    Limits,
    Medians,
    NoPlanError,
    Warehouses,
    read,
    solve,
    violations,
)
from tests.ml.placement.facility.families import euclidean, graph, small_medians, small_warehouses

NAMES = [f"cap{k}" for k in (41, 51, 61, 71, 81, 91, 101, 111, 121, 131)]
NAMES += [f"pmed{k}" for k in range(1, 11)]


@pytest.mark.parametrize("name", NAMES)
def test_the_published_optimum_is_found_and_proved(shared_data: Path, name: str) -> None:
    folder = shared_data / "orlib"
    with (folder / "optima.csv").open(newline="") as lines:
        known = {row["instance"]: float(row["published_optimum"]) for row in csv.DictReader(lines)}
    problem = read(folder / f"{name}.txt").problem
    found = solve(problem)
    assert found.is_proved
    assert violations(problem, found.plan) == []
    assert found.plan.cost == pytest.approx(known[name], rel=1e-6)
    assert found.lower_bound == pytest.approx(known[name], rel=1e-6)
    assert found.lower_bound <= found.plan.cost


def _brute_medians(problem: Medians) -> float:
    nodes = range(len(problem.distance))
    return min(
        float(problem.distance[:, list(sites)].min(axis=1).sum())
        for sites in itertools.combinations(nodes, problem.p)
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 11), share=st.floats(0, 1))
def test_medians_are_those_of_all_combinations(seed: int, n: int, share: float) -> None:
    problem = small_medians(seed, n, 1 + int(share * (n - 1)))
    found = solve(problem)
    assert found.is_proved
    assert found.plan.cost == found.lower_bound == _brute_medians(problem)
    assert violations(problem, found.plan) == []


def test_fractional_distances_are_proved_within_the_stated_tolerance() -> None:
    whole = small_medians(5, 11, 4)
    problem = replace(whole, distance=whole.distance * 0.37)
    found = solve(problem)
    assert found.is_proved
    assert found.plan.cost == pytest.approx(_brute_medians(problem), rel=1e-12)
    assert 0 < found.plan.cost - found.lower_bound <= 1.0001e-9 * found.plan.cost


def _brute_warehouses(problem: Warehouses) -> float:
    """Every set of sites, each with a transport programme of another code."""
    m, n = problem.cost.shape
    best = math.inf
    for k in range(1, m + 1):
        for sites in map(list, itertools.combinations(range(m), k)):
            serve = np.tile(np.eye(n), k)
            hold = np.kron(np.eye(k), problem.demand)
            done = linprog(
                problem.cost[sites].ravel(),
                A_ub=hold,
                b_ub=problem.capacity[sites],
                A_eq=serve,
                b_eq=np.ones(n),
                bounds=(0, 1),
            )
            if done.status == 0:
                best = min(best, done.fun + problem.fixed_cost[sites].sum())
    return best


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 5), n=st.integers(1, 7))
def test_warehouses_are_those_of_all_sets(seed: int, m: int, n: int) -> None:
    problem = small_warehouses(seed, m, n)
    best = _brute_warehouses(problem)
    if math.isinf(best):
        with pytest.raises(NoPlanError):
            solve(problem)
        return
    found = solve(problem)
    assert found.is_proved
    assert found.plan.cost == pytest.approx(best, rel=1e-8, abs=1e-8)
    assert violations(problem, found.plan) == []


def _integer_programme(problem: Warehouses) -> float:
    """The whole problem with strong links, by a solver that shares no code with ours."""
    m, n = problem.cost.shape
    serve = np.hstack((np.tile(np.eye(n), m), np.zeros((n, m))))
    hold = np.hstack((np.kron(np.eye(m), problem.demand), -np.diag(problem.capacity)))
    link = np.hstack((np.eye(m * n), -np.kron(np.eye(m), np.ones((n, 1)))))
    done = milp(
        np.concatenate((problem.cost.ravel(), problem.fixed_cost)),
        integrality=np.concatenate((np.zeros(m * n), np.ones(m))),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(serve, 1, 1),
            LinearConstraint(np.vstack((hold, link)), -np.inf, 0),
        ],
        options={"mip_rel_gap": 1e-9},
    )
    return float(done.fun)


@pytest.mark.parametrize(("seed", "capacity"), [(1, 260.0), (2, 400.0), (3, 900.0), (4, 260.0)])
def test_branching_agrees_with_an_integer_programme(seed: int, capacity: float) -> None:
    problem = euclidean(seed, 14, 30, capacity, (2e4, 6e4))
    spread = np.linspace(0.8, 1.4, 14) * capacity
    for case in (problem, replace(problem, capacity=spread)):
        found = solve(case)
        assert found.is_proved
        assert found.plan.cost == pytest.approx(_integer_programme(case), rel=1e-8)


@pytest.mark.parametrize(
    ("n", "p", "seed"), [(300, 5, 3), (400, 10, 1), (600, 200, 1), (400, 40, 1), (900, 5, 1)]
)
def test_graphs_of_the_published_family_are_proved(
    tmp_path: Path, n: int, p: int, seed: int
) -> None:
    path = tmp_path / "graph.txt"
    path.write_text(graph(n, p, seed))
    problem = read(path).problem
    found = solve(problem)
    assert found.is_proved
    assert found.lower_bound == found.plan.cost
    assert violations(problem, found.plan) == []


@pytest.mark.parametrize(
    ("capacity", "fixed"), [(8000.0, (1e6, 2.5e6)), (5000.0, (3e5, 1e6)), (math.inf, (2e5, 8e5))]
)
def test_a_hundred_sites_and_a_thousand_customers_are_proved(
    capacity: float, fixed: tuple[float, float]
) -> None:
    problem = euclidean(3, 100, 1000, capacity, fixed)
    found = solve(problem)
    assert found.is_proved
    assert violations(problem, found.plan) == []


def test_a_search_cut_short_says_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "graph.txt"
    path.write_text(graph(300, 10, 1))
    problem = read(path).problem
    whole = solve(problem)
    assert whole.nodes > 10
    short = solve(problem, Limits(nodes=3))
    assert (short.is_proved, short.stop_reason) == (False, "nodes")
    assert short.lower_bound < whole.plan.cost <= short.plan.cost
    stopped = solve(problem, Limits(is_over=lambda: True))
    assert (stopped.is_proved, stopped.stop_reason) == (False, "time")
    assert stopped.lower_bound <= short.lower_bound


def test_the_same_problem_ends_the_same() -> None:
    problem = euclidean(7, 30, 80, 700.0, (2e4, 6e4))
    one, two = solve(problem), solve(problem)
    assert one.plan.cost == two.plan.cost
    assert (one.nodes, one.steps, one.lower_bound) == (two.nodes, two.steps, two.lower_bound)
    assert one.plan.served.tobytes() == two.plan.served.tobytes()
