"""The published kinds of plan, all evaluated with the same weights and the same code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.placement.errors import InfeasibleError
from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet, describe_today, evaluate_fleet
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.search import plans
from ml.placement.search.solve import Solution
from ml.placement.whatif import resolve

# A search that weighs one thing all at once ends where it began: the price rises step by step.
# $ per hour and added region, up to more than a region can save.
_MOVE_LADDER = (0.3, 3.0)
# $ per request that the worst loss of a region would drop.
_LOSS_LADDER = (1e-5, 1e-4)
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
    """

    name: str
    fleet: Fleet
    stop_reason: str


def published(found: Found, others: Sequence[tuple[Fleet, str]] = ()) -> list[Kind]:
    """Return the published plans; each is the best of those found, by its own measure.

    Args:
        found: The recommended plan and both ends.
        others: More plans within the same limits, with why their search stopped: the frontier's.
            A plan that breaks more rules than the recommended one is no candidate.
    """
    solution = found.recommended
    instance, space, today = solution.instance, solution.space, strict_today(solution)

    def strictly(chosen: Ints) -> Fleet:
        return evaluate_fleet(instance, space, chosen, today)

    def judged(one: Solution) -> tuple[Fleet, str]:
        return strictly(one.fleet.chosen), one.stop_reason

    own = judged(solution)
    ends = [own, *map(judged, found.ends), *others]
    ends = [end for end in ends if _broken(end[0]) <= _broken(own[0])]
    least = min(ends, key=lambda end: (plans.monthly_micro(end[0]), plans.mean_ms(end[0])))
    quick = plans.within_cap(ends, solution)
    quickest = min(quick, key=lambda end: (plans.mean_ms(end[0]), plans.monthly_micro(end[0])))
    calm = min((own, *map(judged, least_change(solution))), key=lambda end: _changes(end[0]))
    safe = min((own, *map(judged, best_region_recovery(solution))), key=lambda e: _exposed(e[0]))
    kinds = [
        ("current", (solution.today_fleet, "evaluated")),
        ("recommended", own),
        ("least_cost", least),
        ("best_latency", quickest),
        ("least_change", calm),
        ("best_region_recovery", safe),
        ("greedy", (strictly(plans.greedy(solution)), "evaluated")),
    ]
    return [Kind(name, fleet, stop) for name, (fleet, stop) in kinds]


def least_change(solution: Solution) -> list[Solution]:
    """Return plans that keep the rules with fewer and fewer added regions."""
    instance = solution.instance
    return _climbed(solution, [replace(instance, move_rent_usd=usd) for usd in _MOVE_LADDER])


def best_region_recovery(solution: Solution) -> list[Solution]:
    """Return plans that serve more and more after the worst loss, within rules and budget."""
    policy = solution.instance.policy
    priced = [replace(policy, region_loss_usd_per_request=usd) for usd in _LOSS_LADDER]
    return _climbed(solution, [replace(solution.instance, policy=p) for p in priced])


def _climbed(solution: Solution, problems: Sequence[Instance]) -> list[Solution]:
    """Solve one problem after another, each from the end of the one before."""
    found, start = [], solution.fleet.chosen
    for problem in problems:
        try:
            one = resolve(problem, start, _ROUNDS)
        except InfeasibleError:
            break
        found.append(one)
        start = one.fleet.chosen
    return found


def _broken(fleet: Fleet) -> int:
    """Return how many services break a rule."""
    return int((fleet.assessed.broken != 0).sum())


def _changes(fleet: Fleet) -> tuple[int, int, int]:
    """Fewest services that break a rule first, then fewest added regions, then cost."""
    found = fleet.assessed
    return _broken(fleet), int(found.added.sum()), int(fleet.cost_micro.sum())


def _exposed(fleet: Fleet) -> tuple[int, float]:
    """Fewest services that break a rule first, then the requests that the worst loss drops."""
    rps = fleet.clients.mean_rps.sum(axis=1)
    dropped = float((rps * (1.0 - fleet.assessed.served_share[:, 0])).sum())
    return _broken(fleet), dropped


def strict_today(solution: Solution) -> Today:
    """Return what the plans are judged by: nobody is excused from the rule on slowdowns."""
    return describe_today(solution.instance, solution.space)[0]


def excused(solution: Solution) -> Flags:
    """Return the services that the search let be slowed down, ``(S,)``."""
    judged = np.isfinite(strict_today(solution).slowest_ms)
    return np.asarray(judged & np.isinf(solution.today.slowest_ms))
