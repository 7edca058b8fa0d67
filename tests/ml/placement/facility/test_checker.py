"""The checker sees what a solver could get wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml.placement.facility import Plan, solve, violations
from tests.ml.placement.facility.families import euclidean, small_medians

PROBLEM = euclidean(2, 8, 20, 260.0, (100, 900))
PLAN = solve(PROBLEM).plan
MEDIANS = small_medians(1, 9, 3)


def _other(plan: Plan, **change: object) -> Plan:
    return replace(plan, **change)  # type: ignore[arg-type]


def test_a_right_plan_has_nothing_wrong() -> None:
    assert violations(PROBLEM, PLAN) == []
    assert violations(MEDIANS, solve(MEDIANS).plan) == []


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (_other(PLAN, cost=PLAN.cost * 1.00001), "cost is said to be"),
        (_other(PLAN, served=PLAN.served * 0.9), "served 0.9 times, must be once"),
        (_other(PLAN, sites=PLAN.sites[::-1].copy()), "must be distinct, ascending"),
        (_other(PLAN, sites=PLAN.sites + 100), "among 8"),
        (_other(PLAN, served=PLAN.served[:, 1:]), "shares have shape"),
    ],
)
def test_each_thing_wrong_is_named(plan: Plan, said: str) -> None:
    assert any(said in text for text in violations(PROBLEM, plan))


def test_a_site_that_serves_too_much_is_named() -> None:
    served = np.zeros_like(PLAN.served)
    served[0] = 1.0
    wrong = violations(PROBLEM, replace(PLAN, served=served))
    assert any(f"site {PLAN.sites[0] + 1} serves" in text for text in wrong)


def test_a_missing_median_is_counted() -> None:
    plan = solve(MEDIANS).plan
    served = plan.served[:2] + plan.served[2] / 2
    wrong = violations(MEDIANS, Plan(plan.sites[:2], served, plan.cost))
    assert any("2 medians are chosen, must be 3" in text for text in wrong)
