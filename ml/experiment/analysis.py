"""Everything between a green gate and the verdict: effects, guard rails, ranks, power, rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml.beside import beside
from ml.experiment import tables
from ml.experiment.calibrate import Calibration, calibrate
from ml.experiment.calibrate_covariate import short_rows
from ml.experiment.classic import classic_report
from ml.experiment.community_layer import CommunityLayers, run_community_layers
from ml.experiment.config import ExperimentSettings
from ml.experiment.cross_check_rows import cross_check_rows
from ml.experiment.decide import SuccessEvidence
from ml.experiment.design_rows import (
    assignment_rows,
    community_rows,
    member_rows,
    monitor_rows,
    power_rows,
)
from ml.experiment.evidence import (
    calibration_checks,
    covariate_checks,
    evidence_of,
    gain_checks,
)
from ml.experiment.field_layer import DIAGNOSTICS, PRINTED, Layer, run_switchback
from ml.experiment.fleet import FeatureReader, Fleet, waiting_prices
from ml.experiment.full_run import FullRun
from ml.experiment.gate import Check
from ml.experiment.guardrails import Guardrail, judge_all
from ml.experiment.plans import PlanSet
from ml.experiment.power_designs import switchback_power
from ml.experiment.pre_period import Gains, adjusted_days, gains_of, run_pre_period
from ml.experiment.quantile_curve import curve_rows
from ml.experiment.ranking import Ranking, rank_plans
from ml.experiment.result_rows import Row, guardrail_row, switchback_row, twin_row
from ml.experiment.segments import segment_rows
from ml.experiment.service_effects import service_rows
from ml.experiment.switchback import (
    check_assignment,
    check_before,
    classical_t,
    observed,
)
from ml.experiment.twin import Twin, TwinResult
from ml.experiment.world import World

BUILD_POWER_DRAWS = 200
"""Enough for a planning table in every build; the command simulates the registered number."""


@dataclass(frozen=True)
class Analysis:
    """Rows, judgements and numbers for the verdict, tables and report."""

    evidence: list[SuccessEvidence]
    rails: list[Guardrail]
    checks: list[Check]
    refusal: str | None
    remarks: tuple[str, ...]
    result_rows: list[Row]
    unit_rows: list[Row]
    classic_rows: list[Row]
    baseline_rows: list[Row]
    calibration_rows: list[Row]
    verdict_numbers: dict[str, float | None]
    report: dict[str, Any]
    headline: dict[str, float | None]
    more: dict[str, list[Row]]


def analyze(
    world: World,
    plans: PlanSet,
    fleet: Fleet,
    settings: ExperimentSettings,
    full: FullRun,
    features: FeatureReader,
) -> Analysis:
    """Estimate, judge and rank, given a full run that passed the gate."""
    bare = {arm: plans.bare(arm) for arm in ("control", "treatment")}
    prices = waiting_prices(
        full.control.service_ids, plans.services, plans.ids.get("treatment", "")
    )
    passes = Twin(world, bare, settings, full.arms())
    # These need nothing of what follows, and take about as long.
    aside = beside(
        lambda: (rank_plans(world, plans, fleet, settings, full, prices), passes.draws())
    )
    replications = passes.replications()
    pre = run_pre_period(world, plans, settings, prices)
    layer = run_switchback(settings, full, pre)
    measured = calibrate(settings, pre.daily)
    measured += short_rows(settings, adjusted_days(pre.covariates))
    both = Gains(pre.gains, gains_of(full.control, full.treatment, prices))
    layers = run_community_layers(world, plans, fleet, features, settings, full)
    points = switchback_power(settings, pre.tested, BUILD_POWER_DRAWS)
    ranking, drawn = aside()
    twin = passes.estimate(replications, drawn)
    rails = judge_all(
        settings, twin, plans.bare("control"), plans.bare("treatment"), fleet.min_regions()
    )
    before = [check_before(settings, layer.plan, pre.tested)] if layer else []
    found = _assemble(
        settings, plans, fleet, full, twin, layer, layers, rails, ranking, measured, both
    )
    plan = layer.plan if layer else None
    found.result_rows.extend(cross_check_rows(settings, plan, layers, full, pre))
    found.checks.extend(before)
    found.more["experiment_power"] = power_rows(settings, points)
    found.more["experiment_rejections"] = tables.rejection_rows(measured)
    return found


def _assemble(
    settings: ExperimentSettings,
    plans: PlanSet,
    fleet: Fleet,
    full: FullRun,
    twin: TwinResult,
    layer: Layer | None,
    layers: CommunityLayers | None,
    rails: list[Guardrail],
    ranking: Ranking,
    measured: list[Calibration],
    gains: Gains,
) -> Analysis:
    identity = settings.experiment_id
    primary = settings.metrics.success[0]
    by_community = community_rows(settings, layers)
    evidence = [evidence_of(name, twin, layer, by_community) for name in settings.metrics.success]
    checks = [*calibration_checks(measured), *ranking.checks, *gain_checks(gains)]
    classical = None
    if layer:
        checks += check_assignment(settings, layer.plan, full.control, full.treatment)
        checks += covariate_checks(settings, layer.plan)
        if layer.plan.blocks >= 2:
            values, is_treated = observed(layer.plan, full.control, full.treatment, "latency_mean")
            classical = classical_t(values, is_treated)
    lines = classic_report(
        twin,
        plans.placements,
        fleet,
        classical,
        layer.effects.get("latency_mean") if layer else None,
        {m.estimator: m.rate or 0.0 for m in measured if m.source == "noise_world"},
    )
    rows = _result_rows(settings, fleet, full, twin, layer, rails) + by_community
    plan = layer.plan if layer else None
    more = {
        "experiment_assignments": assignment_rows(settings, plan, layers),
        "experiment_communities": member_rows(settings, layers),
        "experiment_service_effects": service_rows(settings, full.control, full.treatment, plan),
        "experiment_monitor": monitor_rows(settings, layer, full),
        "experiment_demand": tables.demand_rows(identity, full.arms()),
        "experiment_quantiles": curve_rows(settings, twin.curves, plan, full),
    }
    units = list(dict.fromkeys((*settings.metrics.success, "latency_p99")))
    redraw = layer.redraws.get(primary) if layer else None
    classic = tables.classic_rows(identity, lines)
    return Analysis(
        evidence,
        rails,
        checks,
        _refusal(settings, layer),
        _remarks(settings, layer, twin),
        rows,
        tables.unit_rows(identity, layer.plan, full.control, full.treatment, units)
        if layer
        else [],
        classic,
        tables.baseline_rows(identity, ranking.scores),
        tables.calibration_rows(measured),
        {
            "in_sample_gain_share": gains.in_sample.get("objective"),
            "out_of_sample_gain_share": gains.out_of_sample.get("objective"),
            "coin_redraws_significant_share": redraw,
        },
        _report(twin, layer, ranking, measured, gains, classic),
        _headline(twin, layer),
        more,
    )


def _refusal(settings: ExperimentSettings, layer: Layer | None) -> str | None:
    if layer and layer.plan.blocks < settings.switchback.min_blocks:
        return f"{layer.plan.blocks} blocks, at least {settings.switchback.min_blocks} needed"
    return None


def _remarks(
    settings: ExperimentSettings, layer: Layer | None, twin: TwinResult
) -> tuple[str, ...]:
    remarks = []
    for name, wanted in settings.mde.items():
        power = layer.power.get(name) if layer else None
        if power and (power.mde80 is None or power.mde80 > wanted):
            found = "none" if power.mde80 is None else f"{power.mde80:.1%}"
            remarks.append(
                f"underpowered: smallest {name} effect found with 80 % power is {found}, "
                f"registered {wanted:.1%}"
            )
    return (*remarks, *twin.notes)


def _result_rows(
    settings: ExperimentSettings,
    fleet: Fleet,
    full: FullRun,
    twin: TwinResult,
    layer: Layer | None,
    rails: Sequence[Guardrail],
) -> list[Row]:
    identity = settings.experiment_id
    rows = [twin_row(identity, twin.estimates[n], "success") for n in settings.metrics.success]
    rows += [
        twin_row(identity, twin.estimates[n], "diagnostic", verdict="reported") for n in DIAGNOSTICS
    ]
    rows += [guardrail_row(identity, r, twin.estimates.get(r.name)) for r in rails]
    if layer:
        for name in settings.metrics.success:
            rows.append(
                switchback_row(
                    settings,
                    layer.effects[name],
                    "success",
                    p_adjusted=layer.adjusted[name],
                    power=layer.power.get(name),
                    reason=f"{layer.redraws[name]:.0%} of other coin sequences have p < 0.05"
                    if layer.redraws.get(name) is not None
                    else None,
                )
            )
        printed = "printed; guard rails are judged in the twin"
        rows += [
            switchback_row(settings, layer.effects[n], "guardrail", reason=printed)
            for n in PRINTED
            if n in settings.metrics.guardrails
        ]
        rows += [switchback_row(settings, layer.effects[n], "diagnostic") for n in DIAGNOSTICS]
    plan = layer.plan if layer else None
    return rows + segment_rows(settings, fleet, full.control, full.treatment, plan)


def _headline(twin: TwinResult, layer: Layer | None) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for name in ("latency_mean", "latency_p95", "cost_per_1m"):
        estimate = twin.estimates[name]
        lo, hi = estimate.plausible()
        for key, value in (("effect", estimate.theta), ("lo", lo), ("hi", hi)):
            numbers[f"{name}_{key}"] = None if math.isnan(value) else math.expm1(value)
        effect = layer.effects.get(name) if layer else None
        numbers[f"{name}_p_value"] = effect.test.p_value if effect and effect.test else None
    return numbers


def _report(
    twin: TwinResult,
    layer: Layer | None,
    ranking: Ranking,
    measured: Sequence[Calibration],
    gains: Gains,
    classic: Sequence[Row],
) -> dict[str, Any]:
    return {
        "classic": {str(row["line"]): row for row in classic},
        "baselines": ranking.summary,
        "out_of_sample": {
            name: {
                "train_gain": gains.in_sample.get(name),
                "eval_gain": later,
                "ratio": gains.ratio(name),
            }
            for name, later in gains.out_of_sample.items()
        },
        "coin_redraws": layer.redraws if layer else {},
        "power": [p.__dict__ for p in layer.power.values()] if layer else [],
        "calibration": tables.calibration_rows(measured),
        "twin_passes": twin.notes,
    }
