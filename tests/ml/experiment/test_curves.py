"""The effect at every percentile, and what became of every request."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.experiment import run
from ml.experiment.histogram import quantile, quantiles
from ml.experiment.metrics import CURVE
from ml.experiment.plots_curves import blocks, coverage, demand, designs, quantile_curve


def _read(lab: Any, name: str) -> pd.DataFrame:
    return lab.writer.read(name)


def test_many_quantiles_are_each_the_one() -> None:
    rng = np.random.default_rng(4)
    edges = np.concatenate([[0.0], 0.5 * 1.02 ** np.arange(591), [np.inf]])
    for counts in (rng.poisson(3, 592), np.eye(592)[40] * 7, np.eye(592)[0], np.eye(592)[591]):
        each = [quantile(counts, edges, float(q)) for q in CURVE]
        assert quantiles(counts, edges, CURVE) == pytest.approx(each, nan_ok=True)
    assert np.isnan(quantiles(np.zeros(592), edges, CURVE)).all()
    # By hand: 100 requests, half in [1, 2), half in [2, 4).
    coarse = np.array([0.0, 1.0, 2.0, 4.0, np.inf])
    found = quantiles(np.array([0, 50, 50, 0]), coarse, np.array([0.25, 0.5, 0.75]))
    assert found == pytest.approx([2**0.5, 2.0, 8**0.5])


@pytest.fixture(scope="module")
def slowed(tmp_path_factory: pytest.TempPathFactory, new_lab: Any, make_settings: Any) -> Any:
    """An experiment in which every request of the treatment is a tenth faster."""
    lab = new_lab(tmp_path_factory.mktemp("curves"))
    run(lab.features, lab.writer, lab.world(latency_factor=0.9), make_settings())
    return lab


@pytest.fixture(scope="module")
def shed(tmp_path_factory: pytest.TempPathFactory, new_lab: Any, make_settings: Any) -> Any:
    """The same, bought by not answering two requests in a hundred."""
    lab = new_lab(tmp_path_factory.mktemp("shed"))
    run(lab.features, lab.writer, lab.world(latency_factor=0.9, shed_share=0.02), make_settings())
    return lab


def test_the_curve_is_the_planted_factor_at_every_percentile(slowed: Any) -> None:
    rows = _read(slowed, "experiment_quantiles")
    assert set(rows["mode"]) == {"twin", "switchback"}
    for mode, curve in rows.groupby("mode"):
        assert len(curve) == CURVE.size
        assert curve.sort_values("quantile_share")["control_ms"].is_monotonic_increasing
        # The last point lies among what is never answered, the same in both arms.
        told = curve[curve["quantile_share"] < 0.999]
        assert (told["rel_lo"] <= told["rel_effect"]).all()
        assert (told["rel_effect"] <= told["rel_hi"]).all()
        if mode == "twin":
            assert told["rel_effect"].to_numpy() == pytest.approx(-0.1, abs=0.004)
        else:
            held = (told["rel_lo"] <= -0.1) & (told["rel_hi"] >= -0.1)
            assert held.mean() > 0.8


def test_not_answering_shows_in_the_tail(shed: Any) -> None:
    """The time-out of two in a hundred: faster below, a wall above."""
    twin = _read(shed, "experiment_quantiles").query("mode == 'twin'")
    twin = twin.set_index(twin["quantile_share"].round(3))["rel_effect"]
    assert twin[0.5] < -0.05
    assert twin[0.99] > 1


def test_the_curve_goes_through_the_registered_p95(slowed: Any) -> None:
    """At p95 the switchback's band is the interval of the registered test, to the last digit."""
    results = _read(slowed, "experiment_results")
    curve = _read(slowed, "experiment_quantiles")
    for mode in ("twin", "switchback"):
        one = results[(results["metric"] == "latency_p95") & (results["mode"] == mode)]
        one = one[one["role"] == "success"].iloc[0]
        at = curve[(curve["mode"] == mode) & np.isclose(curve["quantile_share"], 0.95)].iloc[0]
        assert at["control_ms"] == pytest.approx(one["control"], rel=1e-9)
        assert at["rel_effect"] == pytest.approx(one["rel_effect"], rel=1e-9)
        if mode == "switchback":
            assert at["rel_lo"] == pytest.approx(one["rel_lo"], rel=1e-9)
            assert at["rel_hi"] == pytest.approx(one["rel_hi"], rel=1e-9)


def test_every_request_is_in_the_bar(shed: Any) -> None:
    rows = _read(shed, "experiment_demand")
    for arm, part in rows.groupby("arm"):
        assert set(part["outcome"]) == {"served", "errored", "dropped"}
        assert part["requests"].sum() == part["offered_requests"].iloc[0]
        assert part["offered_share"].sum() == pytest.approx(1.0, abs=1e-12)
        dropped = part.set_index("outcome").loc["dropped", "offered_share"]
        assert dropped == pytest.approx(0.02 if arm == "treatment" else 0.0, abs=2e-3)
    assert rows["offered_requests"].nunique() == 1


def test_a_red_gate_leaves_no_curve(lab: Any, settings: Any) -> None:
    run(lab.features, lab.writer, lab.world(lost_requests=1), settings)
    assert _read(lab, "experiment_quantiles").empty


def test_pictures_show_all_of_the_demand_and_both_curves(shed: Any) -> None:
    tables = {name: _read(shed, name) for name in ("experiment_demand", "experiment_quantiles")}
    bars = demand(tables)
    assert bars is not None
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="14"', bars.render())]
    whole = bars.x(100.0) - bars.x(0.0)
    # The control drops nothing: two pieces; the treatment three. Either bar is all of the demand.
    assert len(widths) == 5
    assert sum(widths) == pytest.approx(2 * whole, rel=0.01)
    curve = quantile_curve(tables)
    assert curve is not None
    assert curve.render().count("<polygon") == 2
    assert demand({"experiment_demand": tables["experiment_demand"].head(0)}) is None


def test_every_block_is_drawn_as_it_is_tested(slowed: Any) -> None:
    """The dots are the differences that the test is told, the band its interval."""
    tables = {name: _read(slowed, name) for name in ("experiment_units", "experiment_results")}
    picture = blocks(tables)
    assert picture is not None
    text = picture.render()
    assert text.count("<circle") == 14
    assert text.count("<polygon") == 1
    units = tables["experiment_units"].query("metric == 'latency_mean' and block_id == 3")
    arms = units.set_index("arm")["value"]
    y = picture.y(100 * (arms["treatment"] / arms["control"] - 1))
    assert f'cx="{picture.x(4):.4g}" cy="{y:.4g}"' in text
    # What a covariate takes off a day is taken off here too.
    shifted = tables["experiment_units"].assign(
        covariate=np.where(tables["experiment_units"]["arm"] == "treatment", 0.1, 0.0)
    )
    moved = blocks(tables | {"experiment_units": shifted})
    assert moved is not None
    assert moved.render() != text
    assert blocks(tables | {"experiment_units": shifted.head(0)}) is None


def test_designs_are_drawn_against_the_twin(shed: Any) -> None:
    results = _read(shed, "experiment_results")
    picture = designs({"experiment_results": results})
    assert picture is not None
    assert list(picture.rows) == ["switchback", "twin"]
    biased = results.assign(
        status=results["status"].where(results["mode"] != "switchback", "biased_by_interference")
    )
    named = designs({"experiment_results": biased})
    assert named is not None
    assert list(named.rows) == ["switchback, biased", "twin"]
    assert designs({"experiment_results": results[results["mode"] != "twin"]}) is None


def test_coverage_is_drawn_where_it_was_measured() -> None:
    rows = pd.DataFrame(
        {
            "design": ["switchback", "switchback", "cluster_switchback"],
            "scenario": ["-5 %, none", "A/A", "-5 %, cap"],
            "coverage": [0.95, None, 0.5],
            "coverage_lo": [0.94, None, 0.46],
            "coverage_hi": [0.96, None, 0.54],
            "status": ["green", "green", "red"],
        }
    )
    picture = coverage({"experiment_calibration": rows})
    assert picture is not None
    assert list(picture.rows) == ["-5 %, cap, cluster_switchback", "-5 %, none, switchback"]
    text = picture.render()
    assert text.count("<circle") == 1
    assert text.count('width="8" height="8"') == 1
    assert coverage({"experiment_calibration": rows[rows["coverage"].isna()]}) is None
