"""A bound is below every plan, at any prices; what it decides for good is never the best plan."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.placement.facility import kernels
from ml.placement.facility.dual import bound_at, changed_values, choose
from ml.placement.facility.median import MedianTask
from ml.placement.facility.transport import transport
from ml.placement.facility.warehouse import WarehouseTask
from ml.placement.problem.bounds import relative_gap, rounded_down
from tests.ml.placement.facility.families import small_medians, small_warehouses

SEEDS = st.integers(0, 10_000)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, scale=st.floats(0, 40))
def test_a_bound_is_below_every_choice_of_medians(seed: int, scale: float) -> None:
    problem = small_medians(seed, 8, 3)
    price = np.random.default_rng(seed).uniform(-1, scale + 1, 8)
    bound = bound_at(MedianTask(problem).root(), price)
    for sites in itertools.combinations(range(8), 3):
        assert bound <= problem.distance[:, list(sites)].min(axis=1).sum()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, scale=st.floats(0, 60))
def test_a_bound_is_below_every_set_of_warehouses(seed: int, scale: float) -> None:
    problem = small_warehouses(seed, 4, 6)
    price = np.random.default_rng(seed).uniform(-1, scale + 1, 6)
    bound = bound_at(WarehouseTask(problem).root(), price)
    for k in range(1, 5):
        for sites in itertools.combinations(range(4), k):
            flows = transport(problem, np.array(sites), keep_unused=True)
            assert flows is None or bound <= flows.plan.cost + 1e-7


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_rise_is_what_deciding_against_the_choice_costs(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 6))
    values = np.array(data.draw(st.lists(st.integers(-9, 9), min_size=n, max_size=n)), dtype=float)
    is_open = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    least = data.draw(st.integers(0, n))
    most = data.draw(st.integers(least, n))

    def best(also: int | None = None, never: int | None = None) -> float:
        found = math.inf
        for k in range(least, most + 1):
            for some in itertools.combinations(range(n), k):
                has_must = set(np.flatnonzero(is_open)) <= set(some)
                if has_must and (also is None or also in some) and never not in some:
                    found = min(found, float(values[list(some)].sum()))
        return found

    choice = choose(values, is_open, least, most)
    if choice is None:
        assert math.isinf(best())
        return
    assert choice.value == best()
    shut, opened = changed_values(choice, values, least, most)
    for at, rise in zip(choice.chosen[choice.n_must :], shut, strict=True):
        assert choice.value + rise == best(never=int(at))
    for at, rise in zip(choice.spare, opened, strict=True):
        assert choice.value + rise == best(also=int(at))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=50))
def test_rounding_down_is_below_the_exact_sum(numbers: list[float]) -> None:
    exact = sum(map(Fraction, numbers), Fraction(0))
    total = 0.0
    for number in numbers:
        total += number
    bound = rounded_down(total, math.fsum(map(abs, numbers)), len(numbers))
    assert Fraction(bound) <= exact
    assert float(exact) - bound <= 1e-13 * len(numbers) * math.fsum(map(abs, numbers)) + 1e-300


def test_a_gap_is_relative_to_the_lower_bound() -> None:
    assert relative_gap(102.0, 100.0) == pytest.approx(0.02)
    assert relative_gap(0.0, 0.0) == 0.0
    assert math.isinf(relative_gap(math.inf, 1.0))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_compiled_loops_do_what_their_python_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = MedianTask(small_medians(seed, 9, 3)).root()
    price, weight = rng.uniform(0, 30, 9), rng.integers(0, 2, 9).astype(float)
    for kernel, given_ in (
        (kernels.median_values, (root.order, root.near, price)),
        (kernels.median_served, (root.order, root.near, price, weight)),
    ):
        fast, plain = np.empty(9), np.empty(9)
        kernel(*given_, fast)
        kernel.py_func(*given_, plain)  # type: ignore[attr-defined]
        assert fast.tobytes() == plain.tobytes()
    problem = small_warehouses(seed, 4, 9)
    room = (problem.cost, problem.capacity, problem.demand, price, rng.uniform(0, 1, 4))
    fast, plain = np.empty(9), np.empty(9)
    kernels.warehouse_served(*room, fast)
    kernels.warehouse_served.py_func(*room, plain)  # type: ignore[attr-defined]
    assert fast.tobytes() == plain.tobytes()
    fast, plain = np.empty(4), np.empty(4)
    one = (problem.cost, problem.fixed_cost, problem.capacity, problem.demand, price)
    kernels.warehouse_values(*one, fast)
    kernels.warehouse_values.py_func(*one, plain)  # type: ignore[attr-defined]
    assert fast.tobytes() == plain.tobytes()


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_exchanges_end_where_no_swap_helps(seed: int) -> None:
    problem = small_medians(seed, 9, 3)
    sites, again = np.array([0, 1, 2]), np.array([0, 1, 2])
    cost = kernels.exchange(problem.distance, sites)
    assert cost == kernels.exchange.py_func(problem.distance, again)  # type: ignore[attr-defined]
    assert cost == problem.distance[:, sites].min(axis=1).sum()
    for leave, enter in itertools.product(range(3), set(range(9)) - set(sites.tolist())):
        swapped = sites.copy()
        swapped[leave] = enter
        assert problem.distance[:, swapped].min(axis=1).sum() >= cost
