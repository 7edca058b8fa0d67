"""The truth obeys the laws that the features and the optimiser assume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from generator.synthetic.demand import user_rates
from generator.synthetic.foundation import Foundation
from generator.synthetic.histogram import BINS, EDGES_MS, mean_ms, quantile, service_histograms
from generator.synthetic.history import History
from generator.synthetic.observe import deploy_drift
from generator.synthetic.physics import (
    Latency,
    Setting,
    compose,
    daily_network_ms,
    waits,
    weighted_daily,
)
from generator.synthetic.queue import erlang_c, wait
from generator.synthetic.routing import make_flows, make_routes
from generator.synthetic.setting import settle
from tests.generator.small_world import DAYS


@pytest.fixture(scope="module")
def setting(base: Foundation, past: History) -> Setting:
    offsets = base.geography.numbers("utc_offset_hours")
    users = user_rates(42, base.services, base.users, offsets, DAYS, base.params)
    by_day = users.reshape(50, 5, DAYS, 24)
    found, _ = settle(base, slice(0, DAYS), by_day, past.rtt_ms, past.active, np.zeros((50, 5)))
    assert (found.instances == past.instances).all()
    return found


@pytest.fixture(scope="module")
def latency(base: Foundation, setting: Setting) -> Latency:
    drift = deploy_drift(42, base.services, DAYS, base.params.latency)
    return compose(setting, waits(setting), drift)


def test_erlang_c_equals_its_recursion() -> None:
    for servers in (1, 2, 7, 40, 128):
        for rho in (0.02, 0.3, 0.7, 0.97):
            a = servers * rho
            blocked = 1.0
            for k in range(1, servers + 1):
                blocked = a * blocked / (k + a * blocked)
            exact = blocked / (1 - rho * (1 - blocked))
            found = float(erlang_c(np.array(float(servers)), np.array(rho)))
            assert found == pytest.approx(exact, rel=1e-10)


def test_wait_rises_strictly_with_load_and_never_passes_the_timeout() -> None:
    load = np.linspace(1, 3000, 600)
    law = wait(load, np.full(600, 4.0), np.full(600, 4.0), np.full(600, 1.7), 2000.0)
    assert (np.diff(law.mean_ms) > 0).all()
    assert law.mean_ms.max() < 2000


def test_more_load_never_makes_anything_faster(
    base: Foundation, setting: Setting, latency: Latency
) -> None:
    busier = replace(
        setting, users=setting.users * 1.5, calls=setting.calls * 1.5, load=setting.load * 1.5
    )
    drift = deploy_drift(42, base.services, DAYS, base.params.latency)
    slower = compose(busier, waits(busier), drift)
    network = daily_network_ms(setting)
    before = weighted_daily(latency.inside_ms, setting.load) + network
    after = weighted_daily(slower.inside_ms, busier.load) + network
    ran = (setting.instances > 0) & (setting.load.sum(axis=3) > 0)
    assert (after[ran] >= before[ran] * (1 - 1e-12)).all()
    busy = ran & (weighted_daily(latency.wait.rho, setting.load) > 0.3)
    assert busy.sum() > 50
    assert (after[busy] > before[busy]).all()
    for s in range(0, 50, 5):
        slow = service_histograms(busier, slower, np.array([s])).requests[0]
        fast = service_histograms(setting, latency, np.array([s])).requests[0]
        level = np.full(ran[s].shape, 0.95)
        ratio = (quantile(slow, level) / quantile(fast, level))[ran[s]]
        assert np.nanmin(ratio) >= 1 / 1.02 - 1e-9


def test_deleting_a_region_never_shortens_the_way_when_routing_is_exact(
    base: Foundation, past: History, setting: Setting
) -> None:
    users = setting.users.transpose(0, 2, 1, 3)
    exact = make_routes(past.active, past.rtt_ms, 0.0)
    flows = make_flows(users, exact, base.services, base.graph, by_origin=False)
    asked = (flows.calls[:, :, :, 0] + setting.users).sum(axis=3)
    way = np.einsum("sdq,sdqr,dqr->s", asked, exact, past.rtt_ms)
    several = past.active.sum(axis=2) >= 2
    for lost in range(5):
        left = past.active.copy()
        left[:, :, lost] &= ~several
        fewer = make_routes(left, past.rtt_ms, 0.0)
        longer = np.einsum("sdq,sdqr,dqr->s", asked, fewer, past.rtt_ms)
        assert (longer >= way * (1 - 1e-12)).all()


def test_routes_send_everybody_somewhere(past: History) -> None:
    routes = make_routes(past.active, past.rtt_ms, 0.04)
    total = routes.sum(axis=3)
    runs = past.active.any(axis=2)
    assert np.allclose(total[runs], 1)
    assert (total[~runs] == 0).all()
    assert (routes[~np.repeat(past.active[:, :, None], 5, axis=2)] == 0).all()


def test_histogram_of_a_service_equals_a_simulation_of_its_requests(
    base: Foundation, setting: Setting, latency: Latency
) -> None:
    # A busy row with one hour kept, so that N, G and W have one law each.
    rho = np.where(setting.load > 0, latency.wait.rho, 0)
    s, d, r, h = np.unravel_index(np.argmin(np.abs(rho - 0.85)), rho.shape)
    only = np.zeros(setting.load.shape[1:])
    only[d, r, h] = 1.0
    found = service_histograms(setting, latency, np.array([s]), kept=only[None]).requests[0, d, r]
    rng = np.random.default_rng(7)
    flow = setting.routes[s, d, :, r] * (setting.users[s, d, :, h] + setting.calls[s, d, :, h])
    place = rng.choice(5, size=400_000, p=flow / flow.sum())
    asked = setting.users[s, d, :, h] + setting.calls[s, d, :, h]
    mile = setting.last_mile_ms * np.divide(
        setting.users[s, d, :, h], asked, out=np.zeros(5), where=asked > 0
    )
    n = (setting.rtt_ms[d, :, r] + mile)[place] * base.services.round_trips[s]
    work = latency.own_ms[s, d] + latency.calls_ms[s, d, r, h]
    log_variance = np.log1p(latency.work_variance_ms2[s, d, r, h] / work**2)
    g = np.exp(rng.normal(np.log(work) - log_variance / 2, np.sqrt(log_variance), n.size))
    law = latency.wait
    waited = rng.random(n.size) < law.chance[s, d, r, h]
    w = np.minimum(rng.exponential(law.scale_ms[s, d, r, h], n.size), 2000) * waited
    simulated = np.histogram(n + g + w, bins=np.r_[0, EDGES_MS, np.inf])[0]
    ours, theirs = np.cumsum(found) / found.sum(), np.cumsum(simulated) / n.size
    assert np.abs(ours - theirs).max() < 0.006
    assert found.shape == (BINS,)


def test_histogram_keeps_the_mean_and_percentiles_are_ordered(past: History) -> None:
    ok = past.active & np.isfinite(past.truth["mu_ms"])
    ratio = past.truth["histogram_mean_ms"][ok] / past.truth["mu_ms"][ok]
    assert np.abs(ratio - 1).max() < 0.02
    p50, p95, p99 = (past.truth[f"p{k}_ms"][ok] for k in (50, 95, 99))
    assert (p50 <= p95).all()
    assert (p95 <= p99).all()
    seen = past.active & np.isfinite(past.seen["p99_latency_ms"])
    assert (past.seen["p95_latency_ms"][seen] <= past.seen["p99_latency_ms"][seen]).all()


def test_utilisation_law_recovers_the_hidden_service_time(
    base: Foundation, past: History, setting: Setting
) -> None:
    load = setting.load
    weighted = (load**2).sum(axis=3) / np.maximum(load.sum(axis=3), 1e-12)
    busy = past.active & (past.seen["cpu"] > 0.02) & (past.seen["cpu"] < 0.9)
    workers = past.instances * base.services.workers[:, None, None]
    found = 1000 * workers * past.seen["cpu"] / np.maximum(weighted, 1e-12)
    per_service = np.array(
        [np.median(found[s][busy[s]]) if busy[s].any() else np.nan for s in range(50)]
    )
    error = np.abs(per_service / base.services.service_ms - 1)
    assert np.nanmedian(error) <= 0.05


def test_served_requests_add_up_to_what_was_offered(past: History) -> None:
    offered = past.offered.reshape(50, 5, DAYS, 24).sum(axis=(1, 3))
    somewhere = past.truth["load_rps"].sum(axis=2) > 0
    assert (past.requests.sum(axis=2)[somewhere] == offered[somewhere]).all()


def test_quantile_reads_a_known_histogram() -> None:
    counts = np.zeros((1, BINS))
    counts[0, 101] = 100.0
    value = quantile(counts, np.array([0.5]))[0]
    assert value == pytest.approx(EDGES_MS[100] * 1.02**0.5)
    assert mean_ms(counts)[0] == pytest.approx(EDGES_MS[100] * 1.02**0.5)
    counts[0] = 0
    counts[0, -1] = 1
    assert np.isnan(quantile(counts, np.array([0.5]))[0])
