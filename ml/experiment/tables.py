"""From results to the rows of the contract tables. Unknown numbers become null, never zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml.contract import TABLES
from ml.experiment.baselines import Score, p_plan
from ml.experiment.calibrate import Calibration
from ml.experiment.classic import Line
from ml.experiment.config import ExperimentSettings
from ml.experiment.decide import side
from ml.experiment.gate import Check
from ml.experiment.guardrails import Guardrail
from ml.experiment.metrics import CATALOGUE, Arm, relative
from ml.experiment.power import Power
from ml.experiment.switchback import Design, SwitchbackEffect, observed
from ml.experiment.twin import N1, TwinEstimate

Row = dict[str, Any]


def frame(table: str, rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows with every column of the contract; absent ones are null."""
    columns = next([c.name for c in t.columns] for t in TABLES if t.name == table)
    listed = [{k: _null(v) for k, v in row.items()} for row in rows]
    return pd.DataFrame(listed, columns=columns)


def _null(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def result_row(experiment_id: str, mode: str, metric: str, role: str, **values: Any) -> Row:
    """Return a results row; everything not given is null."""
    unit = CATALOGUE[metric].unit if metric in CATALOGUE else values.pop("unit", "share")
    return {
        "experiment_id": experiment_id,
        "mode": mode,
        "metric": metric,
        "role": role,
        "segment": "all",
        "segment_value": "all",
        "unit": unit,
        "status": "ok",
        **values,
    }


def twin_row(
    experiment_id: str, estimate: TwinEstimate, role: str, *, verdict: str | None = None
) -> Row:
    """Return the twin row of a metric: 95 % Monte-Carlo interval and plausible range, no p."""
    lo, hi = estimate.monte_carlo(0.95)
    plausible = estimate.plausible()
    if verdict is None:
        lower = CATALOGUE[estimate.name].lower_is_better
        verdict = side(*plausible, lower)
    method = f"common random numbers, {estimate.thetas.size} replications, t interval; "
    method += f"plausible range: 5 % and 95 % order statistics of {estimate.draws.size} input draws"
    row = result_row(
        experiment_id,
        "twin",
        estimate.name,
        role,
        interval_level=0.95,
        blocks=estimate.thetas.size,
        method=method,
        verdict=verdict,
        reason=_coarse(estimate, lo, hi, plausible),
    )
    return row | _levels(estimate, estimate.theta, lo, hi, plausible)


def _levels(
    estimate: TwinEstimate, theta: float, lo: float, hi: float, plausible: tuple[float, float]
) -> Row:
    control = estimate.control
    if estimate.scale == "difference":
        row: Row = {"abs_effect": theta, "abs_lo": lo, "abs_hi": hi}
        return row | {"control": control, "treatment": control + theta}
    shares = [relative(v) for v in (theta, lo, hi)]
    money = [None if s is None else control * s for s in shares]
    return {
        "control": control,
        "treatment": control * math.exp(theta),
        **dict(zip(("rel_effect", "rel_lo", "rel_hi"), shares, strict=True)),
        **dict(zip(("abs_effect", "abs_lo", "abs_hi"), money, strict=True)),
        "plausible_lo": relative(plausible[0]),
        "plausible_hi": relative(plausible[1]),
    }


def _coarse(
    estimate: TwinEstimate, lo: float, hi: float, plausible: tuple[float, float]
) -> str | None:
    if any(math.isnan(v) for v in (lo, hi, *plausible)):
        return "a bound is unknown: no replications or no input draws carry this metric"
    if (hi - lo) > (plausible[1] - plausible[0]) / 10:
        return "flag: Monte-Carlo half-width above a tenth of the plausible half-width"
    return None


def guardrail_row(experiment_id: str, rail: Guardrail, estimate: TwinEstimate | None) -> Row:
    """Return the judged row of a guard rail; its interval is the one it was judged on."""
    units = {"worst_top20_service_latency": "ms", "moves": "count"}
    units |= {"redundancy_min_regions": "services", "max_region_utilisation": "share", N1: "share"}
    row = result_row(
        experiment_id,
        "twin",
        rail.name,
        "guardrail",
        unit=units.get(rail.name, "share"),
        control=rail.control,
        treatment=rail.treatment,
        margin=rail.margin,
        margin_kind=rail.kind,
        verdict=rail.verdict,
        status="insufficient" if math.isnan(rail.upper) else "ok",
        reason=rail.reason,
        blocks=estimate.thetas.size if estimate else None,
        method="worse of the one-sided 95 % t bound over replications and the 95 % order statistic "
        "over input draws"
        if rail.kind in ("relative", "absolute")
        else "exact count",
    )
    kind = "rel" if rail.kind == "relative" else "abs"
    row |= {f"{kind}_effect": rail.effect, f"{kind}_lo": rail.lower, f"{kind}_hi": rail.upper}
    if kind == "rel":
        row |= {"abs_effect": rail.control * rail.effect}
        row |= {"treatment": rail.control * (1 + rail.effect)}
    if rail.kind in ("relative", "absolute"):
        row["interval_level"] = 0.90
    if estimate is not None and estimate.scale == "log":
        plausible = estimate.plausible()
        row |= {"plausible_lo": relative(plausible[0]), "plausible_hi": relative(plausible[1])}
    return row


def switchback_row(
    settings: ExperimentSettings,
    effect: SwitchbackEffect,
    role: str,
    *,
    p_adjusted: float | None = None,
    power: Power | None = None,
    segment: tuple[str, str] = ("all", "all"),
    reason: str | None = None,
) -> Row:
    """Return a switchback row; refused metrics keep effect, interval and p null."""
    row = result_row(
        settings.experiment_id,
        "switchback",
        effect.name,
        role,
        segment=segment[0],
        segment_value=segment[1],
        control=effect.control,
        treatment=effect.treatment,
        mde80=power.mde80 if power else None,
        method="sign-flip test over blocks of two days, Hartigan interval; first 4 h of every day "
        "left out",
    )
    if effect.test is None:
        reason = effect.reason
        return row | {"status": "insufficient", "verdict": "not_judged", "reason": reason}
    test = effect.test
    row |= {
        "p_value": test.p_value,
        "p_adjusted": p_adjusted,
        "interval_level": 1 - settings.alpha,
        "blocks": test.blocks,
        "verdict": {"guardrail": "not_judged"}.get(role, "reported"),
        "reason": reason,
    }
    if role == "success" and p_adjusted is not None:
        row["verdict"] = "inconclusive"
        if p_adjusted <= settings.alpha:
            better = (test.estimate < 0) == CATALOGUE[effect.name].lower_is_better
            row["verdict"] = "superior" if better else "inferior"
    if CATALOGUE[effect.name].scale == "difference":
        return row | {"abs_effect": test.estimate, "abs_lo": test.lo, "abs_hi": test.hi}
    shares = [relative(v) for v in (test.estimate, test.lo, test.hi)]
    return (
        row
        | dict(zip(("rel_effect", "rel_lo", "rel_hi"), shares, strict=True))
        | {"abs_effect": effect.treatment - effect.control}
    )


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
                    "offered_requests": int(demand[arm][position[day]]),
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


def calibration_rows(measured: Sequence[Calibration]) -> list[Row]:
    """Return the rows of ``experiment_calibration``."""
    return [
        {
            "source": m.source,
            "design": m.design,
            "metric": m.metric,
            "estimator": m.estimator,
            "scenario": m.scenario,
            "runs": m.runs,
            "false_positive_rate": m.rate,
            "rate_lo": m.lo,
            "rate_hi": m.hi,
            "is_canary": m.is_canary,
            "status": m.status,
        }
        for m in measured
    ]


@dataclass(frozen=True)
class Gains:
    """Gain (a positive share is better) by name, on days the plan knew and on later days."""

    in_sample: Mapping[str, float]
    out_of_sample: Mapping[str, float]

    def ratio(self, name: str) -> float:
        """Return in-sample over out-of-sample gain; NaN where the latter is 0."""
        later = self.out_of_sample.get(name, math.nan)
        known = self.in_sample.get(name, math.nan)
        return known / later if later and np.isfinite(later) else math.nan
