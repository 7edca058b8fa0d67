"""The p95 that plans are judged by: a lognormal inside, with a variance that follows the calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import lognorm

from ml.placement.fleet.fleet import describe_today, evaluate_fleet
from ml.placement.problem.instance import Edges, Instance
from ml.placement.problem.slots import in_time
from ml.placement.problem.tail import inside_p95, log_sd, share_within
from ml.placement.search.solve import space_of
from tests.ml.placement.builder import build_instance

_some = st.floats(0.01, 1e4)


@given(_some, st.floats(0.0, 3.0))
def test_it_is_the_quantile_of_a_lognormal_with_these_moments(mean: float, ratio: float) -> None:
    found = float(inside_p95(np.array(mean), np.array((ratio * mean) ** 2)))
    sd = np.sqrt(np.log1p(ratio**2))
    wanted = lognorm(sd, scale=mean * np.exp(-(sd**2) / 2)).ppf(0.95) if sd > 0 else mean
    assert found == pytest.approx(wanted, rel=1e-9)


@settings(max_examples=300)
@given(_some, _some, st.floats(1.0, 5.0), st.floats(1.0, 5.0))
def test_neither_more_time_nor_more_variance_lowers_it(
    mean: float, variance: float, longer: float, wider: float
) -> None:
    at = float(inside_p95(np.array(mean), np.array(variance)))
    assert float(inside_p95(np.array(mean * longer), np.array(variance))) >= at * (1 - 1e-12)
    assert float(inside_p95(np.array(mean), np.array(variance * wider))) >= at * (1 - 1e-12)


def test_of_nothing_and_of_the_unknown() -> None:
    mean, variance = np.array([0.0, 7.0]), np.array([4.0, np.nan])
    assert inside_p95(mean, variance).tolist() == [0.0, 7.0]


@given(_some, st.floats(0.05, 1.5), st.floats(0.1, 10.0))
def test_the_share_within_a_limit_is_that_of_the_lognormal(
    mean: float, ratio: float, times: float
) -> None:
    at, variance = np.array(mean), np.array((ratio * mean) ** 2)
    found = float(share_within(at * times, at, log_sd(at, variance)))
    sd = np.sqrt(np.log1p(ratio**2))
    wanted = lognorm(sd, scale=mean * np.exp(-(sd**2) / 2)).cdf(mean * times)
    assert found == pytest.approx(wanted, abs=1e-12)


def test_within_its_p95_are_nineteen_of_twenty() -> None:
    mean, variance = np.array([3.0, 40.0]), np.array([4.0, 9.0])
    at = share_within(inside_p95(mean, variance), mean, log_sd(mean, variance))
    np.testing.assert_allclose(at, 0.95, rtol=1e-12)


def test_the_way_of_a_far_client_is_not_multiplied() -> None:
    one = build_instance(6, 3, 1, hours=2, calls=False)
    s, r = 0, 0
    parts = one.latency
    inside = float(
        inside_p95(parts.own_ms[s, r, 0], parts.own_variance[s, r, 0])
        * (parts.factor * parts.p95_hi)[s, r, 0]
    )
    way = one.rtt_ms[:, r] * (parts.network_weight * parts.factor * parts.p95_hi)[s, r, 0]
    far = int(np.argmax(way))
    nothing = np.zeros((1, 3))
    stated = one.slo_stated_ms.copy()
    stated[s] = inside + way[far]
    found = in_time(replace(one, slo_stated_ms=stated), np.array([s]), nothing, nothing)
    assert found[0, far, r, 0] == pytest.approx(0.95, rel=1e-9)
    assert (found[0, way < way[far], r, 0] > 0.95).all()


def _chain() -> Instance:
    """A caller that always makes one call, and in three of ten requests another one, after it."""
    one = build_instance(3, 2, 2, hours=2, calls=False)
    edges = Edges(
        caller=np.array([0, 0]),
        callee=np.array([1, 2]),
        calls=np.array([1.0, 0.3]),
        factor=np.array([1.2, 0.3]),
        stage=np.array([0, 1]),
        is_async=np.array([False, False]),
        request_kb=np.ones(2),
        response_kb=np.ones(2),
    )
    astray = np.full_like(one.misroute, 0.1)
    return replace(one, edges=edges, misroute=astray, is_fixed=np.zeros(3, dtype=bool))


def test_mean_and_variance_of_answers_are_those_of_drawn_requests() -> None:
    one = _chain()
    space = space_of(one)
    chosen = np.array([space.index[(0,)], space.index[(0, 1)], space.index[(0, 1)]])
    today, _ = describe_today(one, space)
    fleet = evaluate_fleet(one, space, chosen, today)
    rng, n = np.random.default_rng(7), 400_000
    parts, rtt = one.latency, one.rtt_ms[one.n_origins :]

    def own(s: int, r: np.ndarray) -> np.ndarray:
        """Draw own times of requests served in ``r``: gamma, for only two moments count."""
        b = fleet.assessed.bucket[s, 0][r]
        mean, variance = parts.own_ms[s, r, b], parts.own_variance[s, r, b]
        return rng.gamma(mean**2 / variance, variance / mean)

    def answer(s: int, q: int, inside: np.ndarray | None = None) -> np.ndarray:
        regions = np.array(space.sets[chosen[s]])
        share = space.share[space.slot_row[chosen[s]]][: len(regions), one.n_origins + q]
        k = rng.choice(len(regions), n, p=share / share.sum())
        r = regions[k]
        b = fleet.assessed.bucket[s, 0][k]
        took = own(s, r) if inside is None else inside
        weight, factor = parts.network_weight[s, r, b], parts.factor[s, r, b]
        return factor * (weight * rtt[q, r] + took)

    home = np.zeros(n, dtype=np.int64)
    called = answer(1, 0)
    # A factor above one is more waiting for the same answer; the coin is tossed anew each time.
    waits = 1.2 * called + np.where(rng.random(n) < 0.3, answer(2, 0), 0.0)
    held = fleet.clients
    assert held.dependency_ms[0, 0] == pytest.approx(waits.mean(), rel=0.01)
    assert held.dependency_variance[0, 0] == pytest.approx(waits.var(), rel=0.02)
    for q in range(2):
        drawn = answer(0, q, own(0, home) + waits)
        assert fleet.answer_ms[0, q] == pytest.approx(drawn.mean(), rel=0.01)
        assert fleet.answer_variance[0, q] == pytest.approx(drawn.var(), rel=0.02)


def test_without_a_variance_the_p95_is_a_multiple_of_the_mean() -> None:
    one, s, nothing = build_instance(4, 2, 3, hours=2, calls=False), 1, np.zeros((1, 2))
    parts = one.latency
    bound = (parts.network_weight[s] * one.rtt_ms[:, :, None] + parts.own_ms[s]) * (
        parts.factor[s] * parts.p95_hi[s]
    )
    blind = replace(
        one,
        latency=replace(parts, own_variance=np.full_like(parts.own_variance, np.nan)),
        slo_stated_ms=np.full(4, np.median(bound)),
    )
    found = in_time(blind, np.array([s]), nothing, nothing)[0]
    assert np.array_equal(found == 1.0, bound <= np.median(bound))
    assert 0 < found.mean() < 1
