"""The second reading of a plan: agrees with the first, and catches every broken rule."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.placement import Solution, solve
from ml.placement.check.checker import CheckReport, check_plan
from ml.placement.fleet.evaluate import RULES
from ml.placement.fleet.fleet import describe_today, evaluate_fleet
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import RESIDENCY, Instance
from ml.placement.search.solve import space_of
from tests.ml.placement.builder import build_instance


@lru_cache
def _solved() -> Solution:
    return solve(build_instance(20, 4, 11, hours=6, capacity_share=0.9), quick=True)


def _parts(solution: Solution) -> tuple[list[list[int]], list[dict[int, int]]]:
    regions = [list(solution.space.sets[p]) for p in solution.fleet.chosen]
    counts = solution.fleet.assessed.instances[:, 0]
    return regions, [
        {r: int(counts[s, k]) for k, r in enumerate(listed)} for s, listed in enumerate(regions)
    ]


def _check(instance: Instance, **changed: object) -> CheckReport:
    solution = _solved()
    regions, instances = _parts(solution)
    arguments: dict[str, object] = {
        "regions": regions,
        "instances": instances,
        "cost_micro": solution.upper_micro,
        "may_break": frozenset(np.flatnonzero(solution.table.is_stuck).tolist()),
        **changed,
    }
    return check_plan(instance, **arguments)  # type: ignore[arg-type]


def test_sound_plan_passes() -> None:
    assert _check(_solved().instance).findings == ()


def test_wrong_cost_is_caught() -> None:
    report = _check(_solved().instance, cost_micro=_solved().upper_micro + 1000)
    assert any("cost" in line for line in report.findings)


def test_missing_instance_is_caught() -> None:
    _, instances = _parts(_solved())
    instances[3] = {r: n - 1 for r, n in instances[3].items()}
    assert any(
        "instances" in line for line in _check(_solved().instance, instances=instances).findings
    )


def _first_free() -> tuple[int, int]:
    solution = _solved()
    s = int(np.flatnonzero(~solution.table.is_stuck)[0])
    return s, solution.space.sets[solution.fleet.chosen[s]][0]


def test_residency_is_caught() -> None:
    instance, (s, r) = _solved().instance, _first_free()
    blocker = instance.blocker.copy()
    blocker[s, r] = RESIDENCY
    assert any("blocked" in line for line in _check(replace(instance, blocker=blocker)).findings)


@pytest.mark.parametrize(("field", "value"), [("min_regions", 5), ("max_regions", 0)])
def test_number_of_regions_is_caught(field: str, value: int) -> None:
    instance, (s, _) = _solved().instance, _first_free()
    limits = getattr(instance, field).copy()
    limits[s] = value
    report = _check(replace(instance, **{field: limits}))
    assert any("regions" in line for line in report.findings)


def test_objective_is_caught() -> None:
    instance, (s, _) = _solved().instance, _first_free()
    limits = instance.slo_ms.copy()
    limits[s] = 1.0
    report = _check(replace(instance, slo_ms=limits, slo_stated_ms=limits))
    assert any("objective" in line for line in report.findings)


def test_loss_is_caught() -> None:
    instance = _solved().instance
    alone = _solved().space.size[_solved().fleet.chosen] == 1
    s = int(np.flatnonzero(alone & ~instance.loss_proof)[0])
    proof = instance.loss_proof.copy()
    proof[s] = True
    assert any(
        "one region" in line for line in _check(replace(instance, loss_proof=proof)).findings
    )


def test_capacity_is_caught() -> None:
    instance = _solved().instance
    short = replace(instance, capacity_vcpu=np.full(instance.n_regions, 3.0))
    assert any("capacity" in line for line in _check(short).findings)


def test_moves_are_caught() -> None:
    instance = _solved().instance
    strict = replace(instance, policy=replace(instance.policy, move_budget=0))
    assert any("move budget" in line for line in _check(strict).findings)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_both_readings_agree_on_any_plan(seed: int) -> None:
    instance = build_instance(12, 4, seed, hours=4)
    space = space_of(instance)
    today, _ = describe_today(instance, space)
    rng = np.random.default_rng(seed)
    fleet = evaluate_fleet(instance, space, rng.integers(0, len(space.sets), 12), today)
    regions = [list(space.sets[p]) for p in fleet.chosen]
    counts = fleet.assessed.instances[:, 0]
    instances = [{r: int(counts[s, k]) for k, r in enumerate(x)} for s, x in enumerate(regions)]
    everyone = frozenset(range(12))
    report = check_plan(
        instance,
        regions,
        instances,
        int(fleet.cost_micro.sum()),
        may_break=everyone,
        with_rows=False,
    )
    assert report.findings == ()
    named = {instance.service_ids[s] for s in np.flatnonzero(fleet.assessed.broken[:, 0])}
    assert named == set(report.broken_services)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_plan_leaves_the_allowed_regions(seed: int) -> None:
    found = solve(build_instance(10, 4, seed, hours=4, move_budget=None), quick=True)
    member = found.space.member[found.fleet.chosen]
    free = ~found.table.is_stuck
    assert not (member & (found.instance.blocker != 0))[free].any()
    size = member.sum(axis=1)
    assert (size >= found.instance.min_regions)[free].all()


def test_table_values_a_set_as_the_checker_does() -> None:
    """All sets of services that nobody calls and that call nobody: vectorised against loops."""
    instance = build_instance(6, 4, 4, hours=4, calls=False)
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    everyone = frozenset(range(6))
    regions = [list(space.sets[p]) for p in fleet.chosen]
    for p, chosen in enumerate(space.sets):
        trial = [list(chosen), *regions[1:]]
        counts = [
            {r: int(table.instances[s, q, k]) for k, r in enumerate(listed)}
            for s, (q, listed) in enumerate(zip([p, *fleet.chosen[1:]], trial, strict=True))
        ]
        cost = int(
            table.cost_micro[0, p] + table.cost_micro[np.arange(1, 6), fleet.chosen[1:]].sum()
        )
        report = check_plan(instance, trial, counts, cost, may_break=everyone, with_rows=False)
        assert report.findings == ()
        capacity_bit = 1 << RULES.index("NO_CAPACITY")
        is_broken = bool(table.broken[0, p] & ~capacity_bit)
        assert is_broken == (instance.service_ids[0] in report.broken_services)
