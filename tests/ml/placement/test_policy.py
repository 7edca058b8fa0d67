"""The file of weights and rules: what it refuses, and that every rule in it changes the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.placement.check.checker import check_plan
from ml.placement.errors import InfeasibleError
from ml.placement.fleet.fleet import MICRO
from ml.placement.problem.elastic import exceeded, offset_usd, prices, relaxed, rented
from ml.placement.problem.instance import BANNED, Instance
from ml.placement.problem.policy import PACKAGED, PolicyError, load_policy
from ml.placement.problem.reading_rules import optional_facts, with_own_rules
from ml.placement.problem.rows import bill_usd, used_by
from ml.placement.search.solve import Solution, solve
from tests.ml.placement.builder import build_instance


def _quick(instance: Instance) -> Solution:
    return solve(instance, quick=True)


def _findings(solution: Solution) -> tuple[str, ...]:
    stays = np.flatnonzero(solution.table.is_stuck | solution.instance.is_fixed)
    sets = [solution.space.sets[p] for p in solution.fleet.chosen]
    counts = solution.fleet.assessed.instances[:, 0]
    return check_plan(
        solution.instance,
        sets,
        [{r: int(counts[s, k]) for k, r in enumerate(one)} for s, one in enumerate(sets)],
        solution.upper_micro,
        may_break=frozenset(stays.tolist()),
    ).findings


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("move_budget", "-1", "whole number of at least 0"),
        ("move_budget", "true", "whole number of at least 0"),
        ("misroute_share", "1.5", r"\[0, 1\]"),
        ("carbon_usd_per_kg", "-0.1", "not negative"),
        ("carbon_usd_per_kg", ".inf", "finite"),
        ("keep_loss_survival", "2", "true or false"),
        ("banned_regions", "eu-west-1", "list"),
        ("pinned_services", "{svc-1: []}", "at least one"),
        ("pinned_services", "{svc-1: [a, b, c, d, e]}", "max_regions_cap"),
        ("region_limits", "{svc-1: {min_regions: 3, max_regions: 2}}", "1 <= n <= m"),
        ("region_limits", "{svc-1: {min_region: 3}}", "1 <= n <= m"),
        ("memory_capacity_gb", "{eu-west-1: -4}", "not negative"),
        ("move_bugdet", "3", "unknown keys"),
        ("utilisation_target", "0.9", "utilisation_after_loss"),
    ],
)
def test_a_refusal_names_file_key_value_and_rule(
    tmp_path: Path, key: str, value: str, rule: str
) -> None:
    file = tmp_path / "own.yml"
    file.write_text(f"{key}: {value}\n")
    with pytest.raises(PolicyError, match=rule) as caught:
        load_policy(file=file)
    assert str(file) in str(caught.value)
    assert key in str(caught.value)


def test_a_broken_or_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text("- 1\n")
    (tmp_path / "bad.yml").write_text("a: [1\n")
    for name in ("list.yml", "bad.yml", "absent.yml"):
        with pytest.raises(PolicyError, match=name):
            load_policy(file=tmp_path / name)


def test_own_values_come_on_top_in_both_forms(tmp_path: Path) -> None:
    file = tmp_path / "own.yml"
    file.write_text("move_budget: 7\nmin_instances:\n  value: 3\n  reason: ours\n")
    found = load_policy({"move_budget": 9}, file)
    assert (found.move_budget, found.min_instances) == (9, 3)
    assert load_policy(file=file).move_budget == 7
    assert load_policy(file=file).digest() != load_policy().digest()
    (tmp_path / "empty.yml").write_text("")
    assert load_policy(file=tmp_path / "empty.yml") == load_policy()


def test_every_packaged_key_has_unit_and_reason() -> None:
    import yaml

    for name, entry in yaml.safe_load(PACKAGED.read_text()).items():
        assert set(entry) == {"value", "unit", "reason"}, name
        assert entry["unit"], name
        assert len(entry["reason"]) > 20, name


def _own(
    overrides: dict[str, object],
) -> tuple[np.ndarray, tuple[tuple[str, ...], ...], dict[str, np.ndarray]]:
    facts = {"min_regions": np.array([1, 1]), "max_regions": np.array([2, 2])}
    blocker, evidence = with_own_rules(
        load_policy(overrides),
        ("a", "b"),
        ("x", "y", "z"),
        np.zeros((2, 3), dtype=np.int64),
        (("", "", ""), ("", "", "")),
        facts,
    )
    return blocker, evidence, facts


def test_pinned_services_lose_every_other_region() -> None:
    blocker, evidence, facts = _own({"pinned_services": {"b": ["x", "z"]}})
    assert blocker.tolist() == [[0, 0, 0], [0, BANNED, 0]]
    assert "pins" in evidence[1][1]
    assert facts["min_regions"].tolist() == [1, 2]


def test_limits_of_one_service_override_the_data() -> None:
    _, _, facts = _own({"region_limits": {"a": {"min_regions": 2, "max_regions": 3}}})
    assert (facts["min_regions"].tolist(), facts["max_regions"].tolist()) == ([2, 1], [3, 2])


@pytest.mark.parametrize(
    "rule", [{"pinned_services": {"a": ["q"]}}, {"region_limits": {"q": {"min_regions": 1}}}]
)
def test_rules_about_nobody_are_refused(rule: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="not one of"):
        _own(rule)


def test_carbon_is_off_and_said_so_where_a_usable_region_has_no_figure() -> None:
    notes: list[tuple[str, str, str]] = []
    regions = pd.DataFrame({"carbon_g_per_kwh": [100.0, None]})
    policy = load_policy({"carbon_usd_per_kg": 0.1, "memory_capacity_gb": {"y": 5.0}})
    ids = ("x", "y")
    found = optional_facts(policy, regions, ids, np.zeros((1, 2), dtype=np.int64), notes)
    assert not found["carbon_priced"]
    assert notes[0][0] == "CARBON_OFF"
    assert "y" in notes[0][2]
    assert found["memory_capacity_gb"].tolist() == [np.inf, 5.0]
    closed = np.array([[0, BANNED]])
    assert optional_facts(policy, regions, ids, closed, [])["carbon_priced"]


def test_a_price_on_carbon_moves_load_to_cleaner_regions() -> None:
    plain = build_instance(14, 3, 5, hours=4, calls=False)
    grid = np.array([900.0, 20.0, 500.0])
    priced = replace(
        plain,
        policy=replace(plain.policy, carbon_usd_per_kg=20.0),
        carbon_g_per_kwh=grid,
        carbon_priced=True,
    )
    before, after = _quick(plain), _quick(priced)
    dirt = [used_by(plain, s.space, s.fleet)[:3] @ grid for s in (before, after)]
    assert dirt[1] < 0.95 * dirt[0]
    assert after.fleet.assessed.carbon.sum() > 0
    assert _findings(after) == ()


def test_memory_is_a_limit_of_its_own() -> None:
    free = build_instance(16, 3, 8, hours=4, calls=False)
    whole = replace(free, memory_capacity_gb=np.full(3, np.inf))
    solution = _quick(whole)
    use = used_by(whole, solution.space, solution.fleet)[3:]
    limit = np.full(3, np.inf)
    limit[int(use.argmax())] = 0.8 * use.max()
    tight = _quick(replace(free, memory_capacity_gb=limit))
    assert (used_by(tight.instance, tight.space, tight.fleet)[3:] <= limit + 1e-6).all()
    assert tight.upper_micro >= solution.lower_micro
    assert tight.lower_micro <= tight.upper_micro
    assert _findings(tight) == ()


def test_the_bill_stays_below_its_cap() -> None:
    drawn = build_instance(16, 3, 8, hours=4, calls=False)
    free = replace(drawn, usd_per_request_ms=20 * drawn.usd_per_request_ms)
    rich = _quick(free)
    least = _quick(replace(free, usd_per_request_ms=np.zeros(16)))
    cap = 0.3 * bill_usd(rich.fleet) + 0.7 * bill_usd(least.fleet)
    assert cap < bill_usd(rich.fleet)
    capped = _quick(replace(free, bill_cap_usd=cap))
    assert bill_usd(capped.fleet) <= cap + 1e-6
    assert rich.lower_micro <= capped.upper_micro
    assert _findings(capped) == ()


def test_nothing_is_elastic_by_itself() -> None:
    short = replace(build_instance(10, 3, 2, hours=4), capacity_vcpu=np.full(3, 2.0))
    assert prices(short) == {}
    with pytest.raises(InfeasibleError):
        _quick(relaxed(short, _quick))


def test_elastic_capacity_is_rented_only_where_it_is_overrun() -> None:
    free = build_instance(14, 3, 4, hours=4, calls=False, elastic_capacity_usd_per_vcpu_hour=0.5)
    use = used_by(free, _quick(free).space, _quick(free).fleet)
    short = replace(free, capacity_vcpu=np.array([0.05 * use.sum(), *(0.45 * use.sum(),) * 2]))
    with pytest.raises(InfeasibleError):
        _quick(short)
    paid = relaxed(short, _quick)
    assert paid.rent_usd is not None
    solution = _quick(paid)
    found = exceeded(paid, solution.space, solution.fleet)
    assert {one.rule for one in found} == {"NO_CAPACITY"}
    total = sum(one.usd_per_hour for one in found)
    elastic = float(solution.fleet.assessed.elastic.sum())
    assert elastic - offset_usd(paid) == pytest.approx(total, abs=1e-6)
    assert _findings(solution) == ()
    roomy = relaxed(replace(free, capacity_vcpu=use * 2 + 100), _quick)
    assert roomy.rent_usd is None


def test_extra_moves_are_paid_where_they_pay_back() -> None:
    base = build_instance(16, 4, 7, hours=4, calls=False, move_budget=None)
    wanted = int(_quick(base).fleet.assessed.added.sum())
    assert wanted > 3

    def with_price(usd: float) -> Solution:
        policy = replace(base.policy, move_budget=wanted - 1, elastic_move_usd=usd)
        return _quick(relaxed(replace(base, policy=policy), _quick))

    cheap, dear = with_price(1e-6), with_price(1e9)
    assert int(cheap.fleet.assessed.added.sum()) > wanted - 1
    assert exceeded(cheap.instance, cheap.space, cheap.fleet)[0].rule == "MOVE_BUDGET"
    assert int(dear.fleet.assessed.added.sum()) <= wanted - 1
    assert dear.instance.move_rent_usd == 0
    assert _findings(cheap) == ()


def test_objectives_may_be_missed_at_a_price_and_say_where() -> None:
    hard = build_instance(18, 3, 1, hours=4, calls=False)
    tight = replace(hard, slo_ms=hard.slo_ms * 0.2, slo_stated_ms=hard.slo_stated_ms * 0.2)
    stuck = _quick(tight).table.is_stuck
    assert stuck.any()
    policy = replace(tight.policy, elastic_slo_usd_per_request=1e-6)
    soft = _quick(replace(tight, policy=policy))
    assert soft.table.is_stuck.sum() < stuck.sum()
    found = exceeded(soft.instance, soft.space, soft.fleet)
    assert found
    assert {one.rule for one in found} == {"SLO_MISSED"}
    paid = sum(one.usd_per_hour for one in found)
    assert paid == pytest.approx(float(soft.fleet.assessed.elastic.sum()), rel=1e-9)
    assert _findings(soft) == ()
    assert soft.upper_micro / MICRO > 0


def test_rent_changes_nothing_where_no_row_is_named() -> None:
    one = build_instance(6, 3, 2, hours=4, elastic_move_usd=3.0)
    assert not rented(one, frozenset()).has_extra_terms
    assert rented(one, frozenset({"moves"})).has_extra_terms


def test_a_shortage_names_the_row_who_is_bound_to_it_and_what_would_help() -> None:
    free = build_instance(12, 3, 4, hours=4, calls=False)
    short = replace(free, capacity_vcpu=np.array([3.0, np.inf, np.inf]))
    only = np.full((12, 3), BANNED)
    only[:, 0] = 0
    with pytest.raises(InfeasibleError, match=r"r00 is .* vCPU short .*raise capacity_vcpu") as one:
        _quick(replace(short, blocker=only, min_regions=np.ones(12, dtype=np.int64)))
    assert one.value.rules == ("NO_CAPACITY",)
    assert "services must run there: " in str(one.value)
    assert " by " in str(one.value).split("must run there: ")[1]
    memory = np.array([1.0, 1.0, 1.0])
    with pytest.raises(InfeasibleError, match="memory_capacity_gb") as two:
        _quick(replace(free, memory_capacity_gb=memory))
    assert "MEMORY" in two.value.rules
