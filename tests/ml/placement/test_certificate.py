"""The certificate's inputs: complete, of the plan, and nothing of its result."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.io import Writer
from ml.placement.answers.publish import plan_id
from ml.placement.check import certificate
from ml.placement.check.certificate import certificate_tables, certify
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.policy import load_policy
from ml.placement.search.solve import Solution, solve
from tests.ml.placement.builder import build_instance


@lru_cache
def _solution() -> Solution:
    return solve(build_instance(24, 4, 21, hours=6, capacity_share=0.9), quick=True)


def _tables(solution: Solution | None = None) -> dict[str, pd.DataFrame]:
    return certificate_tables(certify(solution or _solution()), "inputs", "config")


def test_bound_is_the_sum_of_the_cheapest_open_sets_at_the_published_prices() -> None:
    solution = _solution()
    fresh, _ = price_all(solution.instance, solution.space, solution.fleet, solution.today)
    master, total = solution.master, 0.0
    cores, regions = solution.instance.cpu_cores, solution.space.sets
    for s in range(solution.instance.n_services):
        values = []
        for p in np.flatnonzero(solution.table.is_open[s]):
            value = float(fresh.cost_micro[s, p] + fresh.added[s, p] * master.move_dual * 1e6)
            for k, r in enumerate(regions[p]):
                used = float(fresh.instances[s, p, k] * cores[s])
                value += used * float(master.capacity_dual[r]) * 1e6
            values.append(value)
        total += min(values)
    capacity = solution.instance.capacity_vcpu
    for r in np.flatnonzero(master.capacity_dual > 0):
        total -= float(master.capacity_dual[r] * capacity[r]) * 1e6
    budget = solution.instance.policy.move_budget
    total -= master.move_dual * (budget or 0) * 1e6
    found = certify(solution)
    assert found.lower_micro == pytest.approx(math.floor(total), abs=1)
    assert found.lower_micro <= solution.upper_micro
    assert found.run_columns["gap_share"] >= 0


def test_what_the_search_corrected_does_not_move_the_bound() -> None:
    """A search may write whatever it likes into its costs: sets are priced again."""
    solution = _solution()
    dearer = replace(solution.table, cost_micro=solution.table.cost_micro + 10_000)
    spoiled = replace(solution, table=dearer)
    assert certify(spoiled).lower_micro == certify(solution).lower_micro


def test_a_set_that_the_search_closed_is_named_region_by_region() -> None:
    solution = _solution()
    opened = solution.table.is_open.copy()
    rows, plans = np.nonzero(opened)
    other = plans != solution.fleet.chosen[rows]
    s, p = int(rows[other][0]), int(plans[other][0])
    before = len(_tables()["placement_certificate_closed"])
    opened[s, p] = False
    spoiled = replace(solution, table=replace(solution.table, is_open=opened))
    listed = _tables(spoiled)["placement_certificate_closed"]
    assert len(listed) == before + len(solution.space.sets[p])
    mine = listed[(listed["service_id"] == solution.instance.service_ids[s])]
    names = {solution.instance.region_ids[r] for r in solution.space.sets[p]}
    assert names in [set(g["region_id"]) for _, g in mine.groupby("set_number")]


def test_calls_are_the_callers_load_times_calls_per_request() -> None:
    solution = _solution()
    instance, edges = solution.instance, solution.instance.edges
    clients = _tables()["placement_certificate_clients"]
    own = clients[clients["plan_id"] == plan_id("inputs", "config", "recommended")]
    found = own.set_index(["service_id", "region_id"])
    callee = int(edges.callee[0])
    expected: dict[str, float] = {}
    for e in np.flatnonzero(edges.callee == callee):
        v = int(edges.caller[e])
        chosen = solution.fleet.chosen[v]
        for k, r in enumerate(solution.space.sets[chosen]):
            share = solution.space.share[solution.space.slot_row[chosen, k]]
            load = math.fsum(share * solution.fleet.clients.mean_rps[v])
            name = instance.region_ids[r]
            expected[name] = expected.get(name, 0.0) + float(edges.calls[e]) * load
    for name, rps in expected.items():
        key = (instance.service_ids[callee], name)
        assert (rps == 0 and key not in found.index) or found.loc[key, "calls_rps"] == (
            pytest.approx(rps, rel=1e-9)
        )


def test_tables_keep_their_contract_and_hold_no_cost(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "predictions", tmp_path / "models")
    for name, frame in _tables().items():
        writer.write(name, frame, "placement")
        assert not {"cost", "bound", "reduced"} & {w for c in frame for w in c.split("_")}


def test_terms_that_sql_does_not_know_are_named() -> None:
    solution = _solution()
    policy = load_policy({"carbon_usd_per_kg": 0.05})
    other = replace(solution, instance=replace(solution.instance, policy=policy))
    parameters = certificate._parameters(other, "plan")
    named = parameters[parameters["name"] == "terms_not_in_sql"]
    assert named["scope"].tolist() == ["carbon_usd_per_kg"]
    packaged = certificate._parameters(solution, "plan")
    assert "terms_not_in_sql" not in set(packaged["name"])


def test_a_fleet_too_large_writes_no_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "PLAN_ROWS_MAX", 10)
    found = _tables()
    assert len(found["placement_certificate_parameters"])
    for name in ("clients", "client_hours", "onward"):
        assert found[f"placement_certificate_{name}"].empty
