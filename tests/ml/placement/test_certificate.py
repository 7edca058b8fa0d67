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
from ml.placement.check.recheck import CheckerError, check_values
from ml.placement.fleet.fleet import evaluate_fleet
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
    table, master, total = solution.table, solution.master, 0.0
    cores, regions = solution.instance.cpu_cores, solution.space.sets
    for s in range(solution.instance.n_services):
        values = []
        for p in np.flatnonzero(table.is_open[s]):
            value = float(table.cost_micro[s, p] + table.added[s, p] * master.move_dual * 1e6)
            for k, r in enumerate(regions[p]):
                used = float(table.instances[s, p, k] * cores[s])
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


def test_every_set_is_worth_what_the_fleet_costs_when_its_service_alone_moves() -> None:
    solution = _solution()
    instance, space, table = solution.instance, solution.space, solution.table
    n, chosen = instance.n_services, solution.fleet.chosen
    broken = solution.fleet.assessed.broken[:, 0] != 0
    elsewhere, closed = 0, 0
    fresh, _ = price_all(instance, space, solution.fleet, solution.today)
    for s in range(n):
        for p in np.flatnonzero(fresh.is_open[s]):
            moved = chosen.copy()
            moved[s] = p
            fleet = evaluate_fleet(instance, space, moved, solution.today)
            worse = int((fleet.assessed.broken[:, 0] != 0).sum()) > int(broken.sum())
            assert bool(table.is_open[s, p]) != worse
            if not worse:
                change = int(fleet.cost_micro.sum()) - solution.upper_micro
                stated = int(table.cost_micro[s, p] - table.cost_micro[s, chosen[s]])
                assert abs(change - stated) <= n
                elsewhere += stated != int(fresh.cost_micro[s, p] - fresh.cost_micro[s, chosen[s]])
            closed += worse
    assert elsewhere > 0
    assert closed > 0


def test_a_wrong_value_of_a_set_that_matters_stops_the_stage() -> None:
    solution = _solution()
    check_values(solution)
    n, chosen = solution.instance.n_services, solution.fleet.chosen
    others = solution.table.is_open.copy()
    others[np.arange(n), chosen] = False
    cost = solution.table.cost_micro - 1_000 * others
    spoiled = replace(solution, table=replace(solution.table, cost_micro=cost))
    with pytest.raises(CheckerError, match="on set"):
        check_values(spoiled)


def test_what_a_set_leads_to_elsewhere_is_named_region_by_region() -> None:
    solution, found = _solution(), certify(_solution())
    listed = _tables()["placement_certificate_elsewhere"]
    told = found.closed | (found.elsewhere_micro != 0)
    assert listed.groupby(["service_id", "set_number"]).ngroups == int(told.sum()) > 0
    for (service, number), rows in listed.groupby(["service_id", "set_number"]):
        s, p = solution.instance.service_ids.index(str(service)), int(str(number))
        names = {solution.instance.region_ids[r] for r in solution.space.sets[p]}
        assert set(rows["region_id"]) == names
        assert set(rows["is_closed"]) == {bool(found.closed[s, p])}
        assert set(rows["elsewhere_micro_usd"]) == {int(found.elsewhere_micro[s, p])}


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
