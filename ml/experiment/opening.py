"""What is fixed and checked before anything runs: days, registration, what the plans know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from ml.experiment.config import ExperimentSettings
from ml.experiment.gate import Check, check
from ml.experiment.plans import PlanSet, consecutive
from ml.experiment.registry import Registration
from ml.experiment.world import World


def evaluation_days(settings: ExperimentSettings, world: World, trained: date) -> list[date]:
    """Return the evaluation days: after training and after the history, unless set otherwise."""
    first = settings.evaluate.from_on
    if first is None:
        first = max(trained + timedelta(days=1), world.first_future_on)
    return consecutive(first, settings.evaluate.days)


def registration_checks(registration: Registration) -> list[Check]:
    """Return the check that the rules are the registered ones."""
    expected = "the hashes registered before the run"
    # A changed configuration never comes this far: registering it is refused.
    return [Check("registration_hash", "fleet", registration.detail, expected, "green")]


def overlap_checks(
    settings: ExperimentSettings, plans: PlanSet, days: Sequence[date]
) -> list[Check]:
    """Return the check that no plan knows a day of the evaluation."""
    limit = settings.train_through or plans.trained_through
    known = max(limit, plans.trained_through)
    return [
        check(
            "train_eval_overlap",
            "fleet",
            f"plans know days up to {plans.trained_through}, evaluation starts {days[0]}",
            "evaluation starts after the last day any plan may know",
            days[0] > known and plans.trained_through <= limit,
        )
    ]


def untestable(reason: str) -> list[Check]:
    """Return the checks that nothing can be said about, with the reason."""
    names = ("demand_equal", "requests_conserved", "train_eval_overlap", "assignment_ratio")
    return [
        Check(n, "fleet", reason, "a world to run both plans in", "not_testable") for n in names
    ]
