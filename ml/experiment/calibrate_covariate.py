"""Calibration of the switchback with a covariate: its size, its coverage, and what it gains.

The noise model has no demand. A prediction is drawn that takes a stated share off the variance of
block differences; gamma is fitted on 28 days before, as it is in an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ml.experiment.calibrate import MIN_SIZE_BLOCKS, Calibration, band, rate_row
from ml.experiment.calibrate_long import Measured, joined, summarise
from ml.experiment.config import ExperimentSettings
from ml.experiment.covariate import fit_gamma
from ml.experiment.grid import EFFECT, Sizes, widened
from ml.experiment.metrics import Floats
from ml.experiment.noise_world import NoiseWorld, draw_bank, observe, true_effect
from ml.experiment.power import acceptance
from ml.experiment.rng import generator
from ml.experiment.signflip import batch_p_values, coin_p_values

PRE_DAYS = 28
SHARES = (0.0, 0.4)
"""Shares of the variance that the prediction explains: nothing, and as much as days may give."""

_NAME = "sign_flip_covariate"
_AT_ONCE = 200
MIN_RUNS = 500
"""Each run has a world of its own here; fewer would say little of a size."""


@dataclass(frozen=True)
class Pair:
    """The same experiments tested with the covariate and without it."""

    with_it: Measured
    without: Measured


def pair_runs(
    world: NoiseWorld, share: float, runs: int, days: int, rng: np.random.Generator
) -> Pair:
    """Return switchbacks of ``runs`` distinct worlds, with the covariate and without.

    Args:
        world: The noise model.
        share: Share of the variance of block differences that the prediction explains, below 1.
        runs: Experiments.
        days: Length of each.
        rng: Made by the caller.
    """
    parts = [
        _pair(world, share, min(_AT_ONCE, runs - first), days, rng)
        for first in range(0, runs, _AT_ONCE)
    ]
    return Pair(joined([p.with_it for p in parts]), joined([p.without for p in parts]))


def _pair(world: NoiseWorld, share: float, runs: int, days: int, rng: np.random.Generator) -> Pair:
    bank = draw_bank(world, runs, PRE_DAYS + days, rng)
    logs = np.log(bank.control)
    gaps = logs[:, 0::2] - logs[:, 1::2]
    spread = gaps.std(axis=1, keepdims=True)
    # Seen through so much noise, the control's own days explain just the stated share.
    blur = rng.standard_normal(gaps.shape) * spread
    predicted = gaps + blur * math.sqrt((1 - share) / share) if share else blur
    before = PRE_DAYS // 2
    gamma = fit_gamma(gaps[:, :before], predicted[:, :before])
    after = replace(
        bank, control=bank.control[:, PRE_DAYS:], treatment=bank.treatment[:, PRE_DAYS:]
    )
    rows = np.arange(runs)
    coins = rng.random((runs, days // 2)) < 0.5
    plain = observe(after, coins, rows)
    taken = gamma[:, None] * np.where(coins, predicted[:, before:], -predicted[:, before:])
    truth = true_effect(after, rows, days)
    return Pair(_measured(plain - taken, truth, rng), _measured(plain, truth, rng))


def _measured(gaps: Floats, truth: Floats, rng: np.random.Generator) -> Measured:
    ends = acceptance(gaps, 0.05, rng)
    return Measured(gaps.mean(axis=1), ends, truth, batch_p_values(gaps, rng))


def long_rows(settings: ExperimentSettings, sizes: Sizes) -> list[Calibration]:
    """Return size, coverage and power with and without the covariate; none where it is off."""
    if settings.switchback.covariate is None:
        return []
    rows: list[Calibration] = []
    for share in SHARES:
        for effect, runs in ((0.0, sizes.size), (EFFECT, sizes.coverage)):
            rng = generator(settings.experiment_id, settings.seed, "covariate", share, effect)
            found = pair_runs(NoiseWorld(effect=effect), share, runs, 28, rng)
            stated, middle = (2000, 0.95) if effect else (4000, 0.05)
            limits = widened((middle - 0.01, middle + 0.01), runs, stated)
            told = "-5 %, none" if effect else "A/A"
            for part, name, said, ends in (
                (found.with_it, _NAME, f"covariate explains {share:.0%}: {told}, 28 days", limits),
                (found.without, "sign_flip", f"the same without it ({share:.0%}): {told}", None),
            ):
                rows.append(
                    summarise(
                        part,
                        design="switchback",
                        estimator=name,
                        scenario=said,
                        is_null=not effect,
                        limits=ends,
                        rng=rng,
                        step=2.0 / 2**14,
                    )
                )
    return rows


def short_rows(
    settings: ExperimentSettings, adjusted: Mapping[str, Floats] | None = None
) -> list[Calibration]:
    """Return the size with the covariate, as every build measures it; none where it is off.

    Args:
        settings: Registered configuration.
        adjusted: Daily values of one plan in the experiment's own world, less what the covariate
            takes off, shape (D,).
    """
    if settings.switchback.covariate is None:
        return []
    sizes, blocks = settings.calibration, max(MIN_SIZE_BLOCKS, settings.evaluate.days // 2)
    rng = generator(settings.experiment_id, settings.seed, "calibrate", "covariate")
    share = SHARES[-1]
    runs = max(sizes.worlds, MIN_RUNS)
    found = pair_runs(NoiseWorld(), share, runs, 2 * blocks, rng)
    rows = [
        rate_row(
            found.with_it.p_values,
            source="noise_world",
            design="switchback",
            metric="latency_mean",
            estimator=_NAME,
            scenario=f"covariate explains {share:.0%}: A/A, {blocks} blocks",
            limits=band(runs, blocks),
        )
    ]
    for metric, values in sorted((adjusted or {}).items()):
        held = min(blocks, len(values) // 2)
        if held < 6 or not (np.isfinite(values).all() and (values > 0).all()):
            continue
        logs = np.log(values[: 2 * held])
        signs = rng.choice((-1.0, 1.0), size=(sizes.runs, held))
        rows.append(
            rate_row(
                coin_p_values(logs[0::2] - logs[1::2], signs, rng),
                source="world_daily",
                design="switchback",
                metric=metric,
                estimator=_NAME,
                scenario=f"A/A, {held} blocks, one world, many coins",
                limits=band(sizes.runs, held),
            )
        )
    return rows
