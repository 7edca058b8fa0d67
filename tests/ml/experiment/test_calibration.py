"""The harness sees the registered test behave and the bad methods misbehave."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ml.experiment.calibrate import (
    CANARY_LIMITS,
    _two_sample_p,
    band,
    calibrate,
    day_t_p_values,
    naive_peeking,
    rate_row,
)
from ml.experiment.cross_checks import ratio_delta
from ml.experiment.power import power_of
from ml.experiment.rng import generator
from ml.experiment.signflip import sign_flip


def test_short_calibration(make_settings: Any) -> None:
    rows = calibrate(make_settings())
    tests = [r for r in rows if not r.is_canary]
    canaries = {r.estimator: r for r in rows if r.is_canary}
    assert {r.status for r in tests} == {"green"}
    assert set(canaries) == set(CANARY_LIMITS)
    for name, row in canaries.items():
        assert row.status == "red"
        assert row.rate > CANARY_LIMITS[name]
        assert row.lo <= row.rate <= row.hi


@pytest.mark.slow
def test_long_calibration_with_six_metrics(make_settings: Any) -> None:
    """4,000 runs on the noise world and on six daily series: every rate within 4 to 6 %."""
    rng = np.random.default_rng(5)
    daily = {f"m{i}": np.exp(4 + rng.normal(0, 0.05 * (i + 1), 28)) for i in range(6)}
    settings = make_settings(calibration={"runs": 4000, "worlds": 500, "canary_runs": 1000})
    rows = calibrate(settings, daily)
    flips = [r for r in rows if r.estimator == "sign_flip"]
    assert len(flips) == 7
    for row in flips:
        assert 0.04 <= row.rate <= 0.06, row
    assert {r.status for r in rows if r.is_canary} == {"red"}


def test_a_canary_that_is_not_caught_turns_green() -> None:
    """A harness that draws no difference at all must say that it caught nothing."""
    row = rate_row(
        np.full(100, 0.5),
        source="x",
        design="x",
        metric="x",
        estimator="delta_ratio",
        scenario="x",
        limits=None,
    )
    assert row.is_canary
    assert row.status == "green"


def test_a_test_that_rejects_too_often_turns_red() -> None:
    p_values = np.linspace(0, 0.5, 1000)
    row = rate_row(
        p_values,
        source="x",
        design="x",
        metric="x",
        estimator="sign_flip",
        scenario="x",
        limits=band(1000, 14),
    )
    assert row.rate == pytest.approx(0.1, abs=0.01)
    assert row.status == "red"


def test_vectorised_t_tests_equal_scipys() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 1, 9), rng.normal(0.5, 1, 12)
    mine = _two_sample_p(
        np.array([a.sum()]),
        np.array([(a**2).sum()]),
        9,
        np.array([b.sum()]),
        np.array([(b**2).sum()]),
        12,
    )
    assert mine[0] == pytest.approx(stats.ttest_ind(a, b).pvalue, rel=1e-10)
    values, coins = rng.normal(60, 3, 28), rng.random(14) < 0.5
    is_treated = np.empty(28, dtype=bool)
    is_treated[0::2], is_treated[1::2] = coins, ~coins
    expected = stats.ttest_ind(values[is_treated], values[~is_treated]).pvalue
    assert day_t_p_values(values[None], coins[None])[0] == pytest.approx(expected, rel=1e-9)


def test_peeking_takes_the_smallest_p() -> None:
    differences = np.random.default_rng(9).normal(0, 1, 8)
    looks = [stats.ttest_1samp(differences[:n], 0.0).pvalue for n in range(2, 9)]
    assert naive_peeking(differences[None])[0] == pytest.approx(min(looks), rel=1e-9)


# Forty units, every second one treated, and what tea-tasting 2.0.0 says of their ratio of means:
# relative effect and 95 % interval (its p-value tests the absolute difference, ours the log ratio).
NUMERATOR = [
    1858.824,
    456.186,
    1902.249,
    3011.58,
    161.431,
    318.436,
    1618.549,
    854.773,
    1321.97,
    476.876,
    2881.69,
    2884.68,
    756.653,
    3075.879,
    1519.906,
    383.366,
    1460.013,
    658.242,
    2035.906,
    1394.845,
    550.182,
    501.992,
    3910.315,
    1120.306,
    884.536,
    978.362,
    1681.928,
    1375.712,
    2143.346,
    1593.088,
    6367.359,
    519.894,
    498.648,
    564.209,
    2119.03,
    4171.859,
    860.792,
    496.424,
    580.114,
    1915.581,
]
DENOMINATOR = [
    27.241,
    7.099,
    42.54,
    51.448,
    2.855,
    5.462,
    22.825,
    14.64,
    19.751,
    8.559,
    48.395,
    43.719,
    21.457,
    62.007,
    32.057,
    8.505,
    29.042,
    7.699,
    48.349,
    19.107,
    16.695,
    10.166,
    68.207,
    17.21,
    13.088,
    14.124,
    34.203,
    28.946,
    30.348,
    30.902,
    170.997,
    13.378,
    12.034,
    8.902,
    37.188,
    62.114,
    17.922,
    8.67,
    8.807,
    38.497,
]
TEA_TASTING = (0.1630941428150965, -0.02514762394332637, 0.38768496469473535)


def test_delta_method_equals_tea_tasting() -> None:
    is_treated = np.arange(40) % 2 == 1
    gap, error, freedom = ratio_delta(np.array(NUMERATOR), np.array(DENOMINATOR), is_treated)
    half = float(stats.t.ppf(0.975, freedom)) * error
    found = [math.expm1(value) for value in (gap, gap - half, gap + half)]
    assert found == pytest.approx(TEA_TASTING, abs=1e-9)


def test_power_grows_with_effect_and_length() -> None:
    values = np.exp(4 + np.random.default_rng(2).normal(0, 0.05, 28))

    def power(days: int, effect: float) -> float:
        found = power_of(
            "latency_mean",
            values,
            days=days,
            alpha=0.05,
            draws=300,
            effect=effect,
            rng=generator("power", days),
        )
        assert found.power_at is not None
        return found.power_at

    assert power(28, 0.01) < power(28, 0.05) <= power(28, 0.2)
    assert power(14, 0.04) < power(56, 0.04)


def test_smallest_detectable_effect_is_found_eight_times_in_ten() -> None:
    """Adding the stated effect and running the registered test again finds it 80 % of the time."""
    rng = np.random.default_rng(4)
    values = np.exp(4 + rng.normal(0, 0.05, 28))
    found = power_of(
        "m", values, days=28, alpha=0.05, draws=400, effect=None, rng=generator("mde", 1)
    )
    assert found.mde80 is not None
    logs = np.log(values)
    gaps = logs[0::2] - logs[1::2]
    hits = 0
    for _ in range(400):
        starts = rng.choice([0, 7, 14], 2)
        window = np.concatenate([logs[s : s + 14] for s in starts])
        gaps = window[0::2] - window[1::2]
        signs = rng.choice((-1.0, 1.0), 14)
        hits += sign_flip(signs * gaps + math.log1p(-found.mde80)).p_value <= 0.05
    assert 0.74 <= hits / 400 <= 0.86


def test_flat_or_missing_history_gives_no_power() -> None:
    found = power_of(
        "m",
        np.array([np.nan] * 8),
        days=28,
        alpha=0.05,
        draws=100,
        effect=0.05,
        rng=generator("x"),
    )
    assert found.mde80 is None
    assert found.power_at is None


def test_ratio_delta_by_hand() -> None:
    """With equal denominators the ratio is a mean and the delta method is the usual error."""
    top = np.array([10.0, 12.0, 11.0, 20.0, 22.0, 24.0])
    bottom = np.ones(6)
    is_treated = np.array([True, True, True, False, False, False])
    gap, error, _ = ratio_delta(top, bottom, is_treated)
    assert gap == pytest.approx(math.log(11 / 22))
    assert error == pytest.approx(math.sqrt(1 / (3 * 11**2) + 4 / (3 * 22**2)))
