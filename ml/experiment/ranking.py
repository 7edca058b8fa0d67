"""Where the treatment stands among other plans, run in the same world on the same demand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from ml.experiment.baselines import (
    Score,
    budget_of,
    cheapest,
    daily_gain,
    greedy_nearest,
    p_plan,
    random_plans,
    rescaled,
    run_and_score,
)
from ml.experiment.config import ExperimentSettings
from ml.experiment.fleet import Fleet
from ml.experiment.full_run import FullRun
from ml.experiment.gate import Check
from ml.experiment.metrics import Floats
from ml.experiment.plans import PlanSet
from ml.experiment.rng import generator
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
    """Score treatment, control, simple rules and random plans of the treatment's budget."""
    days = _days(full, settings)
    control, treatment = plans.bare("control"), plans.bare("treatment")
    budget = budget_of(treatment, fleet)
    listed = [("treatment", "treatment", treatment), ("control", "control", control)]
    if settings.baselines.greedy_nearest and budget.rtt_ms.size:
        listed.append(("greedy_nearest", "greedy_nearest", greedy_nearest(budget)))
    if settings.baselines.cheapest:
        listed.append(("cheapest", "cheapest", cheapest(budget)))
    gap = treatment["instances"].sum() / max(int(control["instances"].sum()), 1) - 1
    if abs(gap) > _GAP:
        matched = rescaled(treatment, control)
        listed.append(("treatment_at_control_instances", "treatment", matched))
    scores = [run_and_score(world, n, f, plan, days, prices) for n, f, plan in listed]
    cloud = _cloud(
        world, settings, budget, "random", settings.baselines.random_matched, days, prices
    )
    own = _cloud(
        world,
        settings,
        budget_of(control, fleet),
        "control_random",
        settings.baselines.control_random_matched,
        days,
        prices,
    )
    summary = _summary(scores, cloud, own, days)
    return Ranking([*scores, *cloud], summary, _checks(summary))


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


def _summary(
    scores: Sequence[Score], cloud: Sequence[Score], own: Sequence[Score], days: Sequence[date]
) -> dict[str, Any]:
    by_name = {score.name: score for score in scores}
    treatment = by_name["treatment"]
    latencies = [score.latency_ms for score in cloud]
    summary: dict[str, Any] = {
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
            by_name["control"].latency_ms, [s.latency_ms for s in own]
        ),
    }
    for rule in ("greedy_nearest", "cheapest", "control"):
        if rule in by_name:
            effect, lo, hi = daily_gain(treatment, by_name[rule])
            objective = treatment.objective_usd_per_hour / by_name[rule].objective_usd_per_hour - 1
            summary[f"against_{rule}"] = {
                "latency_effect": effect,
                "lo": lo,
                "hi": hi,
                "objective_effect": objective,
            }
    return summary


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
        clear = greedy["hi"] < 0
        checks.append(
            Check(
                "gain_over_greedy_nearest",
                "baselines",
                f"latency {greedy['latency_effect']:+.2%} "
                f"[{_percent(greedy['lo'])}, {_percent(greedy['hi'])}], "
                f"objective {greedy['objective_effect']:+.2%}: "
                f"{'faster than' if clear else 'NOT shown faster than'} nearest regions",
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
