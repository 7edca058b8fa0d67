"""Prices of rules, the frontier, stability, kinds and blockers: what they say is what is solved."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from ml.placement.answers import explain
from ml.placement.answers.frontier import FACTORS, Point, frontier, points
from ml.placement.answers.prices import constraint_prices
from ml.placement.answers.stability import at_end, stability
from ml.placement.check.certificate import certify
from ml.placement.errors import InfeasibleError
from ml.placement.fleet.evaluate import RULES
from ml.placement.fleet.fleet import MICRO, Fleet, evaluate_fleet
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import BANNED, RESIDENCY
from ml.placement.problem.rows import row_limits
from ml.placement.search.kinds import Found, Kind, published
from ml.placement.search.plans import best_latency, least_cost, mean_ms, monthly_micro
from ml.placement.search.solve import Solution, move_limit, overload, solve
from ml.placement.whatif import HOURS_PER_MONTH
from tests.ml.placement.builder import build_instance

_BUDGET = 3


@lru_cache
def _solution() -> Solution:
    instance = build_instance(22, 4, 21, hours=6, capacity_share=1.2, move_budget=_BUDGET)
    return solve(instance, quick=True)


@lru_cache
def _lower() -> int:
    return certify(_solution()).lower_micro


@lru_cache
def _points() -> list[Point]:
    solution = _solution()
    return points(Found(solution, (least_cost(solution), best_latency(solution))), _lower())


@lru_cache
def _prices() -> pd.DataFrame:
    return constraint_prices(_solution(), _lower())


def _fleet_price(code: str) -> pd.Series:
    found = _prices()
    return found[(found["constraint_code"] == code) & (found["scope"] != "service")].iloc[0]


def test_no_price_is_negative_and_each_lies_between_its_ends() -> None:
    found = _prices()
    low, price, high = (found[f"price_{end}usd_per_month"] for end in ("lower_", "", "upper_"))
    assert low.ge(0).all()
    assert price.ge(low - 1e-6).all()
    assert price.le(high + 1e-6).all()
    assert not found.duplicated(["constraint_code", "scope", "service_id", "region_id"]).any()
    assert {"MOVE_BUDGET", "SLO_MISSED", "KEEP_SURVIVAL"} <= set(found["constraint_code"])


def test_price_of_the_move_budget_is_what_lifting_it_gains() -> None:
    solution, row = _solution(), _fleet_price("MOVE_BUDGET")
    policy = replace(solution.instance.policy, move_budget=None)
    free = solve(replace(solution.instance, policy=policy), start=solution.fleet.chosen)
    gained = (solution.upper_micro - free.upper_micro) / MICRO * HOURS_PER_MONTH
    assert gained > 0
    assert row["price_usd_per_month"] > 0
    assert row["price_usd_per_month"] <= gained * 1.05 + 1e-6
    certain = (solution.upper_micro - certify(free).lower_micro) / MICRO * HOURS_PER_MONTH
    assert row["price_lower_usd_per_month"] <= certain + 1e-6


def test_residency_costs_what_the_closed_regions_would_save() -> None:
    base = build_instance(10, 3, 3, hours=4, calls=False, move_budget=None)
    best = solve(base, quick=True)
    blocker = base.blocker.copy()
    # Closed exactly where the free plan adds regions: lifting the rule must lead back to it.
    added = best.space.member[best.fleet.chosen] & ~base.current
    assert added.any()
    blocker[added] = RESIDENCY
    tight = solve(replace(base, blocker=blocker), quick=True)
    found = constraint_prices(tight, certify(tight).lower_micro)
    row = found[(found["constraint_code"] == "RESIDENCY") & (found["scope"] == "fleet")].iloc[0]
    want = (tight.upper_micro - best.upper_micro) / MICRO * HOURS_PER_MONTH
    assert want > 0
    assert row["price_usd_per_month"] >= want - 1e-6


def test_a_rule_of_one_service_brackets_the_forced_fleet() -> None:
    base = build_instance(12, 3, 9, hours=4, calls=False, move_budget=None)
    solution = solve(base, quick=True)
    lower = certify(solution).lower_micro
    found = constraint_prices(solution, lower)
    rows = found[found["scope"] == "service"]
    assert len(rows)
    for _, row in rows.iterrows():
        s = base.service_ids.index(row["service_id"])
        bit = 1 << RULES.index(row["constraint_code"])
        fresh, _ = price_all(base, solution.space, solution.fleet, solution.today)
        free = (fresh.broken[s] & ~bit) == 0
        # Without shared rows and calls the fleet's gain is the service's own.
        gain = fresh.cost_micro[s, solution.fleet.chosen[s]] - fresh.cost_micro[s, free].min()
        month = gain / MICRO * HOURS_PER_MONTH
        assert row["price_lower_usd_per_month"] <= month + 1e-6
        assert month <= row["price_upper_usd_per_month"] + 1e-6


def test_gaps_of_regions_bracket_every_fleet_with_the_region_forced() -> None:
    solution = _solution()
    instance, table = solution.instance, solution.table
    found = explain.alternatives(solution, _lower(), 0).set_index(["service_id", "region_id"])
    fresh, _ = price_all(instance, solution.space, solution.fleet, solution.today)
    for s in range(6):
        for r, region in enumerate(instance.region_ids):
            row = found.loc[(instance.service_ids[s], region)]
            chosen = int(solution.fleet.chosen[s])
            if not row["is_feasible"] or row["gap_method"] == "indispensable":
                continue
            inside = solution.space.member[:, r]
            forced = (~inside if inside[chosen] else inside) & table.is_open[s]
            for p in np.flatnonzero(forced):
                trial = solution.fleet.chosen.copy()
                trial[s] = p
                if overload(table, trial, row_limits(instance), move_limit(instance)) > 0:
                    continue
                # A fleet with the region, flows fixed: never below the stated lower end.
                cost = fresh.cost_micro[np.arange(len(trial)), trial].sum()
                gain = (cost - solution.upper_micro) / MICRO * HOURS_PER_MONTH
                assert row["gap_lower_usd_per_month"] <= max(0.0, gain) + 1e-3
            if pd.notna(row["gap_upper_usd_per_month"]):
                assert row["gap_lower_usd_per_month"] <= row["gap_upper_usd_per_month"] + 1e-6


def test_wide_brackets_of_the_largest_bills_are_solved_again() -> None:
    # Without calls every end of a bracket holds for any fleet, not only for these flows.
    base = build_instance(12, 4, 5, hours=4, calls=False, capacity_share=1.2, move_budget=3)
    solution = solve(base)
    lower = certify(solution).lower_micro
    wide = explain.alternatives(solution, lower, 0)
    found = explain.alternatives(solution, lower, 3)
    again = found[found["gap_method"] == "resolved"]
    assert 0 < len(again) <= 3
    rest = found.index.difference(again.index)
    pd.testing.assert_frame_equal(found.loc[rest], wide.loc[rest])
    assert again["gap_upper_usd_per_month"].notna().all()
    for index, row in again.iterrows():
        assert wide.loc[index, "gap_method"] == "bounded"
        assert row["gap_lower_usd_per_month"] >= 0
        assert (
            row["gap_lower_usd_per_month"]
            <= row["gap_objective_usd_per_month"]
            <= row["gap_upper_usd_per_month"]
        )
        best = _forced_optimum(solution, str(row["service_id"]), str(row["region_id"]))
        more = (best - solution.upper_micro) / MICRO * HOURS_PER_MONTH
        assert row["gap_lower_usd_per_month"] <= max(0.0, more) + 1e-6
        slack = (best - lower) / MICRO * HOURS_PER_MONTH
        assert row["gap_upper_usd_per_month"] >= slack - 1e-6
    billed = (solution.fleet.assessed.compute + solution.fleet.assessed.egress)[:, 0]
    bills = dict(zip(base.service_ids, billed, strict=True))
    open_ = set(wide.loc[wide["gap_method"] == "bounded", "service_id"])
    largest = sorted(open_, key=lambda name: -bills[name])[:3]
    assert set(again["service_id"]) <= set(largest)


def _forced_optimum(solution: Solution, service: str, region: str) -> int:
    """Return the cheapest fleet with the region forced (or banned), by trying every set."""
    instance, space = solution.instance, solution.space
    s, r = instance.service_ids.index(service), instance.region_ids.index(region)
    inside = space.member[:, r]
    forced = ~inside if inside[solution.fleet.chosen[s]] else inside
    fresh, _ = price_all(instance, space, solution.fleet, solution.today)
    costs = []
    for p in np.flatnonzero(forced & (fresh.broken[s] == 0)):
        blocker, sizes = instance.blocker.copy(), instance.min_regions.copy()
        blocker[s, ~space.member[p]] = BANNED
        sizes[s] = space.size[p]
        try:
            one = solve(replace(instance, blocker=blocker, min_regions=sizes))
        except InfeasibleError:
            continue
        costs.append(one.upper_micro)
    return min(costs)


def test_a_forced_region_that_breaks_rules_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise InfeasibleError(("UNKNOWN",), "no plan found")

    solution = _solution()
    monkeypatch.setattr("ml.placement.answers.forced.resolve", refused)
    found = explain.alternatives(solution, _lower(), 3)
    assert "resolved" not in set(found["gap_method"])


def test_frontier_holds_the_plans_and_marks_what_nobody_beats() -> None:
    solution = _solution()
    kinds = [
        Kind("current", solution.today_fleet, "evaluated"),
        Kind("recommended", solution.fleet, solution.stop_reason),
    ]
    found = frontier(_points(), kinds)
    assert len(found) == len(FACTORS) + 2
    one = found[found["point_name"] == "1"].iloc[0]
    own = found[found["point_name"] == "recommended"].iloc[0]
    assert one["cost_usd_per_month"] == own["cost_usd_per_month"]
    for _, row in found.iterrows():
        beaten = (
            (found["cost_usd_per_month"] <= row["cost_usd_per_month"])
            & (found["mean_latency_ms"] <= row["mean_latency_ms"])
            & (
                (found["cost_usd_per_month"] < row["cost_usd_per_month"])
                | (found["mean_latency_ms"] < row["mean_latency_ms"])
            )
        ).any()
        assert row["is_efficient"] == (not beaten)
    weights = found[found["point_kind"] == "weight"].set_index("waiting_factor")
    assert weights.loc[8.0, "mean_latency_ms"] <= weights.loc[0.0, "mean_latency_ms"] + 1e-9
    assert weights["gap_share"].ge(-1e-9).all()


def test_stability_decides_again_at_both_ends() -> None:
    solution = _solution()
    found = stability(solution, 0.8)
    assert set(found.columns) >= {"is_stable", "regions_at_lower", "regions_at_upper"}
    sure = replace(
        solution,
        instance=at_end(solution.instance, np.ones_like(solution.instance.latency.mean_lo)),
    )
    parts = replace(
        sure.instance.latency,
        mean_lo=np.ones_like(sure.instance.latency.mean_lo),
        mean_hi=np.ones_like(sure.instance.latency.mean_hi),
    )
    certain = replace(sure, instance=replace(sure.instance, latency=parts))
    assert stability(certain, 0.8)["is_stable"].all()
    wide = replace(parts, mean_hi=np.full_like(parts.mean_hi, 60.0))
    unsure = replace(sure, instance=replace(sure.instance, latency=wide))
    assert not stability(unsure, 0.8)["is_stable"].all()


def test_nobody_is_called_stable_where_no_plan_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise InfeasibleError(("UNKNOWN",), "no plan found")

    solution = _solution()
    monkeypatch.setattr("ml.placement.answers.stability.resolve", refused)
    found = stability(solution, 0.8)
    assert not found["is_stable"].any()
    assert set(found["regions_at_lower"]) == {"no plan found"}


def test_bounds_of_objectives_do_not_move_with_the_mean() -> None:
    instance = _solution().instance
    parts = instance.latency
    moved = at_end(instance, parts.mean_hi).latency
    np.testing.assert_allclose(moved.factor * moved.p95_hi, parts.factor * parts.p95_hi)
    np.testing.assert_allclose(moved.factor, parts.factor * parts.mean_hi)


def test_every_kind_of_plan_is_best_by_its_own_measure() -> None:
    roomy = build_instance(22, 4, 21, hours=6, capacity_share=1.2, move_budget=12)
    solution = solve(roomy, quick=True)
    ends = (least_cost(solution), best_latency(solution))
    kinds = {kind.name: kind.fleet for kind in published(Found(solution, ends))}
    own = kinds["recommended"].assessed
    calm = kinds["least_change"].assessed
    assert (calm.broken != 0).sum() <= (own.broken != 0).sum()
    assert calm.added.sum() < own.added.sum()
    rps = kinds["recommended"].clients.mean_rps.sum(axis=1)
    safe = kinds["best_region_recovery"].assessed
    assert (safe.broken != 0).sum() <= (own.broken != 0).sum()
    assert (rps * safe.served_share[:, 0]).sum() >= (rps * own.served_share[:, 0]).sum()
    budget = solution.instance.policy.move_budget or 0
    assert safe.added.sum() <= budget


def test_no_point_of_the_frontier_is_cheaper_or_faster_than_the_kind_named_so() -> None:
    solution, weights = _solution(), _points()
    others = [(point.fleet, point.stop_reason) for point in weights]
    kinds = {
        kind.name: kind.fleet for kind in published(Found(solution, (solution, solution)), others)
    }
    broken = (kinds["recommended"].assessed.broken != 0).sum()
    kept = [p.fleet for p in weights if (p.fleet.assessed.broken != 0).sum() <= broken]
    assert len(kept) > 1
    limit = 1.1 * _bill(solution.today_fleet)
    fast = [mean_ms(fleet) for fleet in kept if _bill(fleet) <= limit]
    assert monthly_micro(kinds["least_cost"]) <= min(monthly_micro(fleet) for fleet in kept)
    assert mean_ms(kinds["best_latency"]) <= min(fast, default=np.inf)


@pytest.mark.parametrize("breaks_more", [False, True])
def test_a_better_plan_is_a_kind_unless_it_breaks_more_rules(breaks_more: bool) -> None:
    solution = _solution()
    own = solution.fleet.assessed
    broken = np.ones_like(own.broken) if breaks_more else own.broken
    better = replace(own, compute=own.compute / 2, mean_ms=own.mean_ms / 2, broken=broken)
    other = replace(solution.fleet, assessed=better)
    kinds = published(Found(solution, (solution, solution)), [(other, "from elsewhere")])
    stops = {kind.name: kind.stop_reason for kind in kinds}
    for name in ("least_cost", "best_latency"):
        assert (stops[name] == "from elsewhere") == (not breaks_more)


def _bill(fleet: Fleet) -> float:
    found = fleet.assessed
    return float((found.compute + found.open + found.egress).sum())


def test_blockers_count_sets_in_order_and_without_each_rule() -> None:
    solution = _solution()
    found = explain.blockers(solution)
    assert len(found) == solution.instance.n_services * len(RULES)
    first = found[found["service_id"] == solution.instance.service_ids[0]]
    assert first["sets_before"].iloc[0] == len(solution.space.sets)
    assert (first["sets_after"].to_numpy()[:-1] == first["sets_before"].to_numpy()[1:]).all()
    feasible = (solution.table.broken == 0).sum(axis=1)
    last = found[found["rule"] == RULES[-1]].set_index("service_id")["sets_after"]
    assert last.loc[list(solution.instance.service_ids)].tolist() == feasible.tolist()
    assert (found["sets_without_rule"] >= found["service_id"].map(last)).all()


@pytest.mark.parametrize(
    ("broken", "conflict"),
    [
        ([1, 3, 1], ("NOT_OFFERED",)),
        ([4, 32, 4], ("RESIDENCY", "MIN_REGIONS")),
        ([4, 32, 64], ("RESIDENCY", "MIN_REGIONS", "SLO_MISSED")),
    ],
)
def test_the_smallest_conflict_is_found(broken: list[int], conflict: tuple[str, ...]) -> None:
    assert explain.smallest_conflict(np.array(broken)) == conflict


def test_a_stuck_service_says_what_relaxing_would_leave() -> None:
    instance = build_instance(10, 3, 4, hours=4, calls=False)
    least = instance.min_regions.copy()
    least[0] = 3
    blocker = instance.blocker.copy()
    away = [r for r in range(3) if not instance.current[0, r]][:1] or [2]
    blocker[0, away] = RESIDENCY
    stuck = solve(replace(instance, min_regions=least, blocker=blocker), quick=True)
    assert stuck.table.is_stuck[0]
    words = explain.survivors(stuck, 0)
    assert "MIN_REGIONS leaves none" in words
    assert "relaxing" in words
    fleet = evaluate_fleet(stuck.instance, stuck.space, stuck.fleet.chosen, stuck.today)
    assert fleet.assessed.broken[0, 0] != 0
