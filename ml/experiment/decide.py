"""The decision rule: ship, no_ship, inconclusive or invalid, with every clause said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ml.experiment.gate import Check
from ml.experiment.guardrails import Guardrail
from ml.experiment.metrics import CATALOGUE

Verdict = Literal["ship", "no_ship", "inconclusive", "invalid"]
Judgement = Literal["superior", "inferior", "inconclusive"]


@dataclass(frozen=True)
class SuccessEvidence:
    """What the two layers say of one success metric, on the metric's own scale."""

    name: str
    estimate: float | None
    p_adjusted: float | None
    plausible_lo: float
    plausible_hi: float

    def side_of_p(self, alpha: float) -> Judgement:
        """Judge the switchback alone."""
        if self.p_adjusted is None or self.estimate is None or self.p_adjusted > alpha:
            return "inconclusive"
        improves = (self.estimate < 0) == CATALOGUE[self.name].lower_is_better
        return "superior" if improves else "inferior"

    def side_of_plausible(self) -> Judgement:
        """Judge the twin's plausibility interval alone."""
        return side(self.plausible_lo, self.plausible_hi, CATALOGUE[self.name].lower_is_better)


def side(lo: float, hi: float, lower_is_better: bool) -> Judgement:
    """Say on which side of 0 an interval lies.

    Example:
        >>> side(-0.06, -0.01, True), side(-0.01, 0.02, True)
        ('superior', 'inconclusive')
    """
    if math.isnan(lo) or math.isnan(hi) or lo <= 0 <= hi:
        return "inconclusive"
    return "superior" if (hi < 0) == lower_is_better else "inferior"


@dataclass(frozen=True)
class Decision:
    """The verdict and one reason per clause of the rule."""

    verdict: Verdict
    reasons: tuple[str, ...]


def decide(
    success: Sequence[SuccessEvidence],
    rails: Sequence[Guardrail],
    checks: Sequence[Check],
    alpha: float,
    *,
    refused: str | None = None,
) -> Decision:
    """Apply the registered rule.

    Ship needs (i) a success metric superior in the switchback (Holm) with the twin's plausible
    range on the same side, (ii) every guard rail passed, (iii) no success metric significantly
    worse, (iv) every check green.

    Args:
        success: Evidence per success metric.
        rails: Judged guard rails.
        checks: Validity checks.
        alpha: Two-sided level.
        refused: Why no verdict may be read, for instance a shortened period.
    """
    red = [f"{c.name} ({c.scope})" for c in checks if c.status == "red"]
    superior = [
        e.name
        for e in success
        if e.side_of_p(alpha) == "superior" and e.side_of_plausible() == "superior"
    ]
    worse = [e.name for e in success if e.side_of_p(alpha) == "inferior"]
    violated = [r.name for r in rails if r.verdict == "violated"]
    open_rails = [r.name for r in rails if r.verdict == "inconclusive"]
    reasons = (
        _clause("(i) superior in the switchback and the twin", superior, bool(superior)),
        _clause("(ii) guard rails violated", violated, not violated),
        _clause("(ii) guard rails not shown to hold", open_rails, not open_rails),
        _clause("(iii) success metrics significantly worse", worse, not worse),
        _clause("(iv) checks red", red, not red),
        *((f"refused: {refused}",) if refused else ()),
    )
    if red:
        return Decision("invalid", reasons)
    if refused:
        return Decision("inconclusive", reasons)
    if violated or worse:
        return Decision("no_ship", reasons)
    if superior and rails and not open_rails:
        return Decision("ship", reasons)
    return Decision("inconclusive", reasons)


def _clause(name: str, items: Sequence[str], holds: bool) -> str:
    return f"{name}: {', '.join(items) or 'none'} [{'holds' if holds else 'fails'}]"
