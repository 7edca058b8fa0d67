"""What the stage writes: contracts kept, reasons complete, bytes repeated."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from ml.contract.model import BLOCKERS
from ml.io import Writer
from ml.placement import (
    cheapest,
    greedy_nearest,
    load_policy,
    placements,
    random_matched_plans,
)
from ml.placement.problem.subsets import build_space
from ml.placement.run import Found, find_plans, tables
from ml.placement.search.rules import spread_instances
from ml.placement.search.solve import Solution
from tests.ml.placement.builder import build_instance


@lru_cache
def _found() -> Found:
    return find_plans(build_instance(24, 4, 21, hours=6), quick=True)


def _solution() -> Solution:
    return _found().recommended


@lru_cache
def _tables() -> dict[str, pd.DataFrame]:
    return tables(_found(), 0.8)


def test_each_plan_is_the_best_published_one_by_its_own_measure() -> None:
    runs, services = _tables()["placement_runs"], _tables()["placement_services"]
    sums = services.assign(
        bill=services["compute_usd_per_hour"] + services["egress_usd_per_hour"],
        waited=services["mean_latency_ms"] * services["mean_rps"],
    )
    by_plan = sums.groupby("plan_id")[["bill", "waited"]].sum()
    kinds = runs.set_index("plan_kind")
    searched = kinds.loc[["recommended", "least_cost", "best_latency"]]
    cost = searched["upper_bound_usd_per_hour"]
    assert cost["recommended"] <= cost.min() + 1e-6
    bill = by_plan.loc[searched["plan_id"], "bill"]
    assert bill.loc[kinds.loc["least_cost", "plan_id"]] <= bill.min() + 1e-6
    waited = by_plan.loc[searched["plan_id"], "waited"]
    assert waited.loc[kinds.loc["best_latency", "plan_id"]] <= waited.min() * (1 + 1e-9)


def test_every_table_keeps_its_contract(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "predictions", tmp_path / "models")
    for name, frame in _tables().items():
        writer.write(name, frame, "placement")
        assert len(writer.read(name)) == len(frame)


def test_published_cost_is_the_sum_of_its_terms() -> None:
    runs, services = _tables()["placement_runs"], _tables()["placement_services"]
    terms = [f"{t}_usd_per_hour" for t in ("compute", "egress", "open", "waiting", "moving")]
    total = services.groupby("plan_id")[terms].sum().sum(axis=1)
    upper = runs.set_index("plan_id")["upper_bound_usd_per_hour"]
    np.testing.assert_allclose(total[upper.index], upper, atol=1e-4)
    best = runs[runs["plan_kind"] == "recommended"].iloc[0]
    assert best["lower_bound_usd_per_hour"] <= best["upper_bound_usd_per_hour"] + 1e-6
    assert "not over what several moves do together" in best["gap_scope"]
    others = runs[runs["plan_kind"] != "recommended"]
    assert others["lower_bound_usd_per_hour"].isna().all()


def test_bound_follows_from_the_published_prices() -> None:
    solution = _solution()
    table, master = solution.table, solution.master
    value = np.where(table.is_open, table.cost_micro + table.added * master.move_dual * 1e6, np.inf)
    budget = solution.instance.policy.move_budget or 0
    again = value.min(axis=1).sum() - master.move_dual * budget * 1e6
    assert solution.lower_micro == pytest.approx(again, abs=2.0)
    assert solution.lower_micro <= solution.upper_micro


def test_every_region_has_a_gap_or_a_blocker() -> None:
    found, instance = _tables()["placement_alternatives"], _solution().instance
    assert len(found) == instance.n_services * instance.n_regions
    feasible = found[found["is_feasible"]]
    assert feasible["gap_objective_usd_per_month"].ge(0).all()
    assert feasible["best_region_set"].notna().all()
    blocked = found[~found["is_feasible"]]
    assert set(blocked["blocking_constraint"]) <= set(BLOCKERS)
    assert blocked["blocking_evidence"].str.len().gt(0).all()
    assert len(blocked)


def test_gap_of_a_region_is_its_forced_price() -> None:
    solution = _solution()
    found = _tables()["placement_alternatives"].set_index(["service_id", "region_id"])
    table, master = solution.table, solution.master
    for s in range(6):
        chosen = int(solution.fleet.chosen[s])
        value = table.cost_micro[s] + table.added[s] * master.move_dual * 1e6
        value = np.where(table.broken[s] == 0, value, np.inf)
        for r, name in enumerate(solution.instance.region_ids):
            row = found.loc[(solution.instance.service_ids[s], name)]
            inside = table.space.member[:, r]
            forced = value[~inside if inside[chosen] else inside].min()
            if row["is_feasible"] and np.isfinite(forced) and np.isfinite(value[chosen]):
                want = max(0.0, (forced - value[chosen]) / 1e6 * 730)
                assert row["gap_objective_usd_per_month"] == pytest.approx(want, abs=1e-6)


def test_bytes_repeat_on_one_and_two_threads(tmp_path: Path) -> None:
    hashes = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            frames = tables(find_plans(build_instance(20, 4, 5, hours=6), quick=True), 0.8)
        writer = Writer(tmp_path / str(threads), tmp_path / "models")
        paths = [writer.write(name, frame, "placement") for name, frame in frames.items()]
        hashes.append([hashlib.sha256(p.read_bytes()).hexdigest() for p in paths])
    assert hashes[0] == hashes[1]


def test_random_plans_keep_the_budget() -> None:
    solution = _solution()
    plan = placements(solution.instance, solution.space, solution.fleet)
    drawn = list(random_matched_plans(solution.instance, plan, 5, seed=3))
    again = list(random_matched_plans(solution.instance, plan, 5, seed=3))
    wanted = plan.groupby("service_id")["instances"].agg(["size", "sum"])
    for one, same in zip(drawn, again, strict=True):
        pd.testing.assert_frame_equal(one, same)
        pd.testing.assert_frame_equal(
            one.groupby("service_id")["instances"].agg(["size", "sum"]), wanted
        )
    assert not drawn[0]["region_id"].equals(drawn[1]["region_id"])
    for rule in (greedy_nearest, cheapest):
        assert len(rule(solution.instance, plan)) == len(plan)


def test_policy_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="unknown keys"):
        load_policy({"move_bugdet": 3})
    with pytest.raises(ValueError, match="utilisation_target"):
        load_policy({"utilisation_target": 1.5})
    assert load_policy().digest() != load_policy({"move_budget": 3}).digest()


def test_instances_are_spread_without_loss() -> None:
    assert spread_instances(np.array([5.0, 3.0, 2.0]), 10).tolist() == [5, 3, 2]
    assert spread_instances(np.array([1.0, 0.0]), 1).tolist() == [1, 1]
    assert spread_instances(np.zeros(3), 7).sum() == 7


def test_regions_that_may_become_the_nearest_are_sized_in_full() -> None:
    rtt = np.array([[100.0, 105.0, 200.0]])
    space = build_space(rtt, np.array([0.06]), 3, near_tie=0.1)
    rows = space.slot_row[space.index[(0, 1, 2)]]
    np.testing.assert_allclose(space.share[rows, 0], [0.96, 0.02, 0.02])
    np.testing.assert_allclose(space.peak_share[rows, 0], [0.96, 0.96, 0.02])
    assert (space.peak_share >= space.share - 1e-12).all()


def test_near_ties_share_what_goes_to_the_nearest() -> None:
    rtt = np.array([[100.0, 105.0, 200.0]])
    space = build_space(rtt, np.array([0.06]), 3, near_tie=0.1, split=True)
    rows = space.slot_row[space.index[(0, 1, 2)]]
    # Half-way to the edge of a tie the weight is a half.
    np.testing.assert_allclose(space.share[rows, 0], [0.02 + 0.94 * 2 / 3, 0.02 + 0.94 / 3, 0.02])
    np.testing.assert_allclose(space.share[:-1].sum(), len(space.sets))
    # The share of the farther one falls to nothing where the tie ends, without a jump.
    edges = [
        build_space(np.array([[100.0, far]]), np.zeros(1), 2, near_tie=0.1, split=True)
        for far in (100.0, 109.999, 110.001)
    ]
    shares = [one.share[one.slot_row[one.index[(0, 1)], 1], 0] for one in edges]
    np.testing.assert_allclose(shares, [0.5, 0.0, 0.0], atol=1e-4)
