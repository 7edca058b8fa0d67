"""The published kinds of plan, all evaluated with the same weights and the same code."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.placement import plans
from ml.placement.errors import InfeasibleError
from ml.placement.evaluate import Today
from ml.placement.fleet import Fleet, describe_today, evaluate_fleet
from ml.placement.instance import Flags, Instance, Ints
from ml.placement.solve import Solution
from ml.placement.whatif import resolve

# More than any plan can save by one added region: fewest moves first, then cost.
_MOVE_USD = 1e3
# More than any plan can save by one dropped request: survival first, then cost.
_LOSS_USD = 1.0
_ROUNDS = 4


@dataclass(frozen=True)
class Found:
    """The recommended plan, and the two ends of the trade between cost and waiting."""

    recommended: Solution
    ends: tuple[Solution, Solution]


@dataclass(frozen=True)
class Kind:
    """One published plan.

    Attributes:
        name: Plan kind.
        fleet: The plan, evaluated.
        stop_reason: Why its search stopped.
        instance: The problem it was evaluated in; the build's own but for survival, where more
            services are sized for the loss of a region.
    """

    name: str
    fleet: Fleet
    stop_reason: str
    instance: Instance


def published(found: Found) -> list[Kind]:
    """Return the published plans; each is the best of those found, by its own measure."""
    solution = found.recommended
    instance, space, today = solution.instance, solution.space, strict_today(solution)

    def strictly(chosen: Ints) -> Fleet:
        return evaluate_fleet(instance, space, chosen, today)

    cheap, fast = found.ends
    own = (strictly(solution.fleet.chosen), solution.stop_reason)
    ends = (
        own,
        (strictly(cheap.fleet.chosen), cheap.stop_reason),
        (strictly(fast.fleet.chosen), fast.stop_reason),
    )
    least = min(ends, key=lambda end: plans.monthly_micro(end[0]))
    quickest = min(plans.within_cap(ends, solution), key=lambda end: plans.mean_ms(end[0]))
    calm = least_change(solution)
    calmest = own if calm is None else (strictly(calm.fleet.chosen), calm.stop_reason)
    kinds = [
        ("current", (solution.today_fleet, "evaluated")),
        ("recommended", own),
        ("least_cost", least),
        ("best_latency", quickest),
        ("least_change", min((own, calmest), key=lambda end: _changes(end[0]))),
        ("greedy", (strictly(plans.greedy(solution)), "evaluated")),
    ]
    out = [Kind(name, fleet, stop, instance) for name, (fleet, stop) in kinds]
    return [*out, best_region_recovery(solution)]


def least_change(solution: Solution) -> Solution | None:
    """Return a plan that keeps the rules with few added regions; None if none is found."""
    return _resolved(replace(solution.instance, move_rent_usd=_MOVE_USD), solution)


def best_region_recovery(solution: Solution) -> Kind:
    """Return the plan that serves most after the worst loss, within the same rules and budget.

    Every service that runs in two regions is sized to survive the loss of one; a high price on
    dropped requests spends the move budget where survival gains most.
    """
    instance = solution.instance
    doubled = solution.space.size[solution.fleet.chosen] >= 2
    sized = replace(instance, loss_proof=instance.loss_proof | doubled)
    policy = replace(instance.policy, region_loss_usd_per_request=_LOSS_USD)
    for trial in (sized, instance):
        found = _resolved(replace(trial, policy=policy), solution)
        if found is not None:
            today = describe_today(trial, solution.space)[0]
            fleet = evaluate_fleet(trial, solution.space, found.fleet.chosen, today)
            return Kind("best_region_recovery", fleet, found.stop_reason, trial)
    return Kind("best_region_recovery", solution.fleet, solution.stop_reason, instance)


def _resolved(instance: Instance, solution: Solution) -> Solution | None:
    try:
        return resolve(instance, solution.fleet.chosen, _ROUNDS)
    except InfeasibleError:
        return None


def _changes(fleet: Fleet) -> tuple[int, int]:
    return int(fleet.assessed.added.sum()), int(fleet.cost_micro.sum())


def strict_today(solution: Solution) -> Today:
    """Return what the plans are judged by: nobody is excused from the rule on slowdowns."""
    return describe_today(solution.instance, solution.space)[0]


def excused(solution: Solution) -> Flags:
    """Return the services that the search let be slowed down, ``(S,)``."""
    judged = np.isfinite(strict_today(solution).slowest_ms)
    return np.asarray(judged & np.isinf(solution.today.slowest_ms))
