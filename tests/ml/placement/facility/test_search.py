"""Branching finds the best plan by itself, where nothing improves a plan on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.placement.facility import solve
from ml.placement.facility.branch import solve as search
from ml.placement.facility.median import MedianTask
from ml.placement.facility.problem import Ints, Plan
from ml.placement.facility.warehouse import WarehouseTask
from tests.ml.placement.facility.families import euclidean, small_medians


@dataclass(frozen=True)
class BlindMedians(MedianTask):
    """Knows one plan, the first nodes; any other must come from a decided choice."""

    def plan_near(self, sites: Ints) -> Plan:
        return self.settle(np.arange(self.problem.p))[0]


@dataclass(frozen=True)
class BlindWarehouses(WarehouseTask):
    """Knows one plan, everything open."""

    def plan_near(self, sites: Ints) -> Plan | None:
        return self.settle(np.arange(len(self.problem.capacity)))[0]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(8, 24), p=st.integers(2, 5))
def test_medians_are_found_by_branching_alone(seed: int, n: int, p: int) -> None:
    problem = small_medians(seed, n, p)
    blind, seeing = search(BlindMedians(problem)), solve(problem)
    assert blind.is_proved
    assert blind.plan.cost == seeing.plan.cost == blind.lower_bound


@pytest.mark.parametrize("seed", range(6))
def test_warehouses_are_found_by_branching_alone(seed: int) -> None:
    problem = euclidean(seed, 10, 25, 300.0 + 40 * seed, (2e4, 6e4))
    uneven = replace(problem, capacity=problem.capacity * np.linspace(0.7, 1.6, 10))
    for case in (problem, uneven):
        blind, seeing = search(BlindWarehouses(case)), solve(case)
        assert blind.is_proved
        assert blind.plan.cost == pytest.approx(seeing.plan.cost, rel=2e-9)
