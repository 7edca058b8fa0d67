"""The full run: both plans on every evaluation day, gated before anything is estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ml.experiment.gate import (
    Check,
    check,
    check_conservation,
    check_equal_demand,
    check_plan,
    check_replica_hours,
    check_same_plan_twice,
)
from ml.experiment.metrics import COUNTS, Arm, reduce_outcomes
from ml.experiment.plans import PlanSet, required_regions
from ml.experiment.world import World


@dataclass(frozen=True)
class FullRun:
    """Both arms by day, and the checks they passed or failed."""

    control: Arm
    treatment: Arm
    checks: tuple[Check, ...]

    def arms(self) -> dict[str, Arm]:
        """Return both arms by name."""
        return {"control": self.control, "treatment": self.treatment}


def run_both_plans(
    world: World, plans: PlanSet, days: Sequence[date], rules: dict[str, int]
) -> FullRun:
    """Run both plans in full and pass the hourly outcomes through the gate."""
    control = world.run(plans.bare("control"), days)
    treatment = world.run(plans.bare("treatment"), days)
    needed = required_regions(plans.bare("control"), rules)
    checks = [
        *check_equal_demand(control, treatment),
        *check_conservation(control, "control"),
        *check_conservation(treatment, "treatment"),
        check_plan(plans.bare("control"), control, needed, "control"),
        check_plan(plans.bare("treatment"), treatment, needed, "treatment"),
        check_replica_hours(plans.bare("control"), plans.bare("treatment"), len(days)),
    ]
    arms = reduce_outcomes(control), reduce_outcomes(treatment)
    del control, treatment
    checks += _world_checks(world, plans, arms[1])
    return FullRun(*arms, tuple(checks))


def _world_checks(world: World, plans: PlanSet, treatment: Arm) -> list[Check]:
    """Check the two promises that common random numbers rest on, on the middle day."""
    middle = len(treatment.days) // 2
    day = [treatment.days[middle]]
    once = world.run(plans.bare("treatment"), day)
    again = world.run(plans.bare("treatment"), day)
    fast = reduce_outcomes(world.run(plans.bare("treatment"), day, detail=False))
    differing = {
        name: int((fast.counts[name][..., 0] != treatment.counts[name][..., middle]).sum())
        for name in COUNTS
        if name != "slo_violations"
    }
    return [
        check_same_plan_twice(once, again),
        check(
            "thinning_moves_nothing",
            "twin",
            f"{max(differing.values())} cells of one day differ, alone and without histograms "
            "against the full run",
            "0 cells differ: a day does not depend on which other days run",
            not any(differing.values()),
        ),
    ]
