"""Where the treatment stands among other plans, run in the same world on the same demand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from ml.experiment.baselines import (
    Budget,
    Score,
    budget_of,
    cheapest,
    daily_gain,
    greedy_nearest,
    p_plan,
    random_plans,
    rescaled,
    run_and_score,
    score,
)
from ml.experiment.config import ExperimentSettings
from ml.experiment.fleet import Fleet
from ml.experiment.full_run import FullRun
from ml.experiment.gate import Check
from ml.experiment.metrics import Floats
from ml.experiment.plans import PlanSet, required_regions
from ml.experiment.rng import generator
from ml.experiment.simple_rules import RULES, RuleBreaks, like_for_like_check, rule_breaks
from ml.experiment.world import World

_GAP = 0.01
P_GOAL = 0.05
MIN_RANDOM_PLANS = 200


@dataclass(frozen=True)
class Ranking:
    """Scores of every plan on the same days, what they say, and the checks of the claims."""

    scores: list[Score]
    summary: dict[str, Any]
    checks: list[Check]


def baseline_days(days: Sequence[date], count: int) -> list[date]:
    """Return ``count`` days spread evenly over the evaluation.

    Example:
        >>> [d.day for d in baseline_days([date(2026, 1, d) for d in range(1, 29)], 4)]
        [4, 11, 18, 25]
    """
    count = min(count, len(days))
    return [days[int((index + 0.5) * len(days) / count)] for index in range(count)]


def rank_plans(
    world: World,
    plans: PlanSet,
    fleet: Fleet,
    settings: ExperimentSettings,
    full: FullRun,
    prices: Floats,
) -> Ranking:
    """Score treatment, control, simple rules and random plans of the treatment's budget.

    All are ranked on the same few days, because random plans are many. The treatment is compared
    with single plans on every evaluation day.
    """
    days = _days(full, settings)
    control, treatment = plans.bare("control"), plans.bare("treatment")
    budget = budget_of(treatment, fleet)
    rules = _rules(settings, budget)
    listed = {"treatment": treatment, "control": control, **rules}
    gap = treatment["instances"].sum() / max(int(control["instances"].sum()), 1) - 1
    if abs(gap) > _GAP:
        listed["treatment_at_control_instances"] = rescaled(treatment, control)
    scores = {
        name: run_and_score(world, name, _family(name), plan, days, prices, detail=True)
        for name, plan in listed.items()
    }
    whole = {
        name: score(name, name, plans.bare(name), arm, prices) for name, arm in full.arms().items()
    }
    whole |= {
        name: run_and_score(world, name, name, plan, list(full.control.days), prices)
        for name, plan in rules.items()
    }
    cloud, own = (
        _cloud(world, settings, budget_of(plan, fleet), name, count, days, prices)
        for plan, name, count in (
            (treatment, "random", settings.baselines.random_matched),
            (control, "control_random", settings.baselines.control_random_matched),
        )
    )
    breaks = _breaks(settings, fleet, control, rules, scores)
    summary = _ranks(scores, cloud, own, days) | _gains(whole) | {"rule_breaks": breaks}
    checks = _checks(summary)
    checks += [
        like_for_like_check(
            name, found, scores["treatment"], summary[f"against_{name}"]["cost_effect"]
        )
        for name, found in breaks.items()
    ]
    return Ranking([*scores.values(), *cloud], summary, checks)


def _breaks(
    settings: ExperimentSettings,
    fleet: Fleet,
    control: pd.DataFrame,
    rules: dict[str, pd.DataFrame],
    scores: dict[str, Score],
) -> dict[str, RuleBreaks]:
    """Return what each simple rule breaks of what the treatment had to keep."""
    limit = settings.metrics.guardrails.get("moves")
    most = limit.max if limit else None
    needed = required_regions(control, fleet.min_regions())
    return {
        name: rule_breaks(plan, scores[name], scores["treatment"], control, needed, most)
        for name, plan in rules.items()
    }


def _rules(settings: ExperimentSettings, budget: Budget) -> dict[str, pd.DataFrame]:
    """Return the plans of the registered simple rules."""
    rules = {}
    if settings.baselines.greedy_nearest and budget.rtt_ms.size:
        rules["greedy_nearest"] = greedy_nearest(budget)
    if settings.baselines.cheapest:
        rules["cheapest"] = cheapest(budget)
    return rules


def _family(name: str) -> str:
    return "treatment" if name.startswith("treatment") else name


def _days(full: FullRun, settings: ExperimentSettings) -> list[date]:
    return baseline_days(full.control.days, settings.baselines.days)


def _cloud(
    world: World,
    settings: ExperimentSettings,
    budget: Any,
    name: str,
    count: int,
    days: list[date],
    prices: Floats,
) -> list[Score]:
    rng = generator(settings.experiment_id, settings.seed, name)
    return [
        run_and_score(world, f"{name}_{index:03d}", "random_matched", plan, days, prices)
        for index, plan in enumerate(random_plans(budget, count, rng), start=1)
    ]


def _ranks(
    scores: dict[str, Score], cloud: Sequence[Score], own: Sequence[Score], days: Sequence[date]
) -> dict[str, Any]:
    treatment = scores["treatment"]
    latencies = [score.latency_ms for score in cloud]
    return {
        "days": [day.isoformat() for day in days],
        "random_plans": len(cloud),
        "random_mean_latency_ms": float(np.mean(latencies)) if cloud else None,
        "random_sd_latency_ms": float(np.std(latencies, ddof=1)) if len(cloud) > 1 else None,
        "p_plan_latency": p_plan(treatment.latency_ms, latencies),
        "p_plan_objective": p_plan(
            treatment.objective_usd_per_hour, [s.objective_usd_per_hour for s in cloud]
        ),
        "p_plan_cost": p_plan(treatment.cost_per_1m, [s.cost_per_1m for s in cloud]),
        "control_p_plan_own_budget": p_plan(
            scores["control"].latency_ms, [s.latency_ms for s in own]
        ),
    }


def _gains(whole: dict[str, Score]) -> dict[str, Any]:
    """Compare the treatment with every single plan on the same days."""
    treatment = whole["treatment"]
    found = {}
    for name in (*RULES, "control"):
        if name in whole:
            other = whole[name]
            effect, lo, hi = daily_gain(treatment, other)
            found[f"against_{name}"] = {
                "days": len(other.daily_latency_ms),
                "latency_effect": effect,
                "lo": lo,
                "hi": hi,
                "cost_effect": treatment.cost_per_1m / other.cost_per_1m - 1,
                "objective_effect": treatment.objective_usd_per_hour / other.objective_usd_per_hour
                - 1,
            }
    return found


def _checks(summary: dict[str, Any]) -> list[Check]:
    """Say the two claims of the rank. A claim that fails is printed, it does not invalidate."""
    count, p_value = summary["random_plans"], summary["p_plan_latency"]
    checks = []
    if p_value is not None:
        holds = p_value <= P_GOAL
        checks.append(
            Check(
                "rank_among_random_plans",
                "baselines",
                f"latency p_plan {p_value:.4f}, objective p_plan {summary['p_plan_objective']:.4f} "
                f"among {count} random plans on {len(summary['days'])} days: "
                f"{'better' if holds else 'NOT better'} than 95 % of them in latency",
                "printed: a rank, not an A/B p-value",
                "green",
            )
        )
    greedy = summary.get("against_greedy_nearest")
    if greedy:
        word = "NOT shown faster than"
        if greedy["hi"] < 0:
            word = "faster than"
        elif greedy["lo"] > 0:
            word = "SLOWER than"
        checks.append(
            Check(
                "gain_over_greedy_nearest",
                "baselines",
                f"latency {greedy['latency_effect']:+.2%} "
                f"[{_percent(greedy['lo'])}, {_percent(greedy['hi'])}] over {greedy['days']} days, "
                f"cost {greedy['cost_effect']:+.2%}, objective {greedy['objective_effect']:+.2%}: "
                f"{word} nearest regions",
                "printed: the interval of the gain excludes 0, else it says so",
                "green",
            )
        )
    enough = count >= MIN_RANDOM_PLANS
    checks.append(
        Check(
            "random_plans_enough",
            "baselines",
            f"{count} random plans",
            f"{MIN_RANDOM_PLANS} or more, else the rank is not to be read",
            "green" if enough else "not_testable",
        )
    )
    return checks


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{share:+.2%}"
