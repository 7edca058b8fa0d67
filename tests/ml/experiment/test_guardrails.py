"""Guard rails: size at exactly the margin, power at three times the margin, and the exact ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ml.experiment.estimate import TwinEstimate
from ml.experiment.guardrails import bounds, judge, judge_estimate, placement_changes
from ml.experiment.metrics import relative
from ml.experiment.twin import input_draws, rotate

REPLICATIONS, DRAWS = 30, 200


def _estimate(
    effect: float, rng: np.random.Generator, scale: str = "log", spread: float = 0.002
) -> TwinEstimate:
    """Return one simulated twin: replications around ``effect``, draws around their mean."""
    thetas = effect + rng.normal(0, spread, REPLICATIONS)
    theta = float(thetas.mean())
    draws = theta + rng.normal(0, spread / 10, DRAWS)
    return TwinEstimate("latency_p99", scale, 100.0, 100.0, theta, thetas, draws)  # type: ignore[arg-type]


def test_false_pass_at_exactly_the_margin() -> None:
    """An effect equal to the margin passes in at most 6 % of 4,000 twins."""
    rng = np.random.default_rng(8)
    margin = 0.05
    verdicts = [
        judge_estimate("latency_p99", _estimate(math.log1p(margin), rng), margin, 0.05).verdict
        for _ in range(4000)
    ]
    rate = verdicts.count("passed") / len(verdicts)
    assert rate <= 0.06
    # Not vacuous: bounds that never passed anything would hold this too.
    assert rate > 0.01


def test_three_times_the_margin_is_blocked() -> None:
    rng = np.random.default_rng(9)
    for name, scale, margin, spread in (
        ("latency_p99", "log", 0.05, 0.02),
        ("error_rate", "difference", 0.0002, 0.0001),
        ("slo_violation_rate", "difference", 0.001, 0.0005),
        ("cost_per_1m", "log", 0.02, 0.01),
    ):
        effect = math.log1p(3 * margin) if scale == "log" else 3 * margin
        found = [
            judge_estimate(name, _estimate(effect, rng, scale, spread), margin, 0.05).verdict
            for _ in range(500)
        ]
        assert found.count("passed") == 0
        assert found.count("violated") / len(found) >= 0.95


def test_no_evidence_never_passes() -> None:
    nothing = TwinEstimate("latency_p99", "log", 1.0, 1.0, -0.5, np.array([-0.5]), np.array([]))
    assert math.isnan(bounds(nothing)[0])
    assert judge_estimate("latency_p99", nothing, 0.05, 0.05).verdict == "inconclusive"


def test_wider_of_the_two_bounds_is_used() -> None:
    thetas = np.full(30, 0.01)
    draws = np.linspace(-0.1, 0.1, 199)
    found = bounds(TwinEstimate("latency_p99", "log", 1.0, 1.0, 0.01, thetas, draws))
    assert found == pytest.approx((-0.091, 0.091), abs=0.001)
    assert judge(*found, 0.05) == "inconclusive"


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [(-0.004, 0.1, "passed"), (-0.02, -0.006, "violated"), (-0.02, 0.1, "inconclusive")],
)
def test_higher_is_better(lower: float, upper: float, verdict: str) -> None:
    assert judge(lower, upper, -0.005, higher_is_better=True) == verdict


def test_order_statistics_of_two_hundred_draws() -> None:
    draws = np.random.default_rng(1).permutation(np.arange(1.0, 201.0))
    found = TwinEstimate("latency_mean", "log", 1.0, 1.0, 0.0, np.zeros(2), draws)
    assert found.plausible() == (10.0, 191.0)


def test_too_few_draws_give_no_range() -> None:
    found = TwinEstimate("latency_mean", "log", 1.0, 1.0, 0.0, np.zeros(2), np.zeros(18))
    assert math.isnan(found.plausible()[0])


def test_monte_carlo_interval_is_the_t_interval() -> None:
    thetas = np.array([0.1, 0.2, 0.3, 0.4])
    found = TwinEstimate("latency_mean", "log", 1.0, 1.0, 0.25, thetas, np.zeros(0))
    half = 3.182446305284263 * thetas.std(ddof=1) / 2
    assert found.monte_carlo(0.95) == pytest.approx((0.25 - half, 0.25 + half))


def test_placement_changes(lab: Any) -> None:
    control, treatment = lab.placements("current"), lab.placements("recommended")
    kept, added, removed = placement_changes(control, treatment)
    assert (kept + removed, kept + added) == (len(control), len(treatment))
    assert (added, removed) == (8, 8)
    assert placement_changes(control, control) == (24, 0, 0)


def test_draws_are_centred_and_seeded(settings: Any) -> None:
    drawn = input_draws(settings.inputs, 2000, "x", 1)
    assert drawn[:5] == input_draws(settings.inputs, 5, "x", 1)
    spreads = {k: np.log([d[k] for d in drawn]).std() for k in drawn[0]}
    for name, spread in settings.inputs.model_dump().items():
        assert spreads[name] == pytest.approx(spread, rel=0.1)


def test_rotation_covers_every_day() -> None:
    days = [__import__("datetime").date(2026, 9, d) for d in range(1, 29)]
    covered = {day for index in range(4) for day in rotate(days, index, 7)}
    assert covered == set(days)
    assert len(rotate(days, 3, 40)) == 28


def test_relative_keeps_unknown_unknown() -> None:
    assert relative(None) is None
    assert relative(math.nan) is None
    assert relative(math.log(0.95)) == pytest.approx(-0.05)
