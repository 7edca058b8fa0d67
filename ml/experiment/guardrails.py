"""Guard rails: what must not get worse, judged in the twin on the worse of two bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from ml.experiment.config import GUARDRAIL_KINDS, ExperimentSettings
from ml.experiment.estimate import TwinEstimate
from ml.experiment.plans import below, required_regions
from ml.experiment.signflip import holm
from ml.experiment.twin import N1, UTILISATION, TwinResult

Judgement = Literal["passed", "violated", "inconclusive"]


@dataclass(frozen=True)
class Guardrail:
    """One judged guard rail. Bounds are on the scale of the margin; NaN means unknown."""

    name: str
    kind: str
    margin: float
    control: float
    treatment: float
    effect: float
    lower: float
    upper: float
    verdict: Judgement
    reason: str


def bounds(estimate: TwinEstimate, level: float = 0.95) -> tuple[float, float]:
    """Return the wider of the one-sided replication bounds and the plausible range.

    Returns:
        Lower and upper bound on the estimate's scale; NaN where either source is missing, so that
        a guard rail without evidence can never pass.
    """
    mc_lo, mc_hi = estimate.monte_carlo(level, two_sided=False)
    plausible_lo, plausible_hi = estimate.plausible(1 - level)
    if any(math.isnan(v) for v in (mc_lo, mc_hi, plausible_lo, plausible_hi)):
        return math.nan, math.nan
    return min(mc_lo, plausible_lo), max(mc_hi, plausible_hi)


def judge(
    lower: float, upper: float, margin: float, *, higher_is_better: bool = False
) -> Judgement:
    """Judge an interval against a margin.

    Example:
        >>> judge(-0.01, 0.04, 0.05), judge(0.06, 0.09, 0.05), judge(0.0, 0.06, 0.05)
        ('passed', 'violated', 'inconclusive')
        >>> judge(-0.004, 0.01, -0.005, higher_is_better=True)
        'passed'
    """
    if math.isnan(lower) or math.isnan(upper):
        return "inconclusive"
    if higher_is_better:
        lower, upper, margin = -upper, -lower, -margin
    if upper <= margin:
        return "passed"
    return "violated" if lower > margin else "inconclusive"


def judge_estimate(
    name: str,
    estimate: TwinEstimate,
    margin: float,
    alpha: float,
    *,
    higher_is_better: bool = False,
) -> Guardrail:
    """Judge one estimate; log-scale effects are compared as relative changes."""
    lower, upper = bounds(estimate, 1 - alpha)
    theta = estimate.theta
    if estimate.scale == "log":
        lower, upper, theta = (math.expm1(v) for v in (lower, upper, theta))
    verdict = judge(lower, upper, margin, higher_is_better=higher_is_better)
    reason = f"bounds [{lower:+.4%}, {upper:+.4%}] against margin {margin:+.4%}"
    if math.isnan(upper):
        reason = "no replications or no input draws carry this metric"
    kind = GUARDRAIL_KINDS[name]
    kind = {"margin_rel": "relative", "margin_abs": "absolute"}[kind]
    return Guardrail(
        name,
        kind,
        margin,
        estimate.control,
        estimate.treatment,
        theta,
        lower,
        upper,
        verdict,
        reason,
    )


def _exact(
    name: str, kind: str, margin: float, control: float, treatment: float, ok: bool, reason: str
) -> Guardrail:
    gap = treatment - control
    verdict: Judgement = "passed" if ok else "violated"
    return Guardrail(name, kind, margin, control, treatment, gap, gap, gap, verdict, reason)


def worst_services(result: TwinResult, margin: float, alpha: float) -> Guardrail:
    """Judge every one of the heaviest services; the worst one speaks for all."""
    judged = [
        judge_estimate(
            "worst_top20_service_latency", result.estimates[f"service:{s}"], margin, alpha
        )
        for s in result.top_services
    ]
    if not judged:
        return Guardrail(
            "worst_top20_service_latency",
            "relative",
            margin,
            *(math.nan,) * 5,
            "inconclusive",
            "no service has demand",
        )
    order = {"violated": 0, "inconclusive": 1, "passed": 2}
    index = min(
        range(len(judged)),
        key=lambda i: (order[judged[i].verdict], -np.nan_to_num(judged[i].upper, nan=np.inf), i),
    )
    worst = judged[index]
    named = named_worse(result, alpha)
    reason = f"worst of {len(judged)}: {result.top_services[index]}, {worst.reason}; "
    reason += f"{len(named)} services are slower (Holm): {', '.join(named[:5]) or 'none'}"
    return Guardrail(**{**worst.__dict__, "reason": reason})


def named_worse(result: TwinResult, alpha: float) -> list[str]:
    """Return the heaviest services whose latency rose, by Holm over one-sided t-tests."""
    names, p_values = [], []
    for service in result.top_services:
        thetas = result.estimates[f"service:{service}"].thetas
        if thetas.size < 2 or not np.isfinite(thetas).all():
            continue
        spread = float(thetas.std(ddof=1))
        if spread == 0.0:
            p_value = 0.0 if thetas[0] > 0 else 1.0
        else:
            statistic = float(thetas.mean()) / (spread / math.sqrt(thetas.size))
            p_value = float(stats.t.sf(statistic, thetas.size - 1))
        names.append(service)
        p_values.append(p_value)
    adjusted = holm(p_values)
    return [name for name, p in zip(names, adjusted, strict=True) if p <= alpha]


def _pairs(plan: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(plan["service_id"], plan["region_id"], strict=True))


def placement_changes(control: pd.DataFrame, treatment: pd.DataFrame) -> tuple[int, int, int]:
    """Return how many (service, region) pairs were kept, added and removed."""
    old, new = _pairs(control), _pairs(treatment)
    return len(old & new), len(new - old), len(old - new)


def judge_all(
    settings: ExperimentSettings,
    result: TwinResult,
    control: pd.DataFrame,
    treatment: pd.DataFrame,
    min_regions: dict[str, int],
) -> list[Guardrail]:
    """Judge every registered guard rail, in the order of the configuration."""
    rails = []
    for name, margin in settings.metrics.guardrails.items():
        value = margin.of(GUARDRAIL_KINDS[name])
        limit = float(value) if isinstance(value, int | float) else 0.0
        if name == "worst_top20_service_latency":
            rails.append(worst_services(result, limit, settings.alpha))
        elif name == "unserved_share":
            rails.append(_unserved(result))
        elif name == UTILISATION:
            rails.append(_utilisation(result, limit))
        elif name == "redundancy_min_regions":
            rails.append(_redundancy(control, treatment, min_regions))
        elif name == "moves":
            rails.append(_moves(control, treatment, limit))
        else:
            rails.append(
                judge_estimate(
                    name,
                    result.estimates[name],
                    limit,
                    settings.alpha,
                    higher_is_better=name == N1,
                )
            )
    return rails


def _unserved(result: TwinResult) -> Guardrail:
    estimate = result.estimates["unserved_share"]
    # Replications run part of the days: against the full run on the same days, they are whole.
    worst = float(estimate.thetas.max())
    reason = f"largest treatment minus control over all replications {worst:+.3e}"
    return _exact(
        "unserved_share",
        "exact",
        0.0,
        estimate.control,
        estimate.treatment,
        worst <= 0,
        reason,
    )


def _utilisation(result: TwinResult, limit: float) -> Guardrail:
    worst = result.utilisation_worst
    reason = f"highest region utilisation over all passes {worst['treatment']:.3f}"
    return _exact(
        UTILISATION,
        "maximum",
        limit,
        worst["control"],
        worst["treatment"],
        worst["treatment"] <= limit,
        reason,
    )


def _redundancy(
    control: pd.DataFrame, treatment: pd.DataFrame, min_regions: dict[str, int]
) -> Guardrail:
    worse = below(treatment, required_regions(control, min_regions))
    below_c, below_t = below(control, min_regions), below(treatment, min_regions)
    reason = (
        f"{len(worse)} services fell below their rule{_head(worse)}; below it in any case: "
        f"{len(below_c)} in control, {len(below_t)} in treatment"
    )
    return _exact(
        "redundancy_min_regions",
        "exact",
        0.0,
        float(len(below_c)),
        float(len(below_t)),
        not worse,
        reason,
    )


def _head(names: Sequence[str]) -> str:
    return f" ({', '.join(names[:3])})" if names else ""


def _moves(control: pd.DataFrame, treatment: pd.DataFrame, limit: float) -> Guardrail:
    kept, added, removed = placement_changes(control, treatment)
    reason = f"{added} regions added, {removed} given up, {kept} kept"
    return _exact("moves", "maximum", limit, 0.0, float(added), added <= limit, reason)
