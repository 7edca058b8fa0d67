"""A covariate makes the switchback narrower where demand tells something, and never wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ml.experiment import run
from ml.experiment.calibrate_covariate import long_rows, pair_runs, short_rows
from ml.experiment.calibrate_long import Measured
from ml.experiment.config import SettingsError
from ml.experiment.covariate import fit, fit_gamma
from ml.experiment.grid import Sizes
from ml.experiment.metrics import Arm, Cut, daily_values, reduce_outcomes, total_value
from ml.experiment.monitor import monitor
from ml.experiment.noise_world import NoiseWorld
from ml.experiment.plans import consecutive
from ml.experiment.registry import config_hash
from ml.experiment.rng import generator
from ml.experiment.signflip import sign_flip
from ml.experiment.switchback import adjusted, analyze, design, observed, shifts
from tests.ml.experiment.conftest import FIRST

ON = {"covariate": "demand"}
BEFORE = consecutive(FIRST + timedelta(days=14), 28)
AFTER = consecutive(FIRST + timedelta(days=42), 28)


def _arm(lab: Any, days: Any, kind: str = "current", **knobs: Any) -> Arm:
    knobs = {"day_noise": 0.0, "replication_noise": 0.0, **knobs}
    return reduce_outcomes(lab.world(**knobs).run(lab.placements(kind), list(days)))


def test_gamma_is_the_slope_of_block_differences() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(0, 1, (3, 14))
    assert fit_gamma(1.7 * predicted, predicted) == pytest.approx([1.7] * 3)
    # Which day came first does not matter: the slope goes through 0.
    gaps, signs = rng.normal(0, 1, 14), rng.choice((-1.0, 1.0), 14)
    assert fit_gamma(signs * gaps, signs * predicted[0]) == pytest.approx(
        fit_gamma(gaps, predicted[0])
    )
    assert fit_gamma(gaps, np.zeros(14)) == 0.0


def test_a_world_that_demand_rules_is_explained(lab: Any) -> None:
    """Each service has one latency: the fleet's mean then follows from who asked for what."""
    before, after = _arm(lab, BEFORE), _arm(lab, AFTER)
    # Errors are whole requests at the time-out: of latency a little stays that demand is not told.
    for metric, least, left in (("latency_mean", 0.8, 0.5), ("cost_per_1m", 0.9999, 0.01)):
        found = fit(before, metric)
        assert found is not None
        assert least < found.explained_share < 1
        assert found.gamma == pytest.approx(1.0, abs=0.15)
        logs = np.log(daily_values(after, metric, warm=True))
        assert (logs - found.of(after, AFTER)).std() < left * logs.std()
        # Only how days differ is taken off, not the level of all of them.
        assert found.of(after, AFTER).mean() == pytest.approx(0.0, abs=1e-12)
    assert fit(before, "latency_p95") is None
    assert fit(_arm(lab, BEFORE[:6]), "latency_mean") is None


def test_what_does_not_help_is_not_taken_off(lab: Any) -> None:
    """Days that differ by chance alone: a slope fitted to them fails on the other half."""
    found = fit(_arm(lab, BEFORE, day_noise=0.5), "latency_mean")
    assert found is not None
    assert found.explained_share <= 0
    assert found.gamma == 0.0
    after = _arm(lab, AFTER, day_noise=0.5)
    assert (found.of(after, AFTER) == 0).all()
    assert (found.before == daily_values(_arm(lab, BEFORE, day_noise=0.5), "latency_mean",
                                         warm=True)).all()  # fmt: skip


def test_a_covariate_that_saw_the_evaluation_is_refused(lab: Any, settings: Any) -> None:
    """Fitted on the days it would adjust, or on one of them, it cannot be used at all."""
    control, treatment = _arm(lab, AFTER), _arm(lab, AFTER, "recommended")
    for days in (AFTER, [*BEFORE[1:], AFTER[0]]):
        late = fit(_arm(lab, days), "latency_mean")
        assert late is not None
        plan = design(settings, AFTER, {"latency_mean": late})
        with pytest.raises(ValueError, match="may not know an outcome"):
            analyze(settings, plan, control, treatment, "latency_mean")
    honest = fit(_arm(lab, BEFORE), "latency_mean")
    assert honest is not None
    assert analyze(
        settings, design(settings, AFTER, {"latency_mean": honest}), control, treatment,
        "latency_mean",
    ).test  # fmt: skip


def test_no_outcome_of_the_evaluation_moves_it(lab: Any, settings: Any) -> None:
    """It reads demand alone: any latency, error or shed request leaves it to the last bit."""
    found = fit(_arm(lab, BEFORE), "latency_mean")
    assert found is not None
    plan = design(settings, AFTER, {"latency_mean": found})
    calm = shifts(plan, _arm(lab, AFTER), "latency_mean")
    wild = _arm(lab, AFTER, "recommended", latency_factor=3.0, error_share=0.1, shed_share=0.2)
    assert (shifts(plan, wild, "latency_mean") == calm).all()
    assert calm.std() > 0
    # A part of the fleet has no covariate of its own.
    half = Cut(services=np.arange(12) < 6)
    assert (shifts(plan, wild, "latency_mean", half) == 0).all()


def test_the_estimate_stays_and_the_interval_shrinks(lab: Any, settings: Any) -> None:
    control, treatment = _arm(lab, AFTER), _arm(lab, AFTER, "recommended", latency_factor=0.9)
    found = fit(_arm(lab, BEFORE), "latency_mean")
    assert found is not None
    bare = design(settings, AFTER)
    plan = replace(bare, covariates={"latency_mean": found})
    without, with_it = (
        analyze(settings, p, control, treatment, "latency_mean").test for p in (bare, plan)
    )
    assert without is not None
    assert with_it is not None
    truth = math.log(
        total_value(treatment, "latency_mean", warm=True)
        / total_value(control, "latency_mean", warm=True)
    )
    widths = []
    for test in (without, with_it):
        assert test.lo is not None
        assert test.hi is not None
        assert test.estimate == pytest.approx(truth, abs=1e-3)
        widths.append(test.hi - test.lo)
    assert widths[1] < 0.6 * widths[0]
    raw, _ = observed(plan, control, treatment, "latency_mean")
    less, _ = adjusted(plan, control, treatment, "latency_mean")
    assert not np.allclose(raw, less)
    assert (adjusted(bare, control, treatment, "latency_mean")[0] == raw).all()


def _coverage(found: Measured) -> float:
    return float(((found.ends[:, 0] <= found.truth) & (found.truth <= found.ends[:, 1])).mean())


def _size(found: Measured) -> float:
    return float((found.p_values <= 0.05).mean())


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_size_and_coverage_hold_whatever_it_explains(share: float) -> None:
    """3,000 A/A runs: 5 % within three standard errors; 1,000 runs at -5 %: coverage as well."""
    null = pair_runs(NoiseWorld(), share, 3000, 28, generator("covariate null", share))
    assert abs(_size(null.with_it) - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 3000)
    real = pair_runs(NoiseWorld(effect=-0.05), share, 1000, 28, generator("covariate", share))
    assert abs(_coverage(real.with_it) - 0.95) < 3 * math.sqrt(0.05 * 0.95 / 1000)
    gain = _size(real.with_it) - _size(real.without)
    bias = float((real.with_it.estimates - real.with_it.truth).mean())
    assert abs(bias) < 0.003
    # A useless one costs a little; a good one finds what was out of reach.
    low, high = {0.0: (-0.10, 0.01), 0.4: (0.08, 0.30), 0.9: (0.3, 0.6)}[share]
    assert low < gain < high


def test_off_is_as_if_it_did_not_exist(make_settings: Any) -> None:
    off, on = make_settings(), make_settings(switchback=ON)
    assert "covariate" not in off.model_dump(mode="json")["switchback"]
    assert on.model_dump(mode="json")["switchback"]["covariate"] == "demand"
    assert config_hash(off) == config_hash(make_settings(switchback={"covariate": None}))
    assert config_hash(off) != config_hash(on)
    assert short_rows(off) == long_rows(off, Sizes()) == []
    with pytest.raises(SettingsError, match="covariate"):
        make_settings(switchback={"covariate": "weekday"})


def test_its_calibration_is_judged_like_the_tests(make_settings: Any) -> None:
    settings = make_settings(switchback=ON)
    days = np.exp(4 + np.random.default_rng(5).normal(0, 0.05, 28))
    rows = short_rows(settings, {"latency_mean": days, "cost_per_1m": days[:8]})
    assert [(r.source, r.metric) for r in rows] == [
        ("noise_world", "latency_mean"),
        ("world_daily", "latency_mean"),
    ]
    assert {r.status for r in rows} == {"green"}
    small = long_rows(settings, Sizes().shrunk(0.02))
    assert len(small) == 8
    assert {r.estimator for r in small} == {"sign_flip", "sign_flip_covariate"}
    assert all(r.coverage is not None and r.coverage > 0.8 for r in small)
    # None of them may be taken for a row that a goal of the plain test is read from.
    assert not any(r.scenario.startswith(("A/A", "-")) for r in small)


def test_a_registered_covariate_is_told_in_every_table(lab: Any, make_settings: Any) -> None:
    """The p-value follows from the published units and what was taken off them."""
    settings = make_settings(switchback=ON)
    knobs = {"latency_factor": 0.9, "day_noise": 0.0003, "replication_noise": 0.0}
    run(lab.features, lab.writer, lab.world(**knobs), settings)
    results = lab.writer.read("experiment_results")
    units = lab.writer.read("experiment_units")
    looks = lab.writer.read("experiment_monitor")
    for metric in ("latency_mean", "cost_per_1m"):
        rows = units[units["metric"] == metric]
        assert rows["covariate"].notna().all()
        rows = rows.assign(tested=np.log(rows["value"]) - rows["covariate"])
        wide = rows.pivot_table(index="block_id", columns="arm", values="tested")
        gaps = (wide["treatment"] - wide["control"]).to_numpy()
        at = results[(results["metric"] == metric) & (results["mode"] == "switchback")]
        found = at[at["role"] == "success"].iloc[0]
        assert sign_flip(gaps).p_value == pytest.approx(found["p_value"])
        assert math.expm1(gaps.mean()) == pytest.approx(found["rel_effect"])
        # Both arms are told at the same demand, so that they differ by the effect alone.
        assert found["treatment"] / found["control"] - 1 == pytest.approx(found["rel_effect"])
        assert "less what demand alone does" in found["method"]
        last = looks[(looks["metric"] == metric)].sort_values("blocks").iloc[-1]
        assert last["log_e"] == pytest.approx(monitor(gaps)[-1].log_e)
    assert units[units["metric"] == "latency_p95"]["covariate"].isna().all()
    checks = lab.writer.read("experiment_checks")
    said = checks[checks["check_name"] == "covariate_frozen"].set_index("scope")["status"]
    assert said.to_dict() == {
        "latency_mean": "green",
        "cost_per_1m": "green",
        "latency_p95": "not_testable",
    }
    rates = lab.writer.read("experiment_calibration")
    assert (rates["estimator"] == "sign_flip_covariate").sum() == 3
