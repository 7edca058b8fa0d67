"""Drawn fleets: the same from the same seed, real enough to be hard, small enough to hold."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import ml.placement
from ml.placement.bench.baselines import baselines, measure
from ml.placement.bench.fleet import bench_fleet
from ml.placement.columns.fleet import fleet_problem, solve_fleet
from ml.placement.fleet.fleet import describe_today
from ml.placement.problem.instance import call_layers
from ml.placement.search.solve import space_of

_TABLE = Path(ml.placement.__file__).parent / "bench" / "regions.csv"


def test_same_seed_same_fleet_and_another_seed_another() -> None:
    one = bench_fleet(40, 6, seed=3, capacity=True, call_graph=True)
    assert one.digest() == bench_fleet(40, 6, seed=3, capacity=True, call_graph=True).digest()
    assert one.digest() != bench_fleet(40, 6, seed=4, capacity=True, call_graph=True).digest()


def test_calls_are_acyclic_and_every_service_is_reached() -> None:
    fleet = bench_fleet(400, 6, call_graph=True)
    edges = fleet.edges
    assert len(call_layers(edges, 400)) > 2
    assert 2.0 < len(edges.caller) / 400 < 2.6
    has_users = fleet.mean_rps.sum(axis=1) > 0
    assert np.array_equal(np.union1d(np.flatnonzero(has_users), edges.callee), np.arange(400))
    order = np.lexsort((edges.callee, edges.stage, edges.caller))
    assert np.array_equal(order, np.arange(len(order)))


def test_predictions_hold_the_time_that_calls_take_today() -> None:
    fleet = bench_fleet(60, 4, call_graph=True)
    _, now = describe_today(fleet, space_of(fleet))
    calls, found = fleet.latency.calls_ms.min(axis=2), now.clients.dependency_ms
    # Rough in its utilisation: within a third of what the fleet evaluation finds.
    waits = found > 1.0
    assert waits.any()
    assert (np.abs(calls[waits] / found[waits] - 1.0) < 0.34).all()


def test_most_objectives_can_be_met_and_the_rules_bind() -> None:
    problem = fleet_problem(bench_fleet(300, 8, seed=1, capacity=True))
    instance = problem.instance
    found = solve_fleet(problem)
    assert found.state == "feasible"
    assert problem.is_stuck.mean() < 0.02
    assert 0.2 < instance.loss_proof.mean() < 0.4
    assert (instance.blocker != 0).any(axis=1).mean() > 0.1
    limited = np.isfinite(instance.capacity_vcpu)
    assert limited.sum() == 4
    assert found.duals[:8][limited].max() > 0
    misses = measure(problem, found.pool.regions[found.chosen].astype(np.int64))
    assert misses.slo_missed_services == 0
    assert misses.vcpu_above_capacity == 0


def test_rules_of_thumb_break_what_the_plan_keeps() -> None:
    problem = fleet_problem(bench_fleet(200, 6, seed=2, capacity=True))
    found = solve_fleet(problem)
    measured = {name: measure(problem, sets) for name, sets in baselines(problem, 0)}
    assert list(measured) == [
        "current",
        "random_allowed",
        "nearest",
        "cheapest",
        "alone_capacity_ignored",
        "greedy_within_capacity",
    ]
    for name in ("current", "random_allowed", "nearest", "cheapest"):
        one = measured[name]
        assert one.services_breaking_a_rule > 0
    alone = measured["alone_capacity_ignored"]
    assert alone.cost_usd_per_hour <= found.upper_micro / 1e6
    assert alone.vcpu_above_capacity > 0
    greedy = measured["greedy_within_capacity"]
    assert greedy.vcpu_above_capacity < alone.vcpu_above_capacity


def test_large_fleets_keep_latency_as_views() -> None:
    fleet = bench_fleet(3_000, 34)
    parts = fleet.latency
    held = sum(
        np.asarray(one.base if one.base is not None else one).nbytes
        for one in (parts.own_ms, parts.factor, parts.network_weight, parts.p95_hi)
    )
    assert held < 0.1 * parts.own_ms.nbytes * 4


def test_every_region_states_where_its_price_is_from() -> None:
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 34
    assert all(row["source"] and row["observed_on"] for row in rows)


@pytest.mark.parametrize(("services", "regions"), [(0, 4), (5, 1), (5, 99)])
def test_sizes_out_of_range_are_refused(services: int, regions: int) -> None:
    with pytest.raises(ValueError, match="=="):
        bench_fleet(services, regions)
