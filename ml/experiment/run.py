"""The experiment from plans to verdict: register, gate, estimate, judge, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.experiment import tables
from ml.experiment.analysis import Analysis, analyze
from ml.experiment.calibrate import calibrate
from ml.experiment.config import ExperimentSettings, load_settings
from ml.experiment.decide import Decision, decide
from ml.experiment.fleet import FeatureReader, read_fleet
from ml.experiment.full_run import FullRun, run_both_plans
from ml.experiment.gate import Check
from ml.experiment.metric_rows import metric_rows
from ml.experiment.observational import History
from ml.experiment.opening import (
    evaluation_days,
    overlap_checks,
    registration_checks,
    untestable,
)
from ml.experiment.past import Past, read_past
from ml.experiment.plans import PlanSet, read_plans
from ml.experiment.registry import Registration, register
from ml.experiment.report import (
    ESTIMAND,
    LIMITS,
    POPULATION,
    git_commit,
    write_importances,
    write_placements,
    write_report,
)
from ml.experiment.result_rows import frame, result_row
from ml.experiment.world import World
from ml.io import Writer

STAGE = "experiment"
MIN_DAYS = 28
_EMPTY = (
    *("experiment_units", "experiment_classic_report", "experiment_baselines"),
    *("experiment_assignments", "experiment_communities", "experiment_service_effects"),
    *("experiment_monitor", "experiment_power", "experiment_goals", "experiment_moves"),
    *("experiment_demand", "experiment_quantiles", "experiment_event_study"),
    *("experiment_move_diagnostics", "recommendation_outcomes", "run_degradations"),
    *("sim_outcomes", "sim_latency_hist"),
)


# Tables that hold effects: an invalid experiment leaves them empty.
_CLAIMS = ("experiment_service_effects", "experiment_monitor", "experiment_quantiles")


@dataclass(frozen=True)
class ExperimentResult:
    """Verdict and headline numbers; effects are shares, None where nothing may be said."""

    experiment_id: str
    verdict: str
    reasons: tuple[str, ...]
    headline: Mapping[str, float | None] = field(default_factory=dict)


def run(
    features: FeatureReader,
    writer: Writer,
    world: World | None,
    settings: ExperimentSettings | None = None,
    *,
    registry: Path | None = None,
    history: History | None = None,
) -> ExperimentResult:
    """Compare the recommended plan with the current one and write every experiment table.

    Args:
        features: Reader of the feature tables.
        writer: Holds what the placement stage wrote; receives the results.
        world: Where plans can be tried; None for imported data, which then get no effect, no
            interval and no p-value, but a reason.
        settings: Registered configuration; the packaged one by default.
        registry: Where registrations outlive a build; beside the predictions if not given.
        history: What earlier builds advised and why moves were made; nothing if not given.

    Raises:
        RegistrationChangedError: If these plans were registered under other rules.
    """
    # Small products gain nothing from a second thread, and sums must not depend on threads.
    with threadpool_limits(limits=1):
        known = history or History()
        return _run(features, writer, world, settings or load_settings(), registry, known)


def _run(
    features: FeatureReader,
    writer: Writer,
    world: World | None,
    settings: ExperimentSettings,
    registry: Path | None,
    history: History,
) -> ExperimentResult:
    for name in _EMPTY:
        writer.write(name, frame(name, []), STAGE)
    _write(writer, "experiment_metrics", metric_rows(settings))
    fleet = read_fleet(features)
    plans = read_plans(writer, features, settings, fleet)
    folders = [*([registry] if registry else []), writer.artifacts_dir]
    registration = register(folders, settings, plans.placements)
    write_placements(writer.artifacts_dir, plans, fleet)
    write_importances(writer.artifacts_dir, writer.read("feature_importances"))
    past = read_past(settings, features, writer, plans, history, has_world=world is not None)
    for name, part in past.tables.items():
        _write(writer, name, part)
    refusal = plans.missing or (None if world else "no world to run the plans in: imported data")
    if refusal or world is None:
        checks = [*registration_checks(registration), *untestable(refusal or "")]
        return _refused(writer, settings, plans, registration, checks, refusal or "", past)
    days = evaluation_days(settings, world, plans.trained_through)
    checks = [*registration_checks(registration), *overlap_checks(settings, plans, days)]
    if any(c.status == "red" for c in checks):
        return _refused(writer, settings, plans, registration, checks, "a check is red", past, days)
    full = run_both_plans(world, plans, days, fleet.min_regions())
    checks += full.checks
    if any(c.status == "red" for c in checks):
        return _refused(
            writer, settings, plans, registration, checks, "the gate is red", past, days
        )
    found = analyze(world, plans, fleet, settings, full, features)
    return _finish(writer, settings, plans, registration, checks, found, full, past)


def _refused(
    writer: Writer,
    settings: ExperimentSettings,
    plans: PlanSet,
    registration: Registration,
    checks: Sequence[Check],
    reason: str,
    past: Past,
    days: Sequence[date] = (),
) -> ExperimentResult:
    """Write a complete set of tables that claim nothing: null effects, a status, a reason."""
    decision = decide([], [], checks, settings.alpha, refused=reason)
    is_invalid = decision.verdict == "invalid"
    rows = list(past.results)
    for mode in settings.mode:
        if mode in ("observational", "shadow"):
            continue
        status = "invalid" if is_invalid else "insufficient" if mode == "switchback" else "refused"
        roles = [(m, "success") for m in settings.metrics.success]
        roles += [(m, "guardrail") for m in settings.metrics.guardrails]
        rows += [
            result_row(
                settings.experiment_id,
                mode,
                metric,
                role,
                status=status,
                verdict="not_judged",
                reason=reason,
            )
            for metric, role in roles
        ]
    measured = calibrate(settings)
    _write(writer, "experiment_calibration", tables.calibration_rows(measured))
    _write(writer, "experiment_rejections", tables.rejection_rows(measured))
    _write(writer, "experiment_results", rows)
    _write(writer, "experiment_checks", tables.check_rows(settings.experiment_id, checks))
    _write_verdict(writer, settings, plans, registration, decision, days, {})
    content = _report_head(settings, plans, registration, checks, decision, rows)
    content["calibration"] = tables.calibration_rows(measured)
    write_report(writer.artifacts_dir, content)
    return ExperimentResult(settings.experiment_id, decision.verdict, decision.reasons)


def _finish(
    writer: Writer,
    settings: ExperimentSettings,
    plans: PlanSet,
    registration: Registration,
    checks: list[Check],
    found: Analysis,
    full: FullRun,
    past: Past,
) -> ExperimentResult:
    checks = [*checks, *found.checks]
    days = full.control.days
    short = f"{len(days)} evaluation days, at least {MIN_DAYS} needed"
    decision = decide(
        found.evidence,
        found.rails,
        checks,
        settings.alpha,
        refused=short if len(days) < MIN_DAYS else found.refusal,
    )
    decision = Decision(decision.verdict, (*decision.reasons, *found.remarks))
    rows = found.result_rows + past.results
    if decision.verdict == "invalid":
        rows = [_without_effect(row) for row in rows]
    _write(writer, "experiment_results", rows)
    _write(writer, "experiment_checks", tables.check_rows(settings.experiment_id, checks))
    _write(writer, "experiment_units", found.unit_rows)
    _write(writer, "experiment_classic_report", found.classic_rows)
    _write(writer, "experiment_baselines", found.baseline_rows)
    _write(writer, "experiment_calibration", found.calibration_rows)
    for name, part in found.more.items():
        _write(writer, name, [] if name in _CLAIMS and decision.verdict == "invalid" else part)
    _write_verdict(writer, settings, plans, registration, decision, days, found.verdict_numbers)
    content = _report_head(settings, plans, registration, checks, decision, rows)
    content |= found.report
    write_report(writer.artifacts_dir, content)
    headline = {} if decision.verdict == "invalid" else found.headline
    return ExperimentResult(settings.experiment_id, decision.verdict, decision.reasons, headline)


_EFFECTS = (
    *("abs_effect", "abs_lo", "abs_hi", "rel_effect", "rel_lo", "rel_hi"),
    *("p_value", "p_adjusted", "plausible_lo", "plausible_hi"),
)


def _without_effect(row: dict[str, Any]) -> dict[str, Any]:
    blank = dict.fromkeys(_EFFECTS)
    return row | blank | {"status": "invalid", "verdict": "not_judged", "reason": "a check is red"}


def _write(writer: Writer, name: str, rows: Sequence[dict[str, Any]]) -> None:
    writer.write(name, frame(name, rows), STAGE)


def _write_verdict(
    writer: Writer,
    settings: ExperimentSettings,
    plans: PlanSet,
    registration: Registration,
    decision: Decision,
    days: Sequence[date],
    numbers: Mapping[str, float | None],
) -> None:
    row = {
        "experiment_id": settings.experiment_id,
        "verdict": decision.verdict,
        "reasons": "; ".join(decision.reasons),
        "config_sha256": registration.config_sha256,
        "control_plan_id": plans.ids.get("control", "none"),
        "treatment_plan_id": plans.ids.get("treatment"),
        "train_through_on": plans.trained_through,
        "evaluate_from_on": days[0] if days else None,
        "evaluate_days": len(days),
        **numbers,
    }
    _write(writer, "experiment_verdict", [row])


def _report_head(
    settings: ExperimentSettings,
    plans: PlanSet,
    registration: Registration,
    checks: Sequence[Check],
    decision: Decision,
    rows: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "experiment_id": settings.experiment_id,
        "config_sha256": registration.config_sha256,
        "plan_sha256": registration.plan_sha256,
        "plan_ids": plans.ids,
        "git_commit": git_commit(),
        "seeds": {"experiment": settings.seed},
        "estimand": ESTIMAND,
        "population": POPULATION,
        "checks": [c.__dict__ for c in checks],
        "results": [r for r in rows if r["role"] != "guardrail"],
        "guardrails": [r for r in rows if r["role"] == "guardrail"],
        "decision": {"verdict": decision.verdict, "reasons": decision.reasons},
        "limits": LIMITS,
    }
