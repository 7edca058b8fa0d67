"""Effects by origin, tier and size: exploratory, adjusted over all segments together."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from ml.experiment.config import ExperimentSettings
from ml.experiment.fleet import Fleet
from ml.experiment.metrics import Arm, Cut, effect, relative, total_value
from ml.experiment.result_rows import Row, result_row, switchback_row
from ml.experiment.switchback import Design, analyze

METRIC = "latency_mean"
_NOTE = "exploratory: Benjamini-Hochberg over all segments"


def cuts(settings: ExperimentSettings, fleet: Fleet, arm: Arm) -> Iterator[tuple[str, str, Cut]]:
    """Yield every registered segment that has demand: dimension, value, cut."""
    services = np.array(arm.service_ids)
    if "origin" in settings.segments:
        for index, origin in enumerate(arm.origin_ids):
            yield "origin", origin, Cut(origins=np.arange(len(arm.origin_ids)) == index)
    if "tier" in settings.segments:
        tiers = np.array([fleet.text(s, "tier") or "unknown" for s in services])
        for tier in sorted(set(tiers)):
            yield "tier", str(tier), Cut(services=tiers == tier)
    if "traffic_decile" in settings.segments:
        offered = arm.counts["offered"].sum(axis=(1, 2))
        order = sorted(range(len(services)), key=lambda i: (int(offered[i]), i))
        decile = np.empty(len(services), dtype=np.int64)
        decile[order] = 1 + np.arange(len(services)) * 10 // max(len(services), 1)
        for number in sorted(set(decile.tolist())):
            yield "traffic_decile", f"{number:02d}", Cut(services=decile == number)


def segment_rows(
    settings: ExperimentSettings,
    fleet: Fleet,
    control: Arm,
    treatment: Arm,
    plan: Design | None,
) -> list[Row]:
    """Return twin rows without a p-value and switchback rows with an adjusted one."""
    rows: list[Row] = []
    tested: list[Row] = []
    for dimension, value, cut in cuts(settings, fleet, control):
        if not total_value(control, METRIC, cut=cut) > 0:
            continue
        rows.append(_twin(settings, dimension, value, control, treatment, cut))
        if plan is not None:
            found = analyze(settings, plan, control, treatment, METRIC, cut)
            segment = (dimension, value)
            row = switchback_row(settings, found, "segment", segment=segment, reason=_NOTE)
            (tested if found.test else rows).append(row)
    if tested:
        adjusted = stats.false_discovery_control([row["p_value"] for row in tested])
        for row, p_value in zip(tested, adjusted, strict=True):
            row["p_adjusted"] = float(p_value)
    return rows + tested


def _twin(
    settings: ExperimentSettings,
    dimension: str,
    value: str,
    control: Arm,
    treatment: Arm,
    cut: Cut,
) -> Row:
    before, after = (total_value(arm, METRIC, cut=cut) for arm in (control, treatment))
    theta = effect(after, before, "log")
    return result_row(
        settings.experiment_id,
        "twin",
        METRIC,
        "segment",
        segment=dimension,
        segment_value=value,
        control=before,
        treatment=after,
        abs_effect=after - before,
        rel_effect=relative(theta) if not math.isnan(theta) else None,
        blocks=1,
        method="full run of both plans on the same demand",
        verdict="reported",
        reason="exploratory: no interval",
    )
