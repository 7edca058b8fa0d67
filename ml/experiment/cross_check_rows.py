"""Rows of the cross-checks: the delta method and CUPED on the units that a coin was tossed for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.experiment.community_layer import CommunityLayers
from ml.experiment.config import ExperimentSettings
from ml.experiment.cross_checks import MIN_UNITS, CrossCheck, cross_checks
from ml.experiment.full_run import FullRun
from ml.experiment.metrics import CATALOGUE, daily_parts, relative
from ml.experiment.mixed_run import METRICS, MixedDays, community_logs
from ml.experiment.pre_period import PrePeriod
from ml.experiment.result_rows import Row, result_row
from ml.experiment.switchback import Design, day_positions_of

SEGMENT = "cross_check"
_METHODS = {
    "delta_method": "ratio by the delta method, treated units against the others, Welch",
    "cuped": "log metric less what the same unit showed before (CUPED), Welch",
}


def cross_check_rows(
    settings: ExperimentSettings,
    plan: Design | None,
    layers: CommunityLayers | None,
    full: FullRun,
    pre: PrePeriod,
) -> list[Row]:
    """Return what two other estimators say of each design's units, or that these are too few.

    Quantiles have no sums, and so no ratio: they are left out.
    """
    rows: list[Row] = []
    wanted = [m for m in settings.metrics.success if not CATALOGUE[m].needs_histogram]
    if plan is not None and plan.blocks >= 2:
        for metric in wanted:
            rows += _rows(settings, "switchback", metric, _fleet(plan, full, pre, metric, settings))
    for result in layers.results if layers else ():
        if layers is None or result.units is None:
            continue
        for metric in [m for m in METRICS if m in wanted]:
            found = _communities(layers, result.units, pre, metric, settings)
            rows += _rows(settings, result.mode, metric, found)
    return rows


def _communities(
    layers: CommunityLayers,
    units: MixedDays,
    pre: PrePeriod,
    metric: str,
    settings: ExperimentSettings,
) -> list[CrossCheck]:
    top, bottom = units.parts[metric]
    usable = (bottom > 0).all(axis=1)
    before = np.full(top.shape, math.nan)
    if pre.control is not None:
        known = community_logs(pre.control, layers.communities, metric)
        before = known[:, _same_weekday(known.shape[1], top.shape[1])]
    return cross_checks(
        top[usable].ravel().astype(np.float64),
        bottom[usable].ravel().astype(np.float64),
        before[usable].ravel(),
        units.treated[usable].ravel(),
        settings.alpha,
    )


def _fleet(
    plan: Design, full: FullRun, pre: PrePeriod, metric: str, settings: ExperimentSettings
) -> list[CrossCheck]:
    index, is_treated = day_positions_of(plan, full.control)
    seen = [daily_parts(arm, metric, warm=True)[:2] for arm in (full.control, full.treatment)]
    top, bottom = (
        np.where(is_treated, after[index], at_first[index]).astype(np.float64)
        for at_first, after in zip(*seen, strict=True)
    )
    known = pre.daily.get(metric, np.empty(0))
    before = np.full(len(plan.days), math.nan)
    if known.size:
        before = np.log(known)[_same_weekday(known.size, len(full.control.days))][index]
    return cross_checks(top, bottom, before, is_treated, settings.alpha)


def _same_weekday(known: int, days: int) -> NDArray[np.int64]:
    """Return which day before stands for each day: whole weeks back where there is a week."""
    cycle = known // 7 * 7 or known
    result: NDArray[np.int64] = known - cycle + np.arange(days) % cycle
    return result


def _rows(
    settings: ExperimentSettings, mode: str, metric: str, found: Sequence[CrossCheck]
) -> list[Row]:
    rows = []
    for check in found:
        ends = [relative(v) for v in (check.estimate, check.lo, check.hi)]
        few = check.effective_units < MIN_UNITS
        said = f"{check.effective_units:.1f} effective units of {check.units}"
        if check.estimate is None:
            why = f"at least {MIN_UNITS:.0f} needed" if few else "days before are unknown"
            said = f"{said}: {why}"
        rows.append(
            result_row(
                settings.experiment_id,
                mode,
                metric,
                "diagnostic",
                segment=SEGMENT,
                segment_value=check.name,
                method=_METHODS[check.name],
                **dict(zip(("rel_effect", "rel_lo", "rel_hi"), ends, strict=True)),
                interval_level=None if check.estimate is None else 1 - settings.alpha,
                blocks=check.units,
                effective_units=check.effective_units,
                status="insufficient" if check.estimate is None else "ok",
                verdict="not_judged" if check.estimate is None else "reported",
                reason=f"cross-check, never the verdict; {said}",
            )
        )
    return rows
