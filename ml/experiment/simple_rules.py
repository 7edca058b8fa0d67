"""What the simple rules break: they know no budget of moves, no lost region, no objective."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ml.experiment.baselines import Score
from ml.experiment.gate import Check
from ml.experiment.guardrails import placement_changes
from ml.experiment.plans import below

RULES = ("greedy_nearest", "cheapest")


@dataclass(frozen=True)
class RuleBreaks:
    """How far one plan keeps the rules that the treatment had to keep.

    Attributes:
        moves: Regions added to what runs today.
        most_moves: The limit of the treatment; None without one.
        below_rule: Services in fewer regions than they need.
        n1_served_share: Share of requests served after each service's worst loss of a region.
        slo_violation_rate: Share of requests above their service's objective.
        worse_than_treatment: Which of the last two are worse than the treatment's.
    """

    moves: int
    most_moves: float | None
    below_rule: int
    n1_served_share: float
    slo_violation_rate: float
    worse_than_treatment: tuple[str, ...]

    @property
    def is_like_for_like(self) -> bool:
        """Whether cost and latency may be compared with the treatment's as they stand."""
        over = self.most_moves is not None and self.moves > self.most_moves
        return not (over or self.below_rule or self.worse_than_treatment)


def rule_breaks(
    plan: pd.DataFrame,
    score: Score,
    treatment: Score,
    control: pd.DataFrame,
    needed: dict[str, int],
    most_moves: float | None,
) -> RuleBreaks:
    """Hold a plan against the treatment's rules.

    Args:
        plan: Placements of the plan.
        score: The plan on some days.
        treatment: The treatment on the same days.
        control: What runs today.
        needed: Regions per service.
        most_moves: Limit on regions added.
    """
    worse = []
    if score.n1_served_share < treatment.n1_served_share:
        worse.append("served after the loss of a region")
    if score.slo_violation_rate > treatment.slo_violation_rate:
        worse.append("objectives")
    return RuleBreaks(
        placement_changes(control, plan)[1],
        most_moves,
        len(below(plan, needed)),
        score.n1_served_share,
        score.slo_violation_rate,
        tuple(worse),
    )


def like_for_like_check(
    rule: str, found: RuleBreaks, treatment: Score, cost_effect: float
) -> Check:
    """Return a row that puts what a rule breaks beside what it saves.

    Args:
        rule: Name of the simple rule.
        found: What it breaks.
        treatment: The treatment on the same days.
        cost_effect: Cost of the treatment against the rule, a share, over all days.
    """
    limit = "" if found.most_moves is None else f" (limit {found.most_moves:.0f})"
    text = (
        f"the treatment costs {cost_effect:+.2%} against it; the rule: {found.moves} moves{limit}, "
        f"{found.below_rule} services below the regions they need, "
        f"{found.n1_served_share:.2%} served after the worst loss of a region (treatment "
        f"{treatment.n1_served_share:.2%}), {found.slo_violation_rate:.2%} above the objective "
        f"(treatment {treatment.slo_violation_rate:.2%})"
    )
    return Check(
        f"{rule}_like_for_like",
        "baselines",
        text,
        "printed: cost and latency compare only where the rule keeps moves, regions, the loss of "
        "a region and objectives as the treatment does; else not testable",
        "green" if found.is_like_for_like else "not_testable",
    )
