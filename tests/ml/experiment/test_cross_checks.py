"""Other estimators beside the registered test: right on many units, refused on few."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ml.experiment import run
from ml.experiment.cross_checks import (
    MIN_UNITS,
    cross_checks,
    cuped,
    effective_units,
    ratio_delta,
)


def test_effective_units_by_hand() -> None:
    assert effective_units(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    assert effective_units(np.full(150, 7.0)) == pytest.approx(150)
    assert effective_units(np.zeros(3)) == 0.0


def test_cuped_is_welchs_test_on_what_the_past_leaves() -> None:
    rng = np.random.default_rng(3)
    before = rng.normal(4, 0.5, 60)
    values = 0.8 * before + rng.normal(0, 0.2, 60)
    is_treated = rng.permutation(60) < 25
    theta = np.polyfit(before, values, 1)[0]
    left = values - theta * before
    expected = stats.ttest_ind(left[is_treated], left[~is_treated], equal_var=False)
    gap, error, freedom = cuped(values, before, is_treated)
    assert gap / error == pytest.approx(expected.statistic, rel=1e-9)
    assert freedom == pytest.approx(expected.df, rel=1e-9)
    # It cannot do worse than nothing where the past says nothing.
    plain = cuped(values, np.ones(60), is_treated)
    assert plain[0] == pytest.approx(values[is_treated].mean() - values[~is_treated].mean())
    assert error < 0.7 * plain[1]


def test_few_units_are_refused_and_many_are_told() -> None:
    rng = np.random.default_rng(4)

    def both(bottom: Any, before: Any = None) -> Any:
        top = bottom * 60 * rng.lognormal(0, 0.1, bottom.size)
        given = np.zeros(bottom.size) if before is None else before
        return cross_checks(top, bottom, given, np.arange(bottom.size) % 2 == 0, 0.05)

    for bottom in (np.full(99, 5.0), rng.lognormal(0, 2.0, 600)):
        found = both(bottom)
        assert [c.name for c in found] == ["delta_method", "cuped"]
        assert all(c.effective_units < MIN_UNITS for c in found)
        assert all(c.estimate is c.lo is c.hi is None for c in found)
    for check in both(np.full(100, 5.0)):
        assert check.units == check.effective_units == 100
        assert check.lo < check.estimate < check.hi
    # A unit whose past is unknown: the ratio needs none, CUPED is refused.
    delta, other = both(np.full(120, 5.0), np.full(120, math.nan))
    assert delta.estimate is not None
    assert other.estimate is None


def _false_alarms(sigma: float, runs: int = 1500, units: int = 150) -> tuple[float, float, float]:
    """Rates of both at 5 % where nothing differs, and the mean number of effective units."""
    rng = np.random.default_rng(12)
    delta, second, effective = 0, 0, 0.0
    for _ in range(runs):
        bottom = rng.lognormal(0, sigma, units)
        level = rng.normal(4, 0.3, units)
        logs = level + rng.normal(0, 0.1, units)
        treated = rng.permutation(units) < units // 2
        gap, error, freedom = ratio_delta(bottom * np.exp(logs), bottom, treated)
        delta += 2 * stats.t.sf(abs(gap) / error, freedom) <= 0.05
        gap, error, freedom = cuped(logs, level, treated)
        second += 2 * stats.t.sf(abs(gap) / error, freedom) <= 0.05
        effective += effective_units(bottom)
    return delta / runs, second / runs, effective / runs


def test_the_limit_stands_where_false_alarms_rise() -> None:
    """As many as the level says at 117 effective units of 150; too many at a dozen."""
    right, wrong = _false_alarms(0.5), _false_alarms(2.0)
    assert right[2] > MIN_UNITS > wrong[2]
    error = math.sqrt(0.05 * 0.95 / 1500)
    assert abs(right[0] - 0.05) < 3 * error
    assert abs(right[1] - 0.05) < 3 * error
    assert wrong[0] > 0.10


def test_days_of_one_fleet_are_too_few(lab: Any, settings: Any) -> None:
    """They are never a p-value, never judged, and say how few they are."""
    run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    rows = lab.writer.read("experiment_results")
    found = rows[rows["segment"] == "cross_check"]
    assert sorted(zip(found["metric"], found["segment_value"], strict=True)) == [
        ("cost_per_1m", "cuped"),
        ("cost_per_1m", "delta_method"),
        ("latency_mean", "cuped"),
        ("latency_mean", "delta_method"),
    ]
    assert set(found["mode"]) == {"switchback"}
    assert set(found["role"]) == {"diagnostic"}
    assert set(found["status"]) == {"insufficient"}
    assert found["effective_units"].between(27, 28).all()
    assert found["reason"].str.contains("at least 100 needed").all()
    assert found[["rel_effect", "rel_lo", "rel_hi", "p_value", "p_adjusted"]].isna().all().all()
    assert rows[rows["segment"] != "cross_check"]["effective_units"].isna().all()
