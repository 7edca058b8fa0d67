"""The compiled search against the tables of all plans, and its bounds against no bounds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.placement.bench.fleet import bench_fleet
from ml.placement.columns.table import NumpyPricer, TablePricer
from ml.placement.columns.types import Batch, Prices
from ml.placement.fleet import pricing
from ml.placement.fleet.evaluate import Today, assess
from ml.placement.fleet.fleet import describe_today
from ml.placement.fleet.pricing import price_all
from ml.placement.kernel import jit as kernel_jit
from ml.placement.kernel.clients import FixedClients, Source, UserClients
from ml.placement.kernel.jit import is_available, source_stamp
from ml.placement.kernel.pricer import KernelPricer
from ml.placement.kernel.search import search
from ml.placement.kernel.today import judge_sets, plain_today
from ml.placement.problem.instance import Instance
from ml.placement.problem.slots import one_set_each
from ml.placement.search.solve import space_of
from tests.ml.placement.builder import build_instance

pytestmark = pytest.mark.skipif(not is_available(), reason="numba is not installed")

# The compiled search sends all to the nearest region, and knows no times that vary.
_NEAREST = {"near_tie_is_split": False, "varies": False}
_KINDS = {
    "survives a loss, meets objectives": {"slo_share": 1.0, "loss_proof_tiers": [1, 2]},
    "never worse than today": {"keep_loss_survival": True, "slowdown_limit_share": 0.1},
    "strays and near ties": {"misroute_share": 0.2, "near_tie_share": 0.4},
    "nothing but cost": {
        "misroute_share": 0.0,
        "near_tie_share": 0.0,
        "keep_loss_survival": False,
        "slowdown_limit_share": None,
        "loss_proof_tiers": [],
    },
    "sets up to five regions": {"max_regions_cap": 5, "min_instances": 1},
    "sets larger than the cap today": {"max_regions_cap": 2, "keep_loss_survival": True},
}


def _prices(instance: Instance, seed: int) -> list[Prices]:
    rng, n = np.random.default_rng(seed), instance.n_regions
    scarce = rng.uniform(0, 0.06, n) * (rng.random(n) < 0.6)
    return [
        Prices(np.zeros(n), np.zeros(n), 0.0),
        Prices(scarce, rng.uniform(0, 0.01, n), float(rng.uniform(0, 0.3))),
    ]


def _same(found: Batch, wanted: Batch) -> None:
    np.testing.assert_allclose(found.value, wanted.value, rtol=1e-12, atol=1e-3)
    real = np.isfinite(wanted.value)
    for name in ("cost_micro", "added"):
        assert np.array_equal(getattr(found, name)[real], getattr(wanted, name)[real]), name
    width = min(found.regions.shape[2], wanted.regions.shape[2])
    assert np.array_equal(found.regions[real][:, :width], wanted.regions[real][:, :width])
    used = wanted.regions[real][:, :width] >= 0
    assert np.array_equal(
        found.instances[real][:, :width][used], wanted.instances[real][:, :width][used]
    )


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("best", [1, 7])
def test_search_finds_the_best_plans_of_the_whole_table(kind: str, best: int) -> None:
    instance = build_instance(30, 6, best, hours=8, calls=False, **_NEAREST, **_KINDS[kind])
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    source = UserClients(instance)
    compiled = KernelPricer(instance, source, plain_today(instance, source))
    oracle = TablePricer(table, instance.memory_gb)
    for prices in _prices(instance, best):
        _same(compiled.price(prices, best), oracle.price(prices, best))
    assert np.array_equal(compiled.is_stuck, table.is_stuck)


@pytest.mark.parametrize("seed", range(3))
def test_search_finds_the_best_plans_with_calls_as_fixed_clients(seed: int) -> None:
    instance = build_instance(30, 5, seed, hours=6, slo_share=0.7, **_NEAREST)
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    table, clients = price_all(instance, space, fleet, today)
    every = np.arange(instance.n_services)
    slots = one_set_each(instance, space, clients, every, fleet.chosen)
    now = assess(instance, slots, today, clients.dependency_ms, clients.onward_usd)
    compiled = KernelPricer(instance, FixedClients(clients), today, now.indirect[:, 0])
    oracle = TablePricer(table, instance.memory_gb)
    for prices in _prices(instance, seed):
        _same(compiled.price(prices, 5), oracle.price(prices, 5))


def test_sets_judged_one_by_one_cost_what_the_table_says() -> None:
    instance = build_instance(12, 5, 4, hours=6, calls=False, near_tie_share=0.4)
    space = space_of(instance)
    ways = instance.rtt_ms[: instance.n_origins]
    assert (ways[:, None, :] < ways[:, :, None] * 1.4).sum() > ways.size, "no ties to split"
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    source = UserClients(instance)
    plain = plain_today(instance, source)
    for p, regions in enumerate(space.sets):
        row = np.full((instance.n_services, space.size.max()), -1)
        row[:, : len(regions)] = regions
        found = judge_sets(instance, source, plain, row)
        assert np.array_equal(found.cost_micro, table.cost_micro[:, p]), regions


def _unpruned(instance: Instance, source: Source, today: Today, prices: Prices) -> np.ndarray:
    """The least value of each service over all sets, each judged alone by the NumPy evaluation."""
    best = np.full(instance.n_services, np.inf)
    rent = instance.cpu_cores[:, None] * prices.vcpu + instance.memory_gb[:, None] * prices.memory
    for regions in space_of(instance).sets:
        row = np.full((instance.n_services, 4), -1)
        row[:, : len(regions)] = regions
        found = judge_sets(instance, source, today, row)
        value = found.cost_micro + 1e6 * found.added * prices.move
        value = value + 1e6 * (found.instances[:, : len(regions)] * rent[:, regions]).sum(axis=1)
        best = np.minimum(best, np.where(found.broken == 0, value, np.inf))
    return best


def test_pruned_search_misses_nothing_on_a_drawn_fleet() -> None:
    instance = bench_fleet(60, 9, seed=4)
    source = UserClients(instance)
    today = plain_today(instance, source)
    compiled = KernelPricer(instance, source, today)
    for prices in _prices(instance, 4):
        found = compiled.price(prices, 1)
        wanted = _unpruned(instance, source, today, prices)
        np.testing.assert_allclose(found.value[:, 0], wanted, rtol=1e-12, atol=1e-3)
        # Pruned it is: a fraction of all sets was looked at.
        assert found.evaluated < 0.5 * instance.n_services * len(space_of(instance).sets)


def test_many_hours_and_few_count_the_same() -> None:
    instance = build_instance(12, 4, 3, hours=30, calls=False, **_NEAREST)
    doubled = replace(instance, peak_rps=np.repeat(instance.peak_rps, 2, axis=2))
    free = Prices(np.zeros(4), np.zeros(4), 0.0)
    once, twice = (
        KernelPricer(one, UserClients(one), plain_today(one, UserClients(one))).price(free, 2)
        for one in (instance, doubled)
    )
    assert np.array_equal(once.cost_micro, twice.cost_micro)


def test_today_without_calls_is_what_the_fleet_evaluation_says() -> None:
    instance = build_instance(25, 5, 8, hours=6, calls=False, keep_loss_survival=True, **_NEAREST)
    wanted, _ = describe_today(instance, space_of(instance))
    found = plain_today(instance, UserClients(instance))
    for name in ("move_usd", "served_floor", "slowest_ms"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-12)


def test_tables_of_chunks_price_like_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "_CELLS_PER_CHUNK", 2_000)
    instance = bench_fleet(90, 6, seed=2)
    source = UserClients(instance)
    compiled = KernelPricer(instance, source, plain_today(instance, source))
    for prices in _prices(instance, 2):
        _same(compiled.price(prices, 3), NumpyPricer(instance).price(prices, 3))


def test_use_alone_is_least_where_cost_counts_nothing() -> None:
    instance = bench_fleet(40, 6, seed=1)
    source = UserClients(instance)
    compiled = KernelPricer(instance, source, plain_today(instance, source))
    rent = np.array([1.0, 0.5, 0.0, 1.0, 0.2, 0.0])
    prices = Prices(rent, np.zeros(6), 0.0, cost_weight=0.0)
    found = compiled.price(prices, 1).value[:, 0]
    wanted = NumpyPricer(instance).price(prices, 1).value[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-2)


def test_compiled_code_is_kept_elsewhere_where_the_package_cannot_be_written(
    tmp_path: Path,
) -> None:
    code = "from ml.placement.kernel import search\nprint(search.search._cache.cache_path)\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"NUMBA_CACHE_DIR": str(tmp_path), "PATH": "", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().startswith(str(tmp_path))


def test_compiled_code_of_older_sources_is_not_taken(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    before = source_stamp(tmp_path.glob("*.py"))
    assert before == source_stamp(reversed(list(tmp_path.glob("*.py"))))
    (tmp_path / "b.py").write_text("changed", encoding="utf-8")
    assert before != source_stamp(tmp_path.glob("*.py"))
    closed_over = [cell.cell_contents for cell in search.py_func.__closure__]
    assert closed_over == [source_stamp(Path(kernel_jit.__file__).parent.glob("*.py"))]


def test_a_region_too_small_for_one_service_is_closed_to_it() -> None:
    drawn = build_instance(25, 5, 6, hours=6, calls=False, **_NEAREST)
    instance = replace(
        drawn,
        capacity_vcpu=np.array([6.0, 10.0, np.inf, 3.5, 8.0]),
        memory_capacity_gb=np.array([np.inf, 12.0, 20.0, np.inf, 8.0]),
    )
    source = UserClients(instance)
    compiled = KernelPricer(instance, source, plain_today(instance, source))
    for prices in _prices(instance, 6):
        _same(compiled.price(prices, 4), NumpyPricer(instance).price(prices, 4))
    free = KernelPricer(drawn, source, plain_today(drawn, source)).price(prices, 4)
    assert not np.array_equal(free.regions, compiled.price(prices, 4).regions)
