"""Where in the distribution the effect sits: every percentile of the fleet's latency, both arms.

Bands are pointwise and there are no p-values: a curve of a hundred tests would show some.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ml.experiment.config import ExperimentSettings
from ml.experiment.full_run import FullRun
from ml.experiment.histogram import quantiles
from ml.experiment.metrics import CURVE, Floats, relative
from ml.experiment.power import acceptance
from ml.experiment.result_rows import Row
from ml.experiment.rng import generator
from ml.experiment.switchback import Design, block_differences

_LEVEL = 0.95


def curve_rows(
    settings: ExperimentSettings, curves: dict[str, Floats], plan: Design | None, full: FullRun
) -> list[Row]:
    """Return the curve in the twin, and in the switchback where it ran.

    Args:
        settings: Registered configuration.
        curves: Quantiles by arm, the full run first, shape (replications, Q).
        plan: The switchback's days and coins; None without one.
        full: Both arms by day.
    """
    control, treatment = curves["control"], curves["treatment"]
    with np.errstate(invalid="ignore", divide="ignore"):
        thetas = np.log(treatment) - np.log(control)
    rows = _rows(settings, "twin", control[0], treatment[0], thetas.mean(axis=0), _t_half(thetas))
    if plan is None or plan.blocks < settings.switchback.min_blocks:
        return rows
    return rows + _switchback_rows(settings, plan, full)


def _t_half(thetas: Floats) -> tuple[Floats, Floats]:
    """Return the Monte-Carlo t interval over replications, NaN with fewer than two."""
    count, mean = len(thetas), thetas.mean(axis=0)
    if count < 2:
        return np.full(mean.shape, math.nan), np.full(mean.shape, math.nan)
    half = stats.t.ppf((1 + _LEVEL) / 2, count - 1) * thetas.std(axis=0, ddof=1) / math.sqrt(count)
    return mean - half, mean + half


def _switchback_rows(settings: ExperimentSettings, plan: Design, full: FullRun) -> list[Row]:
    """Return block differences of daily log quantiles, with the ends of typical values."""
    first = full.control
    if first.histogram_warm is None or full.treatment.histogram_warm is None:
        return []
    position = {day: index for index, day in enumerate(first.days)}
    is_treated = np.empty(len(plan.days), dtype=bool)
    is_treated[0::2], is_treated[1::2] = plan.treatment_first, ~plan.treatment_first
    daily = np.array(
        [
            quantiles(_warm(full, bool(treated))[position[day]], first.edges_ms, CURVE)
            for day, treated in zip(plan.days, is_treated, strict=True)
        ]
    )
    gaps = np.array([block_differences(values, is_treated, log=True) for values in daily.T])
    known = np.isfinite(gaps).all(axis=1)
    rng = generator(settings.experiment_id, settings.seed, "subsets", "curve")
    ends = np.full((len(gaps), 2), math.nan)
    ends[known] = acceptance(gaps[known], 1 - _LEVEL, rng)
    ends[~np.isfinite(ends)] = math.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = [np.exp(np.log(daily[part]).mean(axis=0)) for part in (~is_treated, is_treated)]
    band = (ends[:, 0], ends[:, 1])
    return _rows(settings, "switchback", levels[0], levels[1], gaps.mean(axis=1), band)


def _warm(full: FullRun, treated: bool) -> Floats:
    histogram = (full.treatment if treated else full.control).histogram_warm
    if histogram is None:
        msg = "histogram_warm == None, must hold the days"
        raise ValueError(msg)
    return histogram


def _rows(
    settings: ExperimentSettings,
    mode: str,
    control: Floats,
    treatment: Floats,
    theta: Floats,
    band: tuple[Floats, Floats],
) -> list[Row]:
    return [
        {
            "experiment_id": settings.experiment_id,
            "mode": mode,
            "quantile_share": share,
            "control_ms": _known(control, index),
            "treatment_ms": _known(treatment, index),
            "rel_effect": relative(float(theta[index])),
            "rel_lo": relative(float(band[0][index])),
            "rel_hi": relative(float(band[1][index])),
            "interval_level": _LEVEL,
        }
        for index, share in enumerate(CURVE.tolist())
    ]


def _known(values: Sequence[float] | Floats, index: int) -> float | None:
    value = float(values[index])
    return value if math.isfinite(value) else None
