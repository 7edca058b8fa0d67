"""Effects on single services, pulled towards the fleet's by how noisy each is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.experiment.config import ExperimentSettings
from ml.experiment.metrics import Arm, Floats, Ints, relative
from ml.experiment.result_rows import Row
from ml.experiment.rng import generator
from ml.experiment.signflip import batch_p_values
from ml.experiment.switchback import Design

_MIN_DAYS = 7


@dataclass(frozen=True)
class Shrunk:
    """Shrunk effects and what they were pulled towards, log scale."""

    effects: Floats
    mean: float
    variance: float


def shrink(effects: Floats, errors: Floats, weights: Floats) -> Shrunk:
    """Return ``mu + tau2 / (tau2 + se^2) (effect - mu)``.

    ``mu`` is weighted by traffic; ``tau2``, the variance of true effects, is what the effects
    scatter beyond their errors, and never below 0.

    Args:
        effects: Log effect of each service, shape (S,).
        errors: Standard errors, shape (S,).
        weights: Traffic shares, shape (S,).

    References:
        Morris (1983), Parametric Empirical Bayes Inference.

    Example:
        >>> shrink(np.array([-0.1, 0.1]), np.array([0.2, 0.2]), np.array([0.5, 0.5])).effects
        array([0., 0.])
    """
    share = weights / weights.sum()
    mean = float((share * effects).sum())
    variance = _spread(effects, errors)
    total = variance + errors**2
    factor = np.divide(variance, total, out=np.ones_like(total), where=total > 0)
    pulled: Floats = mean + (factor if variance > 0 else 0.0 * factor) * (effects - mean)
    return Shrunk(pulled, mean, variance)


def _spread(effects: Floats, errors: Floats) -> float:
    """Return the variance of true effects by moments, weighted by precision: noise says little."""
    if effects.size < 2:
        return 0.0
    precision = 1.0 / np.maximum(errors**2, 1e-12)
    centre = float((precision * effects).sum() / precision.sum())
    scatter = float((precision * (effects - centre) ** 2).sum())
    scale = float(precision.sum() - (precision**2).sum() / precision.sum())
    return max(0.0, (scatter - (effects.size - 1)) / scale) if scale > 0 else 0.0


def _daily_logs(counts: dict[str, Ints]) -> Floats:
    """Return log mean latency by service and day; NaN on days without requests."""
    top = counts["imputed_sum_us"].sum(axis=1).astype(np.float64)
    bottom = counts["offered"].sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: Floats = np.log(np.where(bottom > 0, top / bottom / 1e3, np.nan))
    return np.where(np.isfinite(logs), logs, np.nan)


def service_rows(
    settings: ExperimentSettings, control: Arm, treatment: Arm, plan: Design | None
) -> list[Row]:
    """Return one row per service: paired days of the full run, and the switchback's adjusted p."""
    before, after = _daily_logs(control.counts), _daily_logs(treatment.counts)
    gaps = after - before
    days = np.isfinite(gaps).sum(axis=1)
    offered = control.counts["offered"].sum(axis=(1, 2)).astype(np.float64)
    usable = (days >= _MIN_DAYS) & (offered > 0)
    effects = np.zeros(len(usable))
    errors = np.zeros(len(usable))
    for index in np.flatnonzero(usable).tolist():
        seen = gaps[index][np.isfinite(gaps[index])]
        effects[index] = seen.mean()
        errors[index] = seen.std(ddof=1) / math.sqrt(seen.size)
    shrunk = np.full(len(usable), math.nan)
    if usable.any():
        shrunk[usable] = shrink(effects[usable], errors[usable], offered[usable]).effects
    adjusted = _adjusted(settings, control, treatment, plan, usable)
    share = offered / max(offered.sum(), 1.0)
    rows = []
    for index, service in enumerate(control.service_ids):
        row: Row = {
            "experiment_id": settings.experiment_id,
            "service_id": service,
            "traffic_share": float(share[index]),
            "status": "ok" if usable[index] else "insufficient",
            "reason": None if usable[index] else f"{int(days[index])} days with requests",
        }
        if usable[index]:
            row |= _numbers(effects[index], errors[index], int(days[index]))
            row |= {
                "control_ms": _level(control, index),
                "treatment_ms": _level(treatment, index),
                "shrunk_effect": relative(float(shrunk[index])),
                "p_adjusted": adjusted.get(index),
            }
        rows.append(row)
    return rows


def _numbers(effect: float, error: float, days: int) -> Row:
    half = float(stats.t.ppf(0.975, days - 1)) * error
    return {
        "rel_effect": relative(float(effect)),
        "rel_lo": relative(float(effect - half)),
        "rel_hi": relative(float(effect + half)),
    }


def _level(arm: Arm, index: int) -> float:
    top = int(arm.counts["imputed_sum_us"][index].sum())
    return top / 1e3 / int(arm.counts["offered"][index].sum())


def _adjusted(
    settings: ExperimentSettings,
    control: Arm,
    treatment: Arm,
    plan: Design | None,
    usable: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> dict[int, float]:
    """Return Benjamini-Hochberg p of the coins, over the services seen on every paired day."""
    if plan is None or plan.blocks < settings.switchback.min_blocks:
        return {}
    position = {day: index for index, day in enumerate(control.days)}
    days = [position[day] for day in plan.days]
    is_treated = np.empty(len(days), dtype=bool)
    is_treated[0::2], is_treated[1::2] = plan.treatment_first, ~plan.treatment_first
    before, after = _daily_logs(control.counts_warm), _daily_logs(treatment.counts_warm)
    seen = np.where(is_treated, after[:, days], before[:, days])
    gaps = np.where(is_treated[0::2], 1.0, -1.0) * (seen[:, 0::2] - seen[:, 1::2])
    kept = np.flatnonzero(usable & np.isfinite(gaps).all(axis=1))
    if not kept.size:
        return {}
    rng = generator(settings.experiment_id, settings.seed, "services")
    adjusted = stats.false_discovery_control(batch_p_values(gaps[kept], rng))
    return {int(index): float(p) for index, p in zip(kept, adjusted, strict=True)}
