"""Rows of ``experiment_results``. Unknown numbers become null, never zero."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from ml.contract import TABLES
from ml.experiment.config import ExperimentSettings
from ml.experiment.decide import side
from ml.experiment.estimate import TwinEstimate
from ml.experiment.guardrails import Guardrail
from ml.experiment.metrics import CATALOGUE, relative
from ml.experiment.power import Power
from ml.experiment.switchback import SwitchbackEffect
from ml.experiment.twin import N1

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
    given = values.pop("unit", "share")
    unit = CATALOGUE[metric].unit if metric in CATALOGUE else given
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


def _taken_off(effect: SwitchbackEffect) -> str:
    covariate = effect.covariate
    if covariate is None or covariate.gamma == 0:
        return ""
    return (
        f"; less what demand alone does, gamma {covariate.gamma:.3f} frozen {covariate.through}, "
        "both arms at the mean demand of the days"
    )


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
        f"left out{_taken_off(effect)}",
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
