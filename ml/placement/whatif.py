"""What if: the plan solved again under other weights, prices and rules, with a bound of its own.

The search begins at the recommended plan and ends where no single change helps; the bound is
found again on the scenario's own data, an old bound is never reused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ml.placement.answers.saved import FILE, Problem, SavedProblemError, load
from ml.placement.answers.scenario import Scenario, ScenarioError, applied
from ml.placement.check.certificate import certify
from ml.placement.errors import InfeasibleError
from ml.placement.fleet.fleet import MICRO, Fleet, describe_today, evaluate_fleet
from ml.placement.problem.instance import Instance, Ints
from ml.placement.search.plans import mean_ms, monthly_micro
from ml.placement.search.solve import Solution, solve, space_of

HOURS_PER_MONTH = 730.0
_ROUNDS = 4


@dataclass(frozen=True)
class Totals:
    """One plan in figures."""

    monthly_cost_usd: float
    """Instances and transfer: what is billed."""
    monthly_objective_usd: float
    """The bill, priced waiting, open regions and moving: what is minimised."""
    mean_latency_ms: float
    moves: int
    """Regions added against today."""
    n1_served_share: float
    services_not_feasible: int


@dataclass(frozen=True)
class Change:
    """A service that runs elsewhere than in the recommended plan."""

    service_id: str
    from_regions: tuple[str, ...]
    to_regions: tuple[str, ...]


@dataclass(frozen=True)
class WhatIf:
    """The answer to a scenario."""

    scenario: Scenario
    base: Totals
    """The recommended plan under the build's own weights, prices and rules."""
    stay: Totals
    """The recommended plan kept as it is under the scenario."""
    after: Totals
    """The plan for the scenario."""
    monthly_bound_usd: float
    """No choice goes below this under the scenario, sets valued as if their service alone moved."""
    gap_share: float
    monthly_objective_change_usd: float
    change_lo_usd: float
    """Lower end of the change that the two gaps leave open."""
    change_hi_usd: float
    is_clear: bool
    """The change is larger than the two gaps: the order of the two optima is certain."""
    changes: tuple[Change, ...]

    @property
    def sentence(self) -> str:
        """The answer in one line."""
        if not self.is_clear:
            what = "no clear difference: the change is smaller than the gap of the solutions"
        else:
            word = "more" if self.monthly_objective_change_usd > 0 else "less"
            amount = abs(self.monthly_objective_change_usd)
            what = f"cost and priced waiting come to ${amount:,.0f} a month {word}"
        ms = self.after.mean_latency_ms - self.base.mean_latency_ms
        bill = self.after.monthly_cost_usd - self.base.monthly_cost_usd
        return (
            f"{self.scenario.words}: {what}; bill {bill:+,.0f} $ a month, mean latency "
            f"{ms:+.2f} ms, {len(self.changes)} services run elsewhere than recommended"
        )


def problem_of(solution: Solution) -> Problem:
    """Return what a later question needs to know of a solved build."""
    return Problem(
        solution.instance,
        solution.space.member[solution.fleet.chosen].astype(np.int64),
        certify(solution).lower_micro,
        solution.upper_micro,
    )


def resolve(instance: Instance, start: Ints, rounds: int = _ROUNDS) -> Solution:
    """Return the plan that the solver reaches from ``start`` in a few rounds.

    Raises:
        InfeasibleError: If the rules contradict each other.
    """
    policy = replace(instance.policy, best_response_rounds=rounds)
    return solve(replace(instance, policy=policy), start=start, quick=True)


def whatif(problem: Problem | Path, scenario: Scenario) -> WhatIf:
    """Solve the scenario and compare it with the recommended plan.

    Args:
        problem: A saved problem, or the file that holds it.
        scenario: What changes.

    Raises:
        InfeasibleError: If no plan keeps the scenario's rules; says which conflict.
        ScenarioError: If the scenario cannot be asked of this fleet.
        SavedProblemError: If the file cannot be read.
    """
    known = load(problem) if isinstance(problem, Path) else problem
    before = known.instance
    changed = applied(before, scenario)
    space = space_of(before)
    chosen = np.array([space.of(row > 0) for row in known.member], dtype=np.int64)
    base = _evaluated(before, chosen)
    stay = _evaluated(changed, chosen)
    if scenario == Scenario():
        after, upper, lower = base, known.upper_micro, known.lower_micro
    else:
        found = _resolved(changed, chosen)
        after, upper, lower = found.fleet, found.upper_micro, certify(found).lower_micro
    low = (lower - known.upper_micro) / MICRO * HOURS_PER_MONTH
    high = (upper - known.lower_micro) / MICRO * HOURS_PER_MONTH
    return WhatIf(
        scenario,
        _totals(base),
        _totals(stay),
        _totals(after),
        lower / MICRO * HOURS_PER_MONTH,
        (upper - lower) / max(1, abs(lower)),
        (upper - known.upper_micro) / MICRO * HOURS_PER_MONTH,
        low,
        high,
        low > 0 or high < 0,
        _changes(before, space.sets, chosen, after.chosen),
    )


def _resolved(instance: Instance, chosen: Ints) -> Solution:
    """Solve from the recommended plan; where that ends in a contradiction, from today's.

    Raises:
        InfeasibleError: What the recommended plan ran into, where today's runs into one as well.
    """
    try:
        return resolve(instance, chosen)
    except InfeasibleError:
        today, _ = describe_today(instance, space_of(instance))
        try:
            return resolve(instance, today.home)
        except InfeasibleError:
            pass
        raise


def _evaluated(instance: Instance, chosen: Ints) -> Fleet:
    space = space_of(instance)
    today, _ = describe_today(instance, space)
    return evaluate_fleet(instance, space, chosen, today)


def _totals(fleet: Fleet) -> Totals:
    found = fleet.assessed
    rps = fleet.clients.mean_rps.sum(axis=1)
    return Totals(
        monthly_cost_usd=monthly_micro(fleet) / MICRO * HOURS_PER_MONTH,
        monthly_objective_usd=int(fleet.cost_micro.sum()) / MICRO * HOURS_PER_MONTH,
        mean_latency_ms=mean_ms(fleet),
        moves=int(found.added.sum()),
        n1_served_share=float((rps * found.served_share[:, 0]).sum() / max(rps.sum(), 1e-12)),
        services_not_feasible=int((found.broken[:, 0] != 0).sum()),
    )


def _changes(
    instance: Instance, sets: tuple[tuple[int, ...], ...], before: Ints, after: Ints
) -> tuple[Change, ...]:
    def names(plan: int) -> tuple[str, ...]:
        return tuple(instance.region_ids[r] for r in sets[plan])

    return tuple(
        Change(instance.service_ids[s], names(int(before[s])), names(int(after[s])))
        for s in np.flatnonzero(before != after)
    )


__all__ = [
    "FILE",
    "InfeasibleError",
    "Problem",
    "SavedProblemError",
    "Scenario",
    "ScenarioError",
    "WhatIf",
    "load",
    "problem_of",
    "resolve",
    "whatif",
]
