"""The distribution of p-values where nothing differs: uniform for ours, not for bad methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.experiment.calibrate import Calibration, calibrate, rate_row
from ml.experiment.plots_curves import rejections
from ml.experiment.rates import LEVELS, rejected_shares, uniform_band
from ml.experiment.tables import rejection_rows


@pytest.fixture(scope="module")
def measured(make_settings: Any) -> list[Calibration]:
    """Rates of every method on the noise world and on one series of days."""
    days = np.exp(4 + np.random.default_rng(5).normal(0, 0.05, 28))
    return calibrate(make_settings(), {"latency_mean": days})


def test_levels_are_counted_as_the_rate_is() -> None:
    """By hand: p at a level counts, p just above does not; 0.15 is 0.15 to the last bit."""
    assert list(LEVELS) == sorted(set(LEVELS))
    assert (LEVELS[0], LEVELS[-1]) == (0.005, 1.0)
    p_values = np.array([0.05, np.nextafter(0.05, 1), 0.15, 3 / 20, 0.2, 1.0])
    found = dict(zip(LEVELS, rejected_shares(p_values), strict=True))
    assert found[0.04] == 0
    assert found[0.05] == pytest.approx(1 / 6)
    assert found[0.15] == pytest.approx(4 / 6)
    assert found[0.95] == pytest.approx(5 / 6)
    assert found[1.0] == 1
    with pytest.raises(ValueError, match="must not be empty"):
        rejected_shares(np.array([]))


def test_the_band_holds_curves_of_uniform_p_values_and_little_more() -> None:
    """Of 2,000 curves of uniform p-values at least 95 % stay inside at all levels at once."""
    drawn = np.random.default_rng(8).random((2000, 400))
    far = uniform_band(400)
    gaps = [np.abs(np.array(rejected_shares(row)) - LEVELS).max() for row in drawn]
    inside = float((np.array(gaps) <= far).mean())
    assert 0.95 <= inside <= 0.995
    # Half the band would not hold them.
    assert (np.array(gaps) <= far / 2).mean() < 0.6


def test_ours_lies_on_the_diagonal_and_bad_methods_above(measured: list[Calibration]) -> None:
    table = pd.DataFrame(rejection_rows(measured))
    assert (table["rejected_lo"] <= table["rejected_share"] + 1e-12).all()
    assert (table["rejected_share"] <= table["rejected_hi"] + 1e-12).all()
    outside = (table["rejected_share"] < table["band_lo"]) | (
        table["rejected_share"] > table["band_hi"]
    )
    flips = table["estimator"] == "sign_flip"
    assert set(table[flips]["source"]) == {"noise_world", "world_daily"}
    assert not outside[flips].any()
    above = table["rejected_share"] > table["band_hi"]
    for name, part in table[table["is_canary"]].groupby("estimator"):
        assert above[part.index][part["nominal_level"].between(0.04, 0.5)].all(), name


def test_a_test_that_halves_its_p_values_leaves_the_band() -> None:
    p_values = np.random.default_rng(2).random(4000)
    label = {"source": "x", "design": "x", "metric": "x", "estimator": "sign_flip"}

    def leaves(p_values: Any) -> bool:
        row = rate_row(p_values, **label, scenario="x", limits=(0.0, 1.0))
        table = pd.DataFrame(rejection_rows([row]))
        return bool((table["rejected_share"] > table["band_hi"]).any())

    assert not leaves(p_values)
    assert leaves(p_values / 2)
    # Three points too often at every level are seen with so many runs.
    assert leaves(np.clip(p_values - 0.03, 1e-4, 1))


def test_a_row_that_measures_something_else_has_no_curve() -> None:
    label = ("noise_world", "switchback", "latency_mean", "sign_flip", "-5 %", 2000)
    row = Calibration(*label, None, None, None, False, "green", coverage=0.95, power=0.6)
    assert rejection_rows([row]) == []


def test_the_picture_shows_the_long_form_where_there_is_one(measured: list[Calibration]) -> None:
    short = pd.DataFrame(rejection_rows(measured))
    picture = rejections({"experiment_rejections": short})
    assert picture is not None
    text = picture.render()
    curves = short.groupby(["source", "metric", "estimator", "scenario"]).ngroups
    # Each curve begins in the corner; beside them the diagonal, the line at 5 % and the axis.
    assert text.count("<line") == curves * len(LEVELS) + 3
    assert text.count("<polygon") == 1
    assert text.count("bad method") == 3
    # A canary at 5 %: its mark stands as high as its share, not as its level.
    worst = short[(short["estimator"] == "service_day_rows_t") & (short["nominal_level"] == 0.05)]
    y = picture.y(100 * float(worst["rejected_share"].iloc[0]))
    assert f'x2="{picture.x(5.0):.4g}" y2="{y:.4g}" stroke="#D55E00"' in text
    one = short[short["estimator"] == "sign_flip"].assign(form="long")
    both = rejections({"experiment_rejections": pd.concat([short, one])})
    alone = rejections({"experiment_rejections": one})
    assert both is not None
    assert alone is not None
    assert both.render() == alone.render()
    assert rejections({"experiment_rejections": short.head(0)}) is None
