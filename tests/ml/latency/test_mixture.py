"""The p95 over near and far callers, against drawn requests."""

from __future__ import annotations

import numpy as np
import pytest

from ml.latency.mixture import Callers, callers_of, mixture_p95, single_caller_p95, skew


def test_mixture_agrees_with_drawn_requests():
    rng = np.random.default_rng(1)
    rtt, share, inside, variation = np.array([5.0, 80.0, 200.0]), [0.7, 0.24, 0.06], 30.0, 0.8
    sigma = float(skew(np.array([variation]))[0])
    way = rng.choice(rtt, size=400_000, p=share)
    drawn = way + rng.lognormal(np.log(inside) - sigma**2 / 2, sigma, way.size)
    callers = Callers(rtt[None], np.array([share]))
    found = mixture_p95(callers, np.ones(1), np.array([inside]), np.array([variation]))
    assert found[0] == pytest.approx(np.quantile(drawn, 0.95), rel=0.01)


def test_one_caller_needs_no_mixture():
    callers = Callers(np.array([[40.0, 0.0]]), np.array([[1.0, 0.0]]))
    inside, variation = np.array([25.0]), np.array([1.2])
    found = mixture_p95(callers, np.array([2.0]), inside, variation)
    assert found == pytest.approx(single_caller_p95(np.array([80.0]), inside, variation), rel=1e-5)


def test_more_variance_never_means_a_lower_p95():
    variation = np.geomspace(0.05, 50.0, 60)
    callers = Callers(np.tile([5.0, 80.0], (60, 1)), np.tile([0.8, 0.2], (60, 1)))
    inside = np.full(60, 30.0)
    one = single_caller_p95(np.full(60, 80.0), inside, variation)
    assert (np.diff(one) >= 0).all()
    assert one[-1] == pytest.approx(80.0 + 30.0 * np.exp(1.6448536**2 / 2))
    # Beyond what anybody sees the mixture could fall too: its lognormals stay at the same width.
    both = mixture_p95(callers, np.ones(60), inside, variation)
    assert (both[variation > 4] == both[-1]).all()


def test_callers_are_padded_and_rows_without_any_stay_defined():
    row = np.array([0, 0, 2, 3])
    callers = callers_of(row, np.array([1.0, 3.0, 2.0, 1.0]), np.arange(4.0), np.array([0, 1, 2]))
    assert callers.share.tolist() == [[0.25, 0.75], [1.0, 0.0], [1.0, 0.0]]
    assert callers.rtt_ms.tolist() == [[0.0, 1.0], [0.0, 0.0], [2.0, 0.0]]
