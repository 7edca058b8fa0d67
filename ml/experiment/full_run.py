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
from ml.experiment.plans import PlanSet
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
    world: World, plans: PlanSet, days: Sequence[date], min_regions: dict[str, int]
) -> FullRun:
    """Run both plans in full and pass the hourly outcomes through the gate."""
    control = world.run(plans.bare("control"), days)
    treatment = world.run(plans.bare("treatment"), days)
    checks = [
        *check_equal_demand(control, treatment),
        *check_conservation(control, "control"),
        *check_conservation(treatment, "treatment"),
        check_plan(plans.bare("control"), control, min_regions, "control"),
        check_plan(plans.bare("treatment"), treatment, min_regions, "treatment"),
        check_replica_hours(plans.bare("control"), plans.bare("treatment"), len(days)),
    ]
    arms = reduce_outcomes(control), reduce_outcomes(treatment)
    del control, treatment
    checks += _world_checks(world, plans, arms[1])
    return FullRun(*arms, tuple(checks))


def _world_checks(world: World, plans: PlanSet, treatment: Arm) -> list[Check]:
    """Check the two promises that common random numbers rest on, on the first evaluation day."""
    day = [treatment.days[0]]
    once = world.run(plans.bare("treatment"), day)
    again = world.run(plans.bare("treatment"), day)
    fast = reduce_outcomes(world.run(plans.bare("treatment"), day, detail=False))
    names = [name for name in COUNTS if name != "slo_violations"]
    differing = sum(
        int((fast.counts[name][..., 0] != treatment.counts[name][..., 0]).sum()) for name in names
    )
    return [
        check_same_plan_twice(once, again),
        check(
            "thinning_is_exact",
            "twin",
            f"{differing} sums differ between one day alone without histograms and the full run",
            "0: a day does not depend on which other days are simulated",
            differing == 0,
        ),
    ]
