"""Power of every design on days before the experiment, by simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ml.experiment import cluster, wedge
from ml.experiment.cluster import Communities
from ml.experiment.config import ExperimentSettings
from ml.experiment.metrics import Floats
from ml.experiment.power import PowerPoint, acceptance, curve, windows
from ml.experiment.rng import generator

_COMMUNITY_DRAWS = 300


def switchback_power(
    settings: ExperimentSettings, daily: Mapping[str, Floats], draws: int
) -> list[PowerPoint]:
    """Return the power of the switchback for every registered length and effect."""
    points: list[PowerPoint] = []
    alpha = settings.alpha / len(settings.metrics.success)
    for metric in settings.metrics.success:
        values = daily.get(metric)
        for days in settings.power.days:
            if values is None or len(values) < 4 or not _is_usable(values):
                points += refused("switchback", metric, days, settings, "no usable days before")
                continue
            rng = generator(settings.experiment_id, settings.seed, "power", metric, days)
            logs = np.log(windows(values, days // 2 * 2, draws, rng))
            signs = rng.choice((-1.0, 1.0), size=(draws, days // 2))
            ends = acceptance(signs * (logs[:, 0::2] - logs[:, 1::2]), alpha, rng)
            points += curve("switchback", metric, days, alpha, ends, settings.power.effects)
    return points


def community_power(
    settings: ExperimentSettings, found: Communities, logs: Floats, metric: str = "latency_mean"
) -> list[PowerPoint]:
    """Return the power of both designs by community.

    The interval moves with the effect, so one pass over no effect tells the power at every effect.

    Args:
        settings: Registered configuration.
        found: Communities of the fleet.
        logs: Log metric by community and day before the experiment, shape (K, D).
        metric: Its name.
    """
    usable = np.isfinite(logs).all(axis=1) & (found.traffic > 0)
    weights = found.traffic[usable] / found.traffic[usable].sum()
    kept = logs[usable]
    points: list[PowerPoint] = []
    alpha = settings.alpha / len(settings.metrics.success)
    for days in settings.power.days:
        reason = cluster.refusal(
            found,
            max_crossing_share=settings.cluster.max_crossing_share,
            max_community_share=settings.cluster.max_community_share,
            blocks=days // 2,
            min_blocks=settings.switchback.min_blocks,
        )
        if reason:
            points += refused("cluster_switchback", metric, days, settings, reason)
            continue
        ends = _cluster_ends(settings, kept, weights, days, alpha)
        name = "cluster_switchback"
        points += curve(name, metric, days, alpha, ends, settings.power.effects)
    return points + _wedge_points(settings, kept, weights, metric, alpha)


def _cluster_ends(
    settings: ExperimentSettings, logs: Floats, weights: Floats, days: int, alpha: float
) -> Floats:
    rng = generator(settings.experiment_id, settings.seed, "community power", days)
    ends = np.empty((_COMMUNITY_DRAWS, 2))
    for run in range(_COMMUNITY_DRAWS):
        index = windows(np.arange(logs.shape[1], dtype=np.float64), days // 2 * 2, 1, rng)[0]
        seen = logs[:, index.astype(np.int64)]
        coins = rng.choice((-1.0, 1.0), size=(len(logs), days // 2))
        found = cluster.analyze(
            seen[:, 0::2] - seen[:, 1::2],
            coins,
            weights,
            alpha=alpha,
            permutations=settings.cluster.permutations,
            rng=rng,
        )
        ends[run] = (_end(found.lo, -math.inf), _end(found.hi, math.inf))
    return ends


def _wedge_points(
    settings: ExperimentSettings, logs: Floats, weights: Floats, metric: str, alpha: float
) -> list[PowerPoint]:
    plan = wedge.schedule(
        settings.wedge.pre_days,
        settings.wedge.baseline_days,
        settings.wedge.waves,
        settings.wedge.wave_days,
    )
    reason = wedge.refusal(
        pre_days=settings.wedge.pre_days,
        min_pre_days=14,
        waves=settings.wedge.waves,
        min_waves=5,
        communities=len(logs),
    )
    if reason:
        return refused("stepped_wedge", metric, plan.days, settings, reason)
    rng = generator(settings.experiment_id, settings.seed, "wedge power")
    draws = _COMMUNITY_DRAWS // 3
    ends = np.empty((draws, 2))
    for run in range(draws):
        index = windows(np.arange(logs.shape[1], dtype=np.float64), plan.days, 1, rng)[0]
        found = wedge.analyze(
            logs[:, index.astype(np.int64)],
            wedge.deal(len(logs), settings.wedge.waves, rng),
            weights,
            plan,
            alpha=alpha,
            permutations=settings.wedge.permutations,
            rng=rng,
        )
        ends[run] = (_end(found.lo, -math.inf), _end(found.hi, math.inf))
    return curve("stepped_wedge", metric, plan.days, alpha, ends, settings.power.effects)


def _end(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _is_usable(values: Floats) -> bool:
    return bool(np.isfinite(values).all() and (values > 0).all())


def refused(
    design: str, metric: str, days: int, settings: ExperimentSettings, reason: str
) -> list[PowerPoint]:
    """Return rows of a design that may not be run: null power and the reason."""
    return [
        PowerPoint(design, metric, days, effect, None, None, None, 0, reason)
        for effect in settings.power.effects
    ]
