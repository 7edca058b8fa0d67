"""The variance of a request: against plain recursion, drawn requests, worlds where it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml.latency.calls import call_factors
from ml.latency.graph import Call
from ml.latency.inputs import LatencyInputs
from ml.latency.model import Core, Data, fit_core, predict, prepare, rows_of, thin
from ml.latency.p95_data import P95Rows, p95_rows_of, physics_log_ratio
from ml.latency.percentile import Percentile
from ml.latency.residual import fit_trees, matrix
from ml.latency.run import compute
from ml.latency.splits import time_split
from ml.latency.variance import calls_variance, own_grid_ms, walk_variance
from ml.latency.variation import VARIATIONS, fit_variations


def _with_coins(world):
    """Return edges of which every second one below a factor of one is a coin."""
    edges = world.tables["feat_latency__dependencies"]
    is_coin = (edges["latency_factor"] < 1) & (np.arange(len(edges)) % 2 == 0)
    return edges.assign(calls_per_request=np.where(is_coin, edges["latency_factor"], 1.0))


def _fitted(inputs: LatencyInputs, settings) -> tuple[Data, Core]:
    data = prepare(inputs)
    train = time_split(data.inputs.days, settings).train(data.day)
    return data, fit_core(data, train, settings, kinds=())


class _ByHand:
    """Mean and variance of one request at a time, by recursion over plain numbers."""

    def __init__(self, data: Data, core: Core, own_ms: np.ndarray, own_sd_ms: np.ndarray) -> None:
        self.fleet, self.physics = data.fleet, core.physics
        self.own_ms, self.own_sd_ms = own_ms, own_sd_ms
        self.known: dict[tuple[int, int, int], tuple[float, float]] = {}

    def calls(self, service: int, place: int, day: int) -> tuple[float, float]:
        """Return mean and variance of the waiting of one request, in one place on one day."""
        key = (service, place, day)
        if key in self.known:
            return self.known[key]
        slowest: dict[float, tuple[float, float]] = {}
        for number, call in enumerate(self.fleet.calls[service]):
            f = self.physics.slopes.calls * self.physics.own.factors[service][number]
            mean, second = self.answer(call.callee, place, day)
            spread = f**2 * (second - mean**2)
            if call.is_coin and f < 1:
                spread = f * second - (f * mean) ** 2
            if f * mean > slowest.get(call.stage, (-1.0, 0.0))[0]:
                slowest[call.stage] = (f * mean, spread)
        self.known[key] = (
            sum(mean for mean, _ in slowest.values()),
            sum(spread for _, spread in slowest.values()),
        )
        return self.known[key]

    def answer(self, service: int, place: int, day: int) -> tuple[float, float]:
        """Return E[X] and E[X²] of an answer to a caller in one place."""
        where = np.flatnonzero(self.fleet.active[service, :, day])
        if not where.size:
            return 0.0, 0.0
        nearest = min(where, key=lambda r: self.fleet.rtt_ms[place, r, day])
        mean = second = 0.0
        for r in where:
            share = self.fleet.misroute / where.size
            share += (1 - self.fleet.misroute) * (r == nearest)
            waited, spread = self.calls(service, int(r), day)
            way = self.fleet.rtt_ms[place, r, day] + self.own_ms[service, r, day] + waited
            mean += share * way
            second += share * (self.own_sd_ms[service, r, day] ** 2 + spread + way**2)
        return mean, second


def test_the_walk_agrees_with_plain_recursion_over_coins_stages_and_misrouting(
    build_world, settings
):
    world = build_world(seed=3, services=20, days=12)
    data, core = _fitted(world.inputs(edges=_with_coins(world)), settings)
    fleet, physics = data.fleet, core.physics
    assert fleet.misroute > 0
    assert len({call.is_coin for calls in fleet.calls for call in calls}) == 2
    assert max(len({call.stage for call in calls}) for calls in fleet.calls) > 1
    own_ms = own_grid_ms(data.columns, fleet, physics)
    variation = np.random.default_rng(1).uniform(0.3, 2.0, len(fleet.services))
    found = walk_variance(fleet, physics, own_ms, lambda service, _: float(variation[service]))
    by_hand = _ByHand(data, core, own_ms, variation[:, None, None] * own_ms)
    both = np.array([by_hand.calls(*map(int, at)) for at in np.ndindex(*found.shape)])
    assert np.allclose(found.ravel(), both[:, 1], rtol=1e-6, atol=1e-6)
    mean = physics.slopes.calls * physics.waiting_ms
    assert np.allclose(mean.ravel(), both[:, 0], rtol=1e-9)
    assert (found > 0).mean() > 0.4


@pytest.mark.parametrize(("factor", "is_coin"), [(0.3, True), (0.3, False), (1.4, True)])
def test_variance_of_a_call_is_that_of_drawn_requests(factor: float, is_coin: bool):
    rng = np.random.default_rng(4)
    mean, sd = 120.0, 60.0
    log_sd = np.sqrt(np.log1p((sd / mean) ** 2))
    answer = rng.lognormal(np.log(mean) - log_sd**2 / 2, log_sd, 400_000)
    is_made = rng.random(answer.size) < factor
    drawn = is_made * answer if is_coin and factor < 1 else factor * answer
    calls = (Call(0.0, 0, factor, is_coin),)
    found = calls_variance(calls, np.array([factor]), np.full((1, 1), mean), np.full((1, 1), sd**2))
    assert found[0] == pytest.approx(drawn.var(), rel=0.02)


def test_whether_a_call_is_always_made_is_counted_or_else_read_off_its_waits(world):
    edges = world.tables["feat_latency__dependencies"].assign(is_async=False)
    counted = prepare(world.inputs(edges=edges)).fleet
    assert not any(call.is_coin for calls in counted.calls for call in calls)
    traced = prepare(world.inputs(edges=edges.assign(calls_per_request=np.nan))).fleet
    coins = [call for calls in traced.calls for call in calls if call.is_coin]
    assert coins
    assert all(call.factor < 1 for call in coins)


def _drawn_p95(p95: P95Rows, spread_ms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the p95 of requests that are drawn: a caller each, and a lognormal time inside."""
    count = 4000
    inside = p95.inside_ms[:, None]
    log_sd = np.sqrt(np.log1p((spread_ms[:, None] / inside) ** 2))
    time = rng.lognormal(np.log(inside) - log_sd**2 / 2, log_sd, (len(inside), count))
    pick = np.sum(rng.random((len(inside), count, 1)) > np.cumsum(p95.callers.share, 1)[:, None], 2)
    way = np.take_along_axis(
        p95.callers.rtt_ms, np.minimum(pick, p95.callers.rtt_ms.shape[1] - 1), 1
    )
    return np.quantile(p95.trips[:, None] * way + time, 0.95, axis=1)


@pytest.fixture(scope="module")
def known_variations(build_world, settings):
    """A world whose p95 follows from variations drawn for it; nearly without noise of the mean."""
    quiet = replace(build_world(services=8, days=6).truth, noise=0.01, misroute=0.0)
    inputs = build_world(seed=5, services=32, days=40, truth=quiet).inputs()
    # Near callers: next to a way of 200 ms the tail of a few would hardly show.
    inputs = replace(inputs, flows=inputs.flows.assign(rtt_ms=inputs.flows["rtt_ms"] / 20))
    data, core = _fitted(inputs, settings)
    rng = np.random.default_rng(8)
    true = rng.uniform(0.3, 1.6, len(data.fleet.services))
    own_ms = own_grid_ms(data.columns, data.fleet, core.physics)
    by_hand = _ByHand(data, core, own_ms, true[:, None, None] * own_ms)
    rows = rows_of(data, core)
    p95 = p95_rows_of(data, core, rows, predict(core, rows), settings)
    at = zip(p95.service, p95.region, p95.day, strict=True)
    from_calls = np.array([by_hand.calls(int(s), int(r), int(d))[1] for s, r, d in at])
    spread = np.sqrt((true[p95.service] * p95.own_ms) ** 2 + from_calls)
    drawn = _drawn_p95(p95, spread, rng)
    ratio = np.log(drawn / np.exp(np.log(p95.observed_ms) - p95.log_observed_ratio))
    p95 = replace(p95, observed_ms=drawn, log_observed_ratio=ratio)
    return data, core, p95, true, from_calls


def test_known_variations_of_own_work_are_recovered(known_variations):
    data, core, p95, true, from_calls_ms2 = known_variations
    found = fit_variations(data, core.physics, p95, np.arange(len(p95.at))).own
    error = np.abs(np.log(found / true))
    step = float(np.log(VARIATIONS[1] / VARIATIONS[0]))
    mean = np.bincount(p95.service, p95.own_ms**2) / np.bincount(p95.service)
    own = true**2 * mean
    from_calls = np.bincount(p95.service, from_calls_ms2) / np.bincount(p95.service)
    is_leaf = from_calls == 0
    # A caller's own part is told apart from its calls, unless it is lost in their variance.
    shows = ~is_leaf & (own > 0.15 * from_calls)
    assert is_leaf.sum() >= 8
    assert shows.sum() >= 12
    assert error[is_leaf].max() < 2 * step
    assert error[shows].max() < 3 * step
    assert np.median(error[shows | is_leaf]) < step


def test_where_the_form_is_true_candidates_carry_it_and_trees_add_next_to_nothing(
    known_variations, settings, writer
):
    data, _, p95, true, _ = known_variations
    rows = data.inputs.rows.copy()
    rows.loc[rows.index[p95.at], "p95_ms"] = p95.observed_ms
    tables = compute(replace(data.inputs, rows=rows), writer, settings, set())
    table = tables.candidates
    service = np.searchsorted(data.fleet.services.astype(str), table["service_id"].astype(str))
    leaf = table["calls_ms"] == 0
    own_sd_ms = true[service] * (table["internal_ms"] - table["calls_ms"])
    error = np.abs(np.log(table["own_sd_ms"] / own_sd_ms))
    assert leaf.any()
    assert error[leaf].median() < np.log(VARIATIONS[1] / VARIATIONS[0])
    assert np.abs(np.log(table["p95_factor"])).quantile(0.9) < 0.05
    found = tables.metrics[tables.metrics["model_name"] == "latency_p95"]
    error_of = found[(found["metric"] == "mape") & (found["slice"] == "all")]
    assert error_of.set_index("variant")["value"]["physics"] < 0.08


def test_a_service_without_a_p95_varies_like_its_template(known_variations):
    data, core, p95, _, _ = known_variations
    hidden, template = int(data.fleet.calls[-1][0].callee), data.columns.template
    found = fit_variations(data, core.physics, p95, np.flatnonzero(p95.service != hidden)).own
    kin = (template == template[hidden]) & (np.arange(len(template)) != hidden)
    assert found[hidden] == pytest.approx(np.median(found[kin]))


def test_callers_of_services_without_a_p95_allow_for_what_those_are_given(known_variations):
    data, core, p95, _, _ = known_variations
    fleet = data.fleet
    leaf = np.array([not calls for calls in fleet.calls])
    hidden = leaf & (np.cumsum(leaf) > 4)
    train = np.flatnonzero(~hidden[p95.service])
    found = fit_variations(data, core.physics, p95, train)
    own_ms = own_grid_ms(data.columns, fleet, core.physics)
    again = walk_variance(fleet, core.physics, own_ms, lambda s, _: float(found.own[s]))
    assert np.array_equal(again, found.calls_ms2)
    # Whoever calls them has the variation that is best with what is known of them in the end.
    losses = []
    for value in VARIATIONS:
        own = np.full(len(p95.at), value)
        ratio = physics_log_ratio(p95, own, again[p95.service, p95.region, p95.day])
        losses.append(np.abs(p95.log_observed_ratio - ratio))
    for service in np.flatnonzero(~hidden):
        rows = thin(np.flatnonzero(p95.service == service), 60)
        best = np.median(np.array(losses)[:, rows], axis=1).argmin()
        assert found.own[service] == VARIATIONS[best]


def test_history_brings_the_table_of_calls_nearer_to_the_truth_than_traces(build_world, settings):
    world = build_world(seed=11, trace_error=0.15)
    data, core = _fitted(world.inputs(), settings)
    table = call_factors(data.fleet, core.physics)
    ends = zip(table["caller_service_id"], table["callee_service_id"], strict=True)
    true = world.truth.calls * np.array([world.factors[pair] for pair in ends])
    edges = world.tables["feat_latency__dependencies"]
    assert len(table) == int((~edges["is_async"]).sum())
    error = {
        name: np.mean(np.abs(np.log(table[name] / true)))
        for name in ("latency_factor", "traced_factor")
    }
    assert error["latency_factor"] < 0.75 * error["traced_factor"]


def test_what_trees_add_stays_within_a_factor_of_three(known_variations, settings):
    data, _, p95, true, _ = known_variations
    wild = fit_trees(matrix(p95.rows.features, "p95"), np.full(len(p95.at), 4.0), "p95", settings)
    width = np.full(len(true), 0.1)
    found = Percentile(true, np.zeros(data.fleet.active.shape), wild, width, 1.0, None)
    assert found.log_correction(p95.rows) == pytest.approx(np.log(3.0))
    assert found.log_factor(p95) == pytest.approx(found.physics_log_factor(p95) + np.log(3.0))
