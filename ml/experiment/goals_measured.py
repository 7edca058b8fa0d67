"""Goals that are measured by drawing: guard rails, cross-checks, power forecast, shadow."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from ml.experiment.calibrate_past import shadow_runs
from ml.experiment.config import ExperimentSettings
from ml.experiment.estimate import TwinEstimate
from ml.experiment.goals import Goal, measured, percent
from ml.experiment.guardrails import judge_estimate
from ml.experiment.noise_world import NoiseWorld, draw_bank
from ml.experiment.power import acceptance, windows
from ml.experiment.rng import generator
from ml.experiment.signflip import sign_flip


def shadow_goal(settings: ExperimentSettings, runs: int) -> Goal:
    """Return the goal of the shadow on drawn sets of moves."""
    coverage, slope = shadow_runs(settings, runs)
    return Goal(
        "G15c",
        "shadow: 90 % intervals hold held-out moves, slope of realised on predicted",
        "85 to 95 %, slope in [0.8, 1.2]",
        f"{percent(coverage)}, slope {slope:.2f}, {runs} sets of 40 moves",
        0.85 <= coverage <= 0.95 and 0.8 <= slope <= 1.2,
    )


def guard_rail_goals(settings: ExperimentSettings, runs: int) -> list[Goal]:
    """Return G8: false passes at the margin, and a breach of three margins blocked."""
    rng = generator(settings.experiment_id, settings.seed, "guard rails")
    margin = 0.05

    def drawn(effect: float, spread: float) -> TwinEstimate:
        thetas = effect + rng.normal(0.0, spread, settings.twin.replications)
        theta = float(thetas.mean())
        draws = theta + rng.normal(0.0, spread / 10, settings.twin.input_draws)
        return TwinEstimate("latency_p99", "log", 100.0, 100.0, theta, thetas, draws)

    def verdicts(effect: float, spread: float, count: int) -> list[str]:
        name = "latency_p99"
        return [
            judge_estimate(name, drawn(effect, spread), margin, 0.05).verdict for _ in range(count)
        ]

    passed = verdicts(math.log1p(margin), 0.002, runs).count("passed") / runs
    blocked = verdicts(math.log1p(3 * margin), 0.02, 500).count("violated") / 500
    return [
        Goal(
            "G8a",
            "a guard rail exactly at its margin passes",
            f"<= 6 % of {runs} twins",
            measured(passed, runs, (0.0, 0.06)),
            passed <= 0.06,
        ),
        Goal(
            "G8b",
            "a breach of three margins is blocked",
            ">= 95 % of 500 twins",
            measured(blocked, 500, (0.95, 1.0)),
            blocked >= 0.95,
        ),
    ]


def cross_check_goal(settings: ExperimentSettings) -> Goal:
    """Return G12: the sign-flip p equals SciPy's exact permutation test."""
    rng = generator(settings.experiment_id, settings.seed, "cross-check")
    worst = 0.0
    for blocks in range(6, 13):
        gaps = rng.normal(-0.02, 0.05, blocks)
        found = stats.permutation_test(
            (gaps,),
            lambda d, axis: np.abs(np.mean(d, axis=axis)),
            permutation_type="samples",
            alternative="greater",
            # As many as there are sign vectors: SciPy then takes all of them.
            n_resamples=2**blocks,
            vectorized=True,
        )
        worst = max(worst, abs(float(found.pvalue) - sign_flip(gaps).p_value))
    return Goal(
        "G12",
        "sign-flip p equals scipy.stats.permutation_test, 6 to 12 blocks",
        "exactly, but for the last bits",
        f"largest difference {worst:.1e}",
        worst < 1e-9,
    )


def forecast_goal(settings: ExperimentSettings, worlds: int, draws: int) -> Goal:
    """Return G9a: power forecast on days before, against power on the days after."""
    rng = generator(settings.experiment_id, settings.seed, "forecast")
    bank = draw_bank(NoiseWorld(), worlds, 56, rng)
    size = -math.log1p(-0.05)
    predicted: list[float] = []
    realised: list[float] = []
    for daily in np.log(bank.control):
        before = windows(daily[:28], 28, draws, rng)
        after = np.broadcast_to(daily[28:], (draws, 28))
        for days, into in ((before, predicted), (after, realised)):
            signs = rng.choice((-1.0, 1.0), size=(draws, 14))
            ends = acceptance(signs * (days[:, 0::2] - days[:, 1::2]), 0.05, rng)
            into.append(float(((ends[:, 1] < size) | (ends[:, 0] > size)).mean()))
    gap = float(np.mean(predicted) - np.mean(realised))
    return Goal(
        "G9a",
        "power forecast on days before against power on days after, -5 %, 28 days",
        "within 5 points",
        f"forecast {percent(float(np.mean(predicted)))}, realised "
        f"{percent(float(np.mean(realised)))}, {worlds} worlds",
        abs(gap) <= 0.05,
    )
