"""Column generation: its certificate, its three ends, and the plans it leads to."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from ml.placement.bench.fleet import bench_fleet
from ml.placement.bench.whole import plain, solve_whole_programme
from ml.placement.check.checker import check_plan
from ml.placement.columns.dual import certified
from ml.placement.columns.fleet import FleetProblem, fleet_problem, solve_fleet
from ml.placement.columns.generation import Solved, solve_columns
from ml.placement.columns.ledger import Ledger
from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.types import Batch, Prices
from ml.placement.problem.instance import Floats, Instance


def _limited(services: int, regions: int, seed: int, **overrides: object) -> FleetProblem:
    instance = bench_fleet(services, regions, seed=seed, capacity=True)
    policy = replace(instance.policy, **overrides)
    return fleet_problem(replace(instance, policy=policy))


def _findings(problem: FleetProblem, solved: Solved) -> tuple[str, ...]:
    regions = [row[row >= 0].tolist() for row in solved.pool.regions[solved.chosen]]
    counts = solved.pool.instances[solved.chosen]
    instances = [
        dict(zip(listed, row[: len(listed)].tolist(), strict=True))
        for listed, row in zip(regions, counts, strict=True)
    ]
    stuck = frozenset(np.flatnonzero(problem.is_stuck).tolist())
    found = check_plan(problem.instance, regions, instances, solved.upper_micro, may_break=stuck)
    return found.findings


def _with_few_clients(instance: Instance, origins: int) -> Instance:
    """Keep some users' origins and three hours: a general solver then ends in a second."""
    kept = np.append(np.arange(origins), instance.n_origins + np.arange(instance.n_regions))
    return replace(
        instance,
        origin_ids=instance.origin_ids[:origins],
        rtt_ms=instance.rtt_ms[kept],
        misroute=instance.misroute[kept],
        mean_rps=instance.mean_rps[:, :origins],
        peak_rps=instance.peak_rps[:, :origins, ::2],
    )


def test_plans_are_the_optimum_of_the_whole_programme() -> None:
    proved = 0
    for seed in range(20):
        drawn = plain(bench_fleet(20, 4, seed=seed))
        free = solve_fleet(fleet_problem(_with_few_clients(drawn, 5)))
        use = free.pool.total_use(free.chosen)[:4]
        limits = np.where(use == use.max(), np.floor(0.85 * use), np.inf)
        instance = replace(_with_few_clients(drawn, 5), capacity_vcpu=limits)
        problem = fleet_problem(instance)
        found = solve_fleet(problem)
        assert found.is_exact or found.upper_micro - found.lower_micro <= 1
        whole = solve_whole_programme(instance, problem.today, 5.0)
        assert found.lower_micro / 1e6 <= whole.upper_usd * (1 + 1e-6)
        assert whole.lower_usd * (1 - 1e-6) <= found.upper_micro / 1e6
        if whole.status == "Optimal":
            assert found.upper_micro / 1e6 == pytest.approx(whole.upper_usd, rel=1e-6)
            proved += 1
    # Where the general solver is not done in time, its bounds still lie on either side.
    assert proved >= 10


@pytest.mark.parametrize(("services", "regions", "gap"), [(150, 5, 2e-4), (600, 10, 1e-4)])
def test_gap_is_certified_and_the_second_reading_agrees(
    services: int, regions: int, gap: float
) -> None:
    problem = _limited(services, regions, 0)
    found = solve_fleet(problem)
    assert found.state == "feasible"
    assert 0 <= found.gap <= gap
    assert _findings(problem, found) == ()


def test_plain_numpy_leads_to_the_same_plan() -> None:
    instance = bench_fleet(120, 6, seed=3, capacity=True)
    compiled = solve_fleet(fleet_problem(instance))
    plain_numpy = solve_fleet(fleet_problem(instance, compiled=False))
    assert (compiled.upper_micro, compiled.lower_micro) == (
        plain_numpy.upper_micro,
        plain_numpy.lower_micro,
    )
    assert np.array_equal(
        compiled.pool.regions[compiled.chosen], plain_numpy.pool.regions[plain_numpy.chosen]
    )


def test_bound_is_below_every_feasible_plan_at_any_prices() -> None:
    problem, rng = _limited(40, 5, 6), np.random.default_rng(6)
    free = problem.pricer.price(problem.rows.prices(np.zeros(11)), 12)
    plans = []
    for _ in range(40):
        at = [int(rng.integers(0, np.isfinite(v).sum())) for v in free.value]
        every = np.arange(40)
        vcpu = np.zeros(5)
        for s, t in enumerate(at):
            used = free.regions[s, t] >= 0
            counts = free.instances[s, t][used] * problem.instance.cpu_cores[s]
            np.add.at(vcpu, free.regions[s, t][used], counts)
        plans.append((vcpu, int(free.cost_micro[every, at].sum())))
    for _ in range(10):
        duals = np.concatenate((rng.uniform(0, 0.05, 5), np.zeros(6)))
        for vcpu, cost in plans:
            # Each plan's own use as the limit: so every plan is feasible for its problem.
            rows = Rows.of(vcpu)
            batch = problem.pricer.price(rows.prices(duals), 1)
            assert certified(batch.value[:, 0], duals, rows.limits) <= cost


def test_more_capacity_never_costs_more_than_the_gap() -> None:
    problem = _limited(200, 6, 8)
    costs = []
    for share in (0.9, 0.95, 1.0, 1.1):
        wider = problem.with_capacity(problem.instance.capacity_vcpu * share)
        found = solve_fleet(wider)
        assert found.state == "feasible"
        costs.append((found.upper_micro, found.upper_micro - found.lower_micro))
    for (before, slack), (after, _) in itertools.pairwise(costs):
        assert after <= before + slack


def _pinned(instance: Instance, region: int, services: int) -> Instance:
    """Some services may run in one region alone."""
    blocker = instance.blocker.copy()
    blocker[:services] = 3
    blocker[:services, region] = 0
    free = np.zeros(instance.n_services, dtype=bool)
    return replace(
        instance,
        blocker=blocker,
        min_regions=np.ones_like(instance.min_regions),
        loss_proof=free,
        slo_ms=np.full(instance.n_services, np.nan),
    )


def test_missing_capacity_is_proven_and_counted() -> None:
    instance = _pinned(bench_fleet(60, 4, seed=2), 1, 30)
    free = solve_fleet(fleet_problem(instance))
    pinned = free.pool.use(free.chosen)[:30, 1].sum()
    capacity = np.full(4, np.inf)
    capacity[1] = pinned - 10.0
    found = solve_fleet(fleet_problem(replace(instance, capacity_vcpu=capacity)))
    assert found.state == "infeasible"
    assert found.gap == float("inf")
    assert found.shortage[1] == pytest.approx(10.0, abs=1e-3)
    # With just enough, a plan exists: the proof does not fire early.
    capacity[1] = pinned
    assert solve_fleet(fleet_problem(replace(instance, capacity_vcpu=capacity))).state == "feasible"


def test_deep_cuts_end_with_a_plan_or_a_proof() -> None:
    ends = []
    for seed in range(4):
        problem = _limited(150, 6, 20 + seed)
        cold = solve_fleet(problem)
        largest = int(np.nanargmax(np.where(np.isfinite(problem.rows.vcpu), problem.rows.vcpu, 0)))
        for cut in (0.95, 0.8, 0.7):
            capacity = problem.instance.capacity_vcpu.copy()
            capacity[largest] *= cut
            smaller = problem.with_capacity(capacity)
            found = solve_fleet(smaller, warm=cold.warm)
            ends.append(found.state)
            if found.state == "feasible":
                assert _findings(smaller, found) == ()
                assert found.gap < 1e-3
    assert ends.count("unknown") == 0


def test_warm_start_ends_within_the_cold_certificate() -> None:
    problem = _limited(200, 6, 5)
    first = solve_fleet(problem)
    smaller = problem.with_capacity(problem.instance.capacity_vcpu * 0.97)
    warm, cold = solve_fleet(smaller, warm=first.warm), solve_fleet(smaller)
    assert warm.rounds <= cold.rounds
    assert warm.lower_micro <= cold.upper_micro
    assert cold.lower_micro <= warm.upper_micro


def test_move_budget_is_kept_and_more_moves_never_cost_more() -> None:
    costs = []
    for budget in (20, 40, None):
        problem = _limited(80, 5, 9, move_budget=budget, slo_demand_share=0.0)
        problem = problem.with_capacity(np.full(5, np.inf))
        found = solve_fleet(problem)
        assert found.state == "feasible"
        if budget is not None:
            assert found.pool.added[found.chosen].sum() <= budget
        assert _findings(problem, found) == ()
        costs.append((found.upper_micro, found.upper_micro - found.lower_micro))
    assert costs[0][0] > costs[2][0]
    for (fewer, slack), (more, _) in itertools.pairwise(costs):
        assert more <= fewer + slack


def test_memory_rows_are_kept() -> None:
    problem = fleet_problem(bench_fleet(80, 4, seed=7))
    free = solve_fleet(problem)
    memory = free.pool.total_use(free.chosen)[4:8]
    limit = np.where(memory == memory.max(), np.floor(0.9 * memory), np.inf)
    rows = Rows.of(np.full(4, np.inf), memory=limit)
    found = solve_columns(problem.pricer, rows, problem.scale)
    assert found.state == "feasible"
    assert (found.pool.total_use(found.chosen)[4:8] <= limit + 1e-6).all()
    assert free.upper_micro < found.upper_micro
    assert found.gap < 1e-3


def test_emergency_stop_returns_an_honest_gap() -> None:
    problem = _limited(150, 6, 4)
    rounds: list[int] = []
    found = solve_fleet(problem, stop=lambda: True, report=lambda p: rounds.append(p.round))
    assert rounds == [1]
    best = solve_fleet(problem)
    assert found.lower_micro <= best.upper_micro
    if found.state == "feasible":
        assert found.upper_micro >= best.lower_micro
        assert _findings(problem, found) == ()
        assert found.stop_reason == "time"
    else:
        assert found.state == "unknown"


@pytest.mark.parametrize("best", [1, 4])
def test_what_is_known_never_hides_a_better_plan(best: int) -> None:
    problem, rng = fleet_problem(bench_fleet(120, 6, seed=5)), np.random.default_rng(5)
    rows, cost = Rows.of(np.full(6, 100.0)), problem.pricer
    ledger = Ledger(cost, rows)
    pool = Pool.empty(cost.cpu_cores, cost.memory_gb, 6)
    _, pool, first = ledger.price(pool, np.zeros(13), best, 1.0)
    looked = []
    for size in (0.001, 0.01, 0.1, 1.0):
        duals = np.concatenate((size * rng.uniform(0, 1, 6), np.zeros(7)))
        value, pool, evaluated = ledger.price(pool, duals, best, 1.0)
        exact = cost.price(rows.prices(duals), 1).value[:, 0]
        np.testing.assert_allclose(value, exact, rtol=0, atol=2.0)
        looked.append(evaluated)
    # At small prices most services need no second look.
    assert looked[0] < first


def test_prices_that_fall_hide_no_better_plan_and_spare_most_services_a_second_look() -> None:
    problem, rng = fleet_problem(bench_fleet(300, 6, seed=6)), np.random.default_rng(6)
    rows, cost = Rows.of(np.full(6, 100.0), 50.0), problem.pricer
    ledger = Ledger(cost, rows)
    pool = Pool.empty(cost.cpu_cores, cost.memory_gb, 6)
    high = np.concatenate((rng.uniform(0.01, 0.03, 6), np.zeros(6), [0.2]))
    _, pool, first = ledger.price(pool, high, 3, 1.0)
    looked = []
    for share in (0.998, 0.9, 0.5, 0.0, 0.7):
        duals = high * (1.0 - rng.uniform(0.5, 1.0, 13) * (1.0 - share))
        value, pool, evaluated = ledger.price(pool, duals, 3, 1.0)
        exact = cost.price(rows.prices(duals), 1).value[:, 0]
        np.testing.assert_allclose(value, exact, rtol=0, atol=2.0)
        looked.append(evaluated)
    assert looked[0] < 0.3 * first


def test_no_plan_is_below_its_floor_at_other_prices() -> None:
    problem, rng = fleet_problem(bench_fleet(200, 5, seed=8)), np.random.default_rng(8)
    cost, every = problem.pricer, np.arange(200)
    for _ in range(4):
        old, new = (
            Prices(rng.uniform(0, 0.05, 5), rng.uniform(0, 0.01, 5), float(rng.uniform(0, 0.3)))
            for _ in range(2)
        )
        plans, listed = cost.price(old, 40), cost.price(old, 3)
        floor = cost.floor_at(listed.value[:, -1], every, old, new)
        values = _values(problem, plans, new)
        rest = np.where(np.isfinite(plans.value), values, np.inf)[:, 3:]
        assert (rest >= floor[:, None] - 2.0).all()
        # It says something: not just that costs are not negative.
        known = np.isfinite(floor)
        assert np.median(floor[known] / listed.value[known, -1]) > 0.3


def _values(problem: FleetProblem, plans: Batch, prices: Prices) -> Floats:
    at = np.maximum(plans.regions, 0)
    one = problem.instance
    rent = one.cpu_cores[:, None, None] * prices.vcpu[at]
    rent = rent + one.memory_gb[:, None, None] * prices.memory[at]
    usd = (plans.instances * rent).sum(axis=2) + plans.added * prices.move
    return np.asarray(plans.cost_micro + 1e6 * usd)


def test_any_number_of_threads_prices_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = fleet_problem(bench_fleet(1_700, 5, seed=3))
    prices, found = Prices(np.full(5, 0.01), np.zeros(5), 0.0), []
    for threads in (1, 3):
        monkeypatch.setattr("ml.placement.kernel.jit.cores", lambda n=threads: n)
        batch = problem.pricer.price(prices, 4)
        found.append(b"".join(getattr(batch, f.name).tobytes() for f in fields(Batch)[:-1]))
    assert found[0] == found[1]


def test_a_large_fleet_that_begins_with_a_sample_ends_as_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = fleet_problem(bench_fleet(1_500, 8, seed=4, capacity=True))
    cold = solve_fleet(problem)
    monkeypatch.setattr("ml.placement.columns.fleet._SAMPLE_FROM", 1_000)
    found = solve_fleet(problem)
    assert found.state == "feasible"
    assert found.lower_micro <= cold.upper_micro
    assert cold.lower_micro <= found.upper_micro
    assert found.gap <= 2e-4
    assert found.rounds <= 4


def test_without_limits_each_service_has_its_best_plan_and_no_gap() -> None:
    problem = fleet_problem(bench_fleet(100, 8, seed=1))
    found = solve_fleet(problem)
    assert found.rounds == 1
    assert found.upper_micro - found.lower_micro <= 1
    assert not found.duals.any()


def test_plans_known_twice_count_once() -> None:
    problem = fleet_problem(bench_fleet(30, 4))
    batch = problem.pricer.price(problem.rows.prices(np.zeros(9)), 3)
    pool = Pool.empty(problem.pricer.cpu_cores, problem.pricer.memory_gb, 4)
    once = pool.with_batch(batch)
    assert once.with_batch(batch).n == once.n == int(np.isfinite(batch.value).sum())


def test_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="must be none"):
        fleet_problem(bench_fleet(30, 4, call_graph=True))


_PRINTS = """
import hashlib
from ml.placement.bench.fleet import bench_fleet
from ml.placement.columns.fleet import fleet_problem, solve_fleet
found = solve_fleet(fleet_problem(bench_fleet(150, 6, seed=2, capacity=True)))
parts = (found.pool.regions[found.chosen], found.duals, found.pool.mask)
print(hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest(), found.upper_micro)
"""


def test_same_bytes_on_one_and_two_threads_and_any_hash_seed() -> None:
    outputs = set()
    for threads in ("1", "2"):
        env = os.environ | {
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "NUMBA_NUM_THREADS": threads,
            "PYTHONHASHSEED": threads,
        }
        done = subprocess.run(
            [sys.executable, "-c", _PRINTS], env=env, capture_output=True, text=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1


def test_company_sizes_run_without_the_compiler() -> None:
    code = _PRINTS.replace("150, 6", "60, 4")
    outputs = set()
    for first in ("", "import sys; sys.modules['numba'] = None\n"):
        done = subprocess.run(
            [sys.executable, "-c", first + code], capture_output=True, text=True, check=True
        )
        outputs.add(done.stdout.split()[1])
    assert len(outputs) == 1
