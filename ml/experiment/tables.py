"""Rows of the other contract tables, one function per table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ml.experiment.baselines import Score, p_plan
from ml.experiment.calibrate import Calibration
from ml.experiment.classic import Line
from ml.experiment.gate import Check
from ml.experiment.metrics import CATALOGUE, Arm
from ml.experiment.rates import LEVELS, uniform_band, wilson
from ml.experiment.result_rows import Row
from ml.experiment.switchback import Design, observed, shifts


def check_rows(experiment_id: str, checks: Sequence[Check]) -> list[Row]:
    """Return the rows of ``experiment_checks``."""
    return [
        {
            "experiment_id": experiment_id,
            "check_name": c.name,
            "scope": c.scope,
            "observed": c.observed,
            "expected": c.expected,
            "status": c.status,
        }
        for c in checks
    ]


def unit_rows(
    experiment_id: str, plan: Design, control: Arm, treatment: Arm, metrics: Sequence[str]
) -> list[Row]:
    """Return the rows of ``experiment_units``: the arm and the metric of every paired day."""
    position = {day: index for index, day in enumerate(control.days)}
    demand = {
        "control": control.counts["offered"].sum(axis=(0, 1)),
        "treatment": treatment.counts["offered"].sum(axis=(0, 1)),
    }
    rows: list[Row] = []
    for metric in metrics:
        values, is_treated = observed(plan, control, treatment, metric)
        taken = shifts(plan, control, metric)
        for index, day in enumerate(plan.days):
            arm = "treatment" if is_treated[index] else "control"
            rows.append(
                {
                    "experiment_id": experiment_id,
                    "metric": metric,
                    "block_id": index // 2,
                    "observed_on": day,
                    "arm": arm,
                    "value": float(values[index]),
                    "unit": CATALOGUE[metric].unit,
                    "covariate": float(taken[index]) if metric in plan.covariates else None,
                    "offered_requests": int(demand[arm][position[day]]),
                }
            )
    return rows


def demand_rows(experiment_id: str, arms: Mapping[str, Arm]) -> list[Row]:
    """Return what became of every request offered to each arm, all hours of the full run."""
    rows: list[Row] = []
    for name, arm in sorted(arms.items()):
        offered = int(arm.counts["offered"].sum())
        for outcome in ("served", "errored", "dropped"):
            requests = int(arm.counts[outcome].sum())
            rows.append(
                {
                    "experiment_id": experiment_id,
                    "arm": name,
                    "outcome": outcome,
                    "requests": requests,
                    "offered_requests": offered,
                    "offered_share": requests / offered if offered else None,
                }
            )
    return rows


def classic_rows(experiment_id: str, lines: Sequence[Line]) -> list[Row]:
    """Return the rows of ``experiment_classic_report`` in printing order."""
    rows = []
    for order, line in enumerate(lines, start=1):
        change = line.treatment - line.control
        share = change / line.control if line.control else math.nan
        rows.append(
            {
                "experiment_id": experiment_id,
                "line": line.line,
                "line_order": order,
                "unit": line.unit,
                "control": line.control,
                "treatment": line.treatment,
                "change_abs": change,
                "change_share": share,
                "definition": line.definition,
                "label": line.label,
            }
        )
    return rows


def baseline_rows(experiment_id: str, scores: Sequence[Score]) -> list[Row]:
    """Return the rows of ``experiment_baselines``, ranked by latency, ties by name."""
    cloud = [s.latency_ms for s in scores if s.family == "random_matched"]
    order = sorted(scores, key=lambda s: (s.latency_ms, s.name))
    rank = {s.name: position for position, s in enumerate(order, start=1)}
    return [
        {
            "experiment_id": experiment_id,
            "plan_name": s.name,
            "family": s.family,
            "mean_latency_ms": s.latency_ms,
            "cost_usd_per_million": s.cost_per_1m,
            "redundancy": s.redundancy,
            "instance_hours": s.instance_hours,
            "objective_usd_per_hour": s.objective_usd_per_hour,
            "latency_rank": rank[s.name],
            "p_plan": None if s.family == "random_matched" else p_plan(s.latency_ms, cloud),
        }
        for s in scores
    ]


def calibration_rows(measured: Sequence[Calibration], form: str = "short") -> list[Row]:
    """Return the rows of ``experiment_calibration``."""
    return [
        {
            "form": form,
            "source": m.source,
            "design": m.design,
            "metric": m.metric,
            "estimator": m.estimator,
            "scenario": m.scenario,
            "runs": m.runs,
            "false_positive_rate": m.rate,
            "rate_lo": m.lo,
            "rate_hi": m.hi,
            "coverage": m.coverage,
            "coverage_lo": m.coverage_lo,
            "coverage_hi": m.coverage_hi,
            "power": m.power,
            "bias_points": m.bias_points,
            "ks_p_uniform": m.ks_p_uniform,
            "is_canary": m.is_canary,
            "status": m.status,
        }
        for m in measured
    ]


def rejection_rows(measured: Sequence[Calibration], form: str = "short") -> list[Row]:
    """Return the rows of ``experiment_rejections``: p-values of no effect at every level."""
    rows: list[Row] = []
    for m in measured:
        far = uniform_band(m.runs)
        for level, share in zip(LEVELS, m.rejected or (), strict=False):
            lo, hi = wilson(round(share * m.runs), m.runs)
            rows.append(
                {
                    "form": form,
                    "source": m.source,
                    "design": m.design,
                    "metric": m.metric,
                    "estimator": m.estimator,
                    "scenario": m.scenario,
                    "nominal_level": level,
                    "runs": m.runs,
                    "rejected_share": share,
                    "rejected_lo": lo,
                    "rejected_hi": hi,
                    "band_lo": max(0.0, level - far),
                    "band_hi": min(1.0, level + far),
                    "is_canary": m.is_canary,
                }
            )
    return rows
