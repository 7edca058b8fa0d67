"""The choice of plans against the whole integer programme, and the bound against any plan."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_matrix

from ml.placement import InfeasibleError, solve
from ml.placement.fleet.fleet import describe_today, evaluate_fleet
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import Instance
from ml.placement.search.master import lower_bound, overload, solve_master
from ml.placement.search.solve import move_limit, space_of
from tests.ml.placement.builder import build_instance

_FREE = {
    "misroute_share": 0.0,
    "near_tie_share": 0.0,
    "keep_loss_survival": False,
    "slowdown_limit_share": None,
    "loss_proof_tiers": [],
    "max_regions_cap": 3,
}


def _plain(seed: int, **overrides: object) -> Instance:
    """A problem without calls, objectives and load-dependent latency: all linear but rounding."""
    found = build_instance(
        8, 4, seed, hours=4, calls=False, slo_share=0.0, **{**_FREE, **overrides}
    )
    parts = found.latency
    flat = replace(parts, own_ms=np.repeat(parts.own_ms[:, :, :1], 4, axis=2))
    return replace(found, latency=flat)


class _Programme:
    """Open, route and count as one integer programme: nothing is enumerated."""

    def __init__(self, instance: Instance) -> None:
        self.one = instance
        s, r, o = instance.n_services, instance.n_regions, instance.n_origins
        self.x = np.arange(s * r).reshape(s, r)
        self.n = self.x + s * r
        self.y = (np.arange(s * o * r) + 2 * s * r).reshape(s, o, r)
        self.width = 2 * s * r + s * o * r
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def cost(self) -> np.ndarray:
        one, policy = self.one, self.one.policy
        today, _ = describe_today(one, space_of(one))
        cost = np.zeros(self.width)
        moved = np.where(one.current, 0.0, today.move_usd)
        cost[self.x] = policy.open_region_usd_per_hour + one.replica_usd[:, None] + moved
        cost[self.n] = one.instance_usd
        rtt = one.rtt_ms[: one.n_origins]
        took = one.latency.factor[:, None, :, 0] * (rtt[None] + one.latency.own_ms[:, None, :, 0])
        per_gb = one.response_kb[:, None] * one.user_egress_usd
        cost[self.y] = (
            3600
            * one.mean_rps[:, :, None]
            * (1e-6 * per_gb[:, None] + one.usd_per_request_ms[:, None, None] * took)
        )
        return cost

    def build(self) -> None:
        one = self.one
        rate = one.full_rate * one.policy.utilisation_target
        for s in range(one.n_services):
            sets = {int(v): 1.0 for v in self.x[s]}
            self.rows.append((sets, float(one.min_regions[s]), float(one.policy.max_regions_cap)))
            for r in range(one.n_regions):
                least = {int(self.n[s, r]): 1.0, int(self.x[s, r]): -2.0}
                self.rows.append((least, 0, np.inf))
                for h in range(one.peak_rps.shape[2]):
                    room = {
                        int(v): -float(d)
                        for v, d in zip(self.y[s, :, r], one.peak_rps[s, :, h], strict=False)
                    }
                    self.rows.append((room | {int(self.n[s, r]): float(rate[s])}, -1e-7, np.inf))
            for o in range(one.n_origins):
                self._route(s, o)
        moves = {int(self.x[s, r]): 1.0 for s, r in zip(*np.nonzero(~one.current), strict=False)}
        self.rows.append((moves, 0, move_limit(one)))
        for r in np.flatnonzero(np.isfinite(one.capacity_vcpu)):
            use = {int(self.n[s, r]): float(one.cpu_cores[s]) for s in range(one.n_services)}
            self.rows.append((use, 0, float(one.capacity_vcpu[r])))

    def _route(self, s: int, o: int) -> None:
        one = self.one
        self.rows.append(({int(v): 1.0 for v in self.y[s, o]}, 1, 1))
        for r in range(one.n_regions):
            self.rows.append(({int(self.y[s, o, r]): -1.0, int(self.x[s, r]): 1.0}, 0, np.inf))
            near = np.flatnonzero(one.rtt_ms[o] <= one.rtt_ms[o, r])
            nearest = {int(self.y[s, o, q]): 1.0 for q in near} | {int(self.x[s, r]): -1.0}
            self.rows.append((nearest, 0, np.inf))

    def solve(self) -> float:
        self.build()
        matrix = lil_matrix((len(self.rows), self.width))
        for i, (row, _, _) in enumerate(self.rows):
            for j, value in row.items():
                matrix[i, j] = value
        upper = np.ones(self.width)
        upper[self.n] = 1000
        upper[self.x] = self.one.blocker == 0
        found = milp(
            self.cost(),
            constraints=LinearConstraint(
                matrix.tocsr(), [b[1] for b in self.rows], [b[2] for b in self.rows]
            ),
            bounds=Bounds(0, upper),
            integrality=np.ones(self.width),
            options={"mip_rel_gap": 0.0},
        )
        assert found.status == 0, found.message
        return float(found.fun - self.one.replica_usd.sum())


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("budget", [None, 4])
def test_plans_reach_the_optimum_of_the_whole_programme(seed: int, budget: int | None) -> None:
    instance = _plain(seed, move_budget=budget)
    limited = replace(instance, capacity_vcpu=_limits(instance))
    found = solve(limited)
    assert found.upper_micro / 1e6 == pytest.approx(_Programme(limited).solve(), abs=5e-6)
    assert found.upper_micro == sum(found.fleet.cost_micro)


def _limits(instance: Instance) -> np.ndarray:
    free = solve(instance)
    n = np.arange(instance.n_services)
    use = free.table.vcpu(n, free.fleet.chosen).sum(axis=0)
    limits = np.full(instance.n_regions, np.inf)
    limits[int(np.argmax(use))] = np.floor(0.9 * use.max())
    return limits


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), price=st.floats(0, 0.2), rent=st.floats(0, 0.05))
def test_bound_is_below_every_feasible_plan(seed: int, price: float, rent: float) -> None:
    instance = build_instance(10, 4, seed, hours=4)
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    n, rng = np.arange(10), np.random.default_rng(seed)
    plans = [[int(rng.choice(np.flatnonzero(row))) for row in table.is_open] for _ in range(20)]
    use = table.vcpu(n, np.array(plans[0])).sum(axis=0)
    moves = float(table.added[n, plans[0]].sum())
    bound, _, _ = lower_bound(table, use, moves, np.full(4, rent), price)
    for plan in map(np.array, plans):
        if overload(table, plan, use, moves) == 0:
            assert bound <= table.cost_micro[n, plan].sum()
    master = solve_master(table, use, moves, np.array(plans[0]))
    assert master.is_feasible
    assert bound <= master.upper_micro
    assert master.lower_micro <= master.upper_micro <= table.cost_micro[n, plans[0]].sum()


def test_more_capacity_never_costs_more_than_the_gap() -> None:
    tight = build_instance(25, 4, 5, hours=6, capacity_share=0.9)
    space = space_of(tight)
    today, fleet = describe_today(tight, space)
    table, _ = price_all(tight, space, fleet, today)
    before = solve_master(table, tight.capacity_vcpu, 60.0)
    after = solve_master(table, tight.capacity_vcpu * 1.1, 60.0)
    slack = before.upper_micro - before.lower_micro
    assert after.upper_micro <= before.upper_micro + slack
    assert before.gap < 2e-3


@pytest.mark.slow
def test_gap_holds_at_demo_size() -> None:
    found = solve(build_instance(150, 5, 0, hours=24))
    assert 0 <= found.gap <= 1e-3


def test_budget_below_the_required_moves_is_named() -> None:
    instance = build_instance(30, 4, 3, hours=4, move_budget=0)
    with pytest.raises(InfeasibleError, match=r"move_budget == 0, but \d+ regions must be added"):
        solve(instance)


def test_missing_capacity_is_named_with_its_region() -> None:
    instance = build_instance(12, 3, 3, hours=4, move_budget=None)
    short = replace(instance, capacity_vcpu=np.array([8.0, 8.0, 8.0]))
    with pytest.raises(InfeasibleError) as caught:
        solve(short)
    assert "NO_CAPACITY" in caught.value.rules or "UNKNOWN" in caught.value.rules


def test_more_moves_never_cost_more() -> None:
    costs = []
    for budget in (6, 12, None):
        instance = build_instance(25, 4, 7, hours=6, calls=False, move_budget=budget)
        found = solve(instance)
        costs.append((found.upper_micro, found.upper_micro - found.lower_micro))
    for (more, slack), (fewer, _) in itertools.pairwise(costs):
        assert fewer <= more + slack


def test_moving_a_callee_changes_its_callers_latency() -> None:
    instance = build_instance(12, 4, 2, hours=4)
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    edge = int(np.flatnonzero(~instance.edges.is_async & fleet.is_slowest.any(axis=1))[0])
    caller, callee = int(instance.edges.caller[edge]), int(instance.edges.callee[edge])
    means = set()
    for region in range(4):
        chosen = fleet.chosen.copy()
        chosen[callee] = space.index[(region,)]
        moved = evaluate_fleet(instance, space, chosen, today)
        means.add(round(float(moved.clients.dependency_ms[caller].sum()), 6))
    assert len(means) > 1


def test_large_tables_keep_rows_and_certificate() -> None:
    instance = build_instance(450, 5, 2, hours=4, calls=False, move_budget=None)
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    n = np.arange(450)
    cheapest = np.where(table.is_open, table.cost_micro, 2**60).argmin(axis=1)
    use = table.vcpu(n, cheapest).sum(axis=0)
    capacity = np.where(use == use.max(), np.floor(0.9 * use), np.inf)
    least = int(np.where(table.is_open, table.added, 99).min(axis=1).sum())
    for moves in (np.inf, float(least + 40)):
        found = solve_master(table, capacity, moves)
        assert found.is_feasible
        assert overload(table, found.chosen, capacity, moves) == 0
        assert found.upper_micro == table.cost_micro[n, found.chosen].sum()
        bound, _, _ = lower_bound(table, capacity, moves, found.capacity_dual, found.move_dual)
        # The table's own bound at the same prices: both readings agree to rounding.
        assert abs(bound - found.lower_micro) <= 10
        assert 0 <= found.gap < 1e-3
        again = solve_master(table, capacity, moves, found.chosen)
        assert again.upper_micro <= found.upper_micro
