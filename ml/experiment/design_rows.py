"""Rows of the designs: what they found, who runs what, what may be read before the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from ml.experiment.community_layer import CommunityEffect, CommunityLayers
from ml.experiment.config import ExperimentSettings
from ml.experiment.field_layer import Layer
from ml.experiment.full_run import FullRun
from ml.experiment.metrics import CATALOGUE, relative
from ml.experiment.monitor import monitor
from ml.experiment.power import PowerPoint
from ml.experiment.result_rows import Row, result_row
from ml.experiment.signflip import holm
from ml.experiment.switchback import Design, adjusted, block_differences

_METHODS = {
    "cluster_switchback": "weighted least squares with block dummies over call-graph communities, "
    "permutation p, interval by inversion",
    "stepped_wedge": "weighted two-way fixed effects, p from other orders of the waves, interval "
    "by inversion",
}


def community_rows(settings: ExperimentSettings, layers: CommunityLayers | None) -> list[Row]:
    """Return a row per design and success metric; a refused design has its reason, no number."""
    rows: list[Row] = []
    for found in layers.results if layers else ():
        tested = [m for m in settings.metrics.success if m in found.effects]
        adjusted = dict(
            zip(
                tested,
                holm(
                    [found.effects[m].p_value for m in tested]
                    # Metrics that cannot be tested by community keep their place in the family.
                    + [1.0] * (len(settings.metrics.success) - len(tested))
                ),
                strict=False,
            )
        )
        for metric in settings.metrics.success:
            rows.append(_community_row(settings, found, metric, adjusted.get(metric)))
    return rows


def _community_row(
    settings: ExperimentSettings, found: CommunityEffect, metric: str, p_adjusted: float | None
) -> Row:
    row = result_row(
        settings.experiment_id,
        found.mode,
        metric,
        "success",
        method=_METHODS[found.mode],
        status="refused",
        verdict="not_judged",
        reason=found.reason or "services have no histogram: quantiles need the whole fleet",
    )
    effect = found.effects.get(metric)
    if effect is None:
        return row
    ends = [relative(v) for v in (effect.estimate, effect.lo, effect.hi)]
    row |= {
        **dict(zip(("rel_effect", "rel_lo", "rel_hi"), ends, strict=True)),
        "p_value": effect.p_value,
        "p_adjusted": p_adjusted,
        "interval_level": 1 - settings.alpha,
        "blocks": found.blocks,
        "reason": found.note,
        "status": "biased_by_interference" if found.is_biased else "ok",
        "verdict": "not_judged" if found.is_biased else "inconclusive",
    }
    if not found.is_biased and p_adjusted is not None and p_adjusted <= settings.alpha:
        better = (effect.estimate < 0) == CATALOGUE[metric].lower_is_better
        row["verdict"] = "superior" if better else "inferior"
    return row


def assignment_rows(
    settings: ExperimentSettings, plan: Design | None, layers: CommunityLayers | None
) -> list[Row]:
    """Return who runs what when, one row per unit and period."""
    rows = [] if plan is None else _fleet_rows(settings, plan)
    if layers is None:
        return rows
    if layers.coins is not None:
        for community, coins in enumerate(layers.coins):
            rows += _days_rows(settings, "cluster_switchback", community, layers.days, coins)
    if layers.waves is not None:
        for community, wave in enumerate(layers.waves.tolist()):
            rows += _wave_rows(settings, community, wave, layers.wave_days)
    return rows


def _row(
    settings: ExperimentSettings,
    mode: str,
    unit: str,
    period: tuple[date, date],
    arm: str,
    block: int,
    community: int | None,
) -> Row:
    return {
        "experiment_id": settings.experiment_id,
        "mode": mode,
        "unit_id": unit,
        "period_start_on": period[0],
        "period_end_on": period[1],
        "community_id": community,
        "block_id": block,
        "arm": arm,
        "warmup_hours": settings.switchback.warmup_hours,
        "coin_seed": str(settings.seed),
    }


def _fleet_rows(settings: ExperimentSettings, plan: Design) -> list[Row]:
    is_treated = np.empty(len(plan.days), dtype=bool)
    is_treated[0::2], is_treated[1::2] = plan.treatment_first, ~plan.treatment_first
    return [
        _row(settings, "switchback", "fleet", (day, day), _arm(bool(treated)), index // 2, None)
        for index, (day, treated) in enumerate(zip(plan.days, is_treated, strict=True))
    ]


def _days_rows(
    settings: ExperimentSettings,
    mode: str,
    community: int,
    days: Sequence[date],
    coins: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> list[Row]:
    unit = f"community-{community:03d}"
    return [
        _row(
            settings,
            mode,
            unit,
            (day, day),
            _arm(bool(coins[index // 2]) == (index % 2 == 0)),
            index // 2,
            community,
        )
        for index, day in enumerate(days)
    ]


def _wave_rows(
    settings: ExperimentSettings, community: int, wave: int, days: Sequence[date]
) -> list[Row]:
    plan = settings.wedge
    start = days[plan.pre_days + plan.baseline_days + wave * plan.wave_days]
    unit, mode = f"community-{community:03d}", "stepped_wedge"
    before, after = (days[0], start - timedelta(days=1)), (start, days[-1])
    return [
        _row(settings, mode, unit, before, "control", wave, community),
        _row(settings, mode, unit, after, "treatment", wave, community),
    ]


def _arm(is_treated: bool) -> str:
    return "treatment" if is_treated else "control"


def member_rows(settings: ExperimentSettings, layers: CommunityLayers | None) -> list[Row]:
    """Return the community of every service."""
    if layers is None:
        return []
    found = layers.communities
    return [
        {
            "experiment_id": settings.experiment_id,
            "service_id": service,
            "community_id": int(community),
            "traffic_share": float(found.traffic[community]),
        }
        for service, community in zip(layers.service_ids, found.of_service, strict=True)
    ]


def monitor_rows(settings: ExperimentSettings, layer: Layer | None, full: FullRun) -> list[Row]:
    """Return every look of every success metric on a ratio scale."""
    rows: list[Row] = []
    if layer is None or layer.plan.blocks == 0:
        return rows
    for metric in settings.metrics.success:
        values, is_treated = adjusted(layer.plan, full.control, full.treatment, metric)
        gaps = block_differences(values, is_treated, log=CATALOGUE[metric].scale == "log")
        if not np.isfinite(gaps).all():
            continue
        for look in monitor(gaps):
            rows.append(
                {
                    "experiment_id": settings.experiment_id,
                    "metric": metric,
                    "blocks": look.blocks,
                    "log_e": look.log_e,
                    "always_valid_p": look.always_valid_p,
                    "rel_lo": relative(look.lo),
                    "rel_hi": relative(look.hi),
                    "decision": look.decision,
                }
            )
    return rows


def power_rows(settings: ExperimentSettings, points: Sequence[PowerPoint]) -> list[Row]:
    """Return the rows of ``experiment_power``."""
    return [
        {
            "experiment_id": settings.experiment_id,
            "design": p.design,
            "metric": p.metric,
            "days": p.days,
            "effect_share": p.effect,
            "alpha": p.alpha,
            "power": p.power,
            "mde80": None if p.mde80 is None or math.isnan(p.mde80) else p.mde80,
            "runs": p.runs,
            "status": "ok" if p.power is not None else "refused",
            "reason": p.reason,
        }
        for p in points
    ]
