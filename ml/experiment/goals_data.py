"""Goals that the last experiment on a data folder answers."""

from __future__ import annotations

import pandas as pd

from ml.experiment.goals import Goal
from ml.io import Writer


def data_goals(writer: Writer) -> list[Goal]:
    """Return the goals that the last experiment on this data folder answers: G5, G6, G10, G11."""
    checks = writer.read("experiment_checks")
    verdict = writer.read("experiment_verdict")
    goals = []
    for goal, meaning, names, target in (
        ("G5", "the same plan twice differs nowhere", ("twin_same_plan_twice",), "0 cells, 0.0"),
        (
            "G6",
            "demand is conserved",
            ("demand_equal", "requests_conserved", "demand_total"),
            "0 violations, 100.000 % in both arms",
        ),
    ):
        rows = checks[checks["check_name"].isin(names)]
        done = rows[rows["status"] != "not_testable"]
        said = "; ".join(dict.fromkeys(done["observed"])) or "no world was run"
        holds = bool((done["status"] == "green").all()) if len(done) else None
        goals.append(Goal(goal, meaning, target, said, holds))
    goals.append(_random_goal(checks))
    later = verdict["out_of_sample_gain_share"].dropna() if len(verdict) else pd.Series(dtype=float)
    days = int(verdict["evaluate_days"].max()) if len(verdict) else 0
    said = f"{days} days" + (f", gain {later.iloc[0]:+.1%} on them" if len(later) else "")
    goals.append(
        Goal(
            "G11",
            "the plan is judged on days after it was made",
            ">= 28 evaluation days, gain in and out of sample printed",
            said,
            days >= 28 and bool(len(later)) if days else None,
        )
    )
    return goals


def _random_goal(checks: pd.DataFrame) -> Goal:
    names = ("rank_among_random_plans", "gain_over_greedy_nearest")
    rows = checks[checks["check_name"].isin(names)]
    words = " ".join(rows["observed"])
    beaten = "NOT better" not in words and "NOT shown" not in words and "SLOWER" not in words
    # A rule that knows no limit on moves wins or loses by that: it must stand beside the claim.
    beside = checks[checks["check_name"] == "greedy_nearest_like_for_like"]
    return Goal(
        "G10",
        "better than >= 95 % of 200 random plans, and than nearest regions",
        "both, else the report says so",
        "; ".join([*rows["observed"], *beside["observed"]]) or "no world was run",
        beaten if len(rows) == len(names) else None,
    )
