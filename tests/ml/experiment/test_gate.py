"""Every validity check is seen green on a sound world and red once on a broken one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.experiment.fleet import read_fleet
from ml.experiment.full_run import run_both_plans
from ml.experiment.gate import check_same_plan_twice
from ml.experiment.metrics import reduce_outcomes
from ml.experiment.plans import consecutive, read_plans
from ml.experiment.switchback import Design, check_before, design
from tests.ml.experiment.conftest import FIRST


def _checks(lab: Any, settings: Any, **knobs: Any) -> dict[tuple[str, str], str]:
    world = lab.world(**knobs)
    plans = read_plans(lab.writer, lab.features, settings, read_fleet(lab.features))
    full = run_both_plans(world, plans, consecutive(world.first_future_on, 4), {})
    return {(c.name, c.scope): c.status for c in full.checks}


def test_sound_world_is_green(lab: Any, settings: Any) -> None:
    assert set(_checks(lab, settings, latency_factor=0.9, shed_share=0.01).values()) == {"green"}


@pytest.mark.parametrize(
    ("knobs", "red"),
    [
        ({"extra_demand": 1}, {"demand_equal", "demand_total"}),
        ({"lost_requests": 1}, {"requests_conserved", "shedding_cannot_help"}),
        ({"shed_share": 0.1, "shed_is_free": True}, {"shedding_cannot_help"}),
        ({"unstable": 1e-3}, {"twin_same_plan_twice", "thinning_moves_nothing"}),
    ],
)
def test_one_broken_promise_turns_its_check_red(
    lab: Any, settings: Any, knobs: dict[str, Any], red: set[str]
) -> None:
    found = _checks(lab, settings, **knobs)
    names = {name for (name, _), status in found.items() if status == "red"}
    assert red <= names
    # One request too many in one cell of the treatment makes nothing else red.
    assert names <= red | {"thinning_moves_nothing"}


def test_missing_cell_is_red(lab: Any, settings: Any) -> None:
    world = lab.world()
    inner = world.run

    def run(plan: pd.DataFrame, days: Any, **options: Any) -> Any:
        outcomes = inner(plan, days, **options)
        pairs = set(zip(plan["service_id"], plan["region_id"], strict=True))
        if pairs == lab.pairs("recommended"):
            outcomes.origin_ids = [*outcomes.origin_ids[:-1], "elsewhere"]
        return outcomes

    world.run = run
    plans = read_plans(lab.writer, lab.features, settings, read_fleet(lab.features))
    full = run_both_plans(world, plans, consecutive(world.first_future_on, 2), {})
    status = {c.name: c.status for c in full.checks}
    assert status["demand_cells"] == "red"
    assert status["demand_equal"] == "red"


def test_float_counts_are_red(lab: Any, settings: Any) -> None:
    world = lab.world()
    inner = world.run

    def run(plan: pd.DataFrame, days: Any, **options: Any) -> Any:
        outcomes = inner(plan, days, **options)
        outcomes.served = outcomes.served.astype(np.float64)
        return outcomes

    world.run = run
    plans = read_plans(lab.writer, lab.features, settings, read_fleet(lab.features))
    full = run_both_plans(world, plans, consecutive(world.first_future_on, 2), {})
    assert {c.status for c in full.checks if c.name == "requests_conserved"} == {"red"}


def test_plan_that_falls_below_its_rule_is_red(lab: Any, settings: Any) -> None:
    world = lab.world()
    plans = read_plans(lab.writer, lab.features, settings, read_fleet(lab.features))
    rows = plans.placements["treatment"]
    plans.placements["treatment"] = rows.drop(rows.index[rows["service_id"] == "svc-001"][1])
    days = consecutive(world.first_future_on, 2)

    full = run_both_plans(world, plans, days, {"svc-001": 2})
    found = {c.scope: c.status for c in full.checks if c.name == "plan_complete"}
    assert found == {"twin control": "green", "twin treatment": "red"}
    # Two regions in control, three asked for: the treatment may not go below the two.
    full = run_both_plans(world, plans, days, {"svc-000": 3})
    found = {c.scope: c.status for c in full.checks if c.name == "plan_complete"}
    assert found == {"twin control": "green", "twin treatment": "green"}


def test_same_plan_twice_differs_by_exactly_nothing(lab: Any) -> None:
    world = lab.world(latency_factor=0.9)
    days = consecutive(world.first_future_on, 2)
    plan = lab.placements("recommended")
    first, second = world.run(plan, days, replication=3), world.run(plan, days, replication=3)
    found = check_same_plan_twice(first, second)
    assert found.status == "green"
    assert found.observed == "0 cells differ, largest difference 0.0"
    for name, cells in reduce_outcomes(first).counts.items():
        assert (cells == reduce_outcomes(second).counts[name]).all()


def test_sums_to_days_lose_nothing(lab: Any) -> None:
    world = lab.world(shed_share=0.02)
    days = consecutive(world.first_future_on, 3)
    outcomes = world.run(lab.placements("recommended"), days)
    arm = reduce_outcomes(outcomes)
    assert int(arm.counts["offered"].sum()) == int(outcomes.offered.sum())
    hours = outcomes.offered.reshape(12, 4, 3, 24)
    assert int(arm.counts_warm["offered"].sum()) == int(hours[..., 4:].sum())
    assert arm.counts["latency_sum_us"].dtype == np.int64


def test_coins_that_follow_the_days_are_seen_before_the_experiment(settings: Any) -> None:
    """Dealt over days on which nothing differed, fair coins find nothing; chosen ones do."""
    rng = np.random.default_rng(6)
    days = consecutive(FIRST, 28)
    daily = {"latency_mean": np.exp(4 + rng.normal(0, 0.05, 28))}
    plan = design(settings, days)
    found = check_before(settings, plan, daily)
    assert found.status == "green"
    assert "14 blocks before" in found.observed
    slower_first = daily["latency_mean"][0::2] > daily["latency_mean"][1::2]
    chosen = check_before(settings, Design(plan.days, ~slower_first), daily)
    assert chosen.status == "red"
    few = check_before(settings, plan, {"latency_mean": daily["latency_mean"][:20]})
    assert few.status == "not_testable"
    assert check_before(settings, plan, {}).status == "not_testable"
