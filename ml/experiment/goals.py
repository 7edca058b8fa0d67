"""The goals of the method, each measured and called met, missed or not measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ml.experiment.calibrate import CANARY_LIMITS, Calibration
from ml.experiment.result_rows import Row


@dataclass(frozen=True)
class Goal:
    """One goal; ``holds`` is None where it could not be measured here."""

    goal_id: str
    meaning: str
    target: str
    observed: str
    holds: bool | None

    @property
    def status(self) -> str:
        """Say it in a word."""
        return "not_measured" if self.holds is None else "met" if self.holds else "missed"


def goal_rows(goals: Sequence[Goal]) -> list[Row]:
    """Return the rows of ``experiment_goals`` in printing order."""
    return [
        {
            "goal_id": g.goal_id,
            "goal_order": order,
            "meaning": g.meaning,
            "target": g.target,
            "observed": g.observed,
            "status": g.status,
        }
        for order, g in enumerate(goals, start=1)
    ]


def percent(value: float | None) -> str:
    """Write a share in percent."""
    return "unknown" if value is None or math.isnan(value) else f"{100 * value:.2f} %"


def measured(value: float | None, runs: int, limits: tuple[float, float] = (0.0, 1.0)) -> str:
    """Write a measured share with its standard error, and whether a miss may be chance.

    Args:
        value: Share of the runs.
        runs: Independent runs behind it.
        limits: Ends the goal asks for.

    Example:
        >>> measured(0.799, 1000, (0.8, 1.0))
        '79.90 % (standard error 1.27), less than two standard errors from the goal'
        >>> measured(0.95, 2000, (0.94, 0.96))
        '95.00 % (standard error 0.49)'
    """
    if value is None or math.isnan(value) or not runs:
        return percent(value)
    error = math.sqrt(value * (1 - value) / runs)
    said = f"{percent(value)} (standard error {100 * error:.2f})"
    away = max(limits[0] - value, value - limits[1])
    return said + (", less than two standard errors from the goal" if 0 < away < 2 * error else "")


Pick = Callable[..., list[Calibration]]


def _picker(rows: Sequence[Calibration]) -> Pick:
    def pick(design: str, start: str, source: str = "noise_world") -> list[Calibration]:
        return [
            r
            for r in rows
            if r.design == design and r.scenario.startswith(start) and r.source == source
        ]

    return pick


def method_goals(
    rows: Sequence[Calibration], stops: tuple[float, float], stop_runs: int
) -> list[Goal]:
    """Return the goals that follow from calibration rows: G1 to G4, G7, G9, G15 in part.

    Args:
        rows: Short and long rows together.
        stops: Share that ever stops with no effect over 28 blocks; with -10 % by 14 blocks.
        stop_runs: Runs behind each of the two.
    """
    pick = _picker(rows)
    return [
        *_size(rows, pick),
        *_coverage(pick),
        _bias(pick),
        *_canaries(rows),
        Goal(
            "G7a",
            "looking after every block: ever stops though nothing differs",
            "<= 5 % over 2,000 runs of 28 blocks",
            measured(stops[0], stop_runs, (0.0, 0.05)),
            stops[0] <= 0.05,
        ),
        Goal(
            "G7b",
            "looking after every block: stops by block 14 at -10 %",
            ">= 85 %",
            measured(stops[1], stop_runs, (0.85, 1.0)),
            stops[1] >= 0.85,
        ),
        *_power(pick),
        *_past(pick),
    ]


def _size(rows: Sequence[Calibration], pick: Pick) -> list[Goal]:
    noise = pick("switchback", "A/A, 28 days")
    own = [r for r in rows if r.source == "world_daily" and r.estimator == "sign_flip"]
    every = [r for r in (*noise, *own) if r.rate is not None]
    rates = ", ".join(
        f"{r.source} {r.metric} {measured(r.rate, r.runs, (0.04, 0.06))}" for r in every
    )
    smooth = [r.ks_p_uniform for r in noise if r.ks_p_uniform is not None]
    return [
        Goal(
            "G1a",
            "false alarms of the switchback where nothing differs",
            "every metric in [4 %, 6 %] over 4,000 runs",
            rates,
            all(0.04 <= (r.rate or 0.0) <= 0.06 for r in every) if every else None,
        ),
        Goal(
            "G1b",
            "p-values of the switchback are uniform where nothing differs",
            "Kolmogorov-Smirnov p > 0.001",
            ", ".join(f"{p:.3f}" for p in smooth),
            all(p > 0.001 for p in smooth) if smooth else None,
        ),
    ]


def _coverage(pick: Pick) -> list[Goal]:
    goals = []
    for goal, design, kinds in (
        ("G2a", "switchback", ("spill", "cap")),
        ("G2b", "cluster_switchback", ("none", "spill")),
    ):
        found = [r for kind in kinds for r in pick(design, f"-5 %, {kind}, 28")]
        said = ", ".join(
            f"{r.scenario} {measured(r.coverage, r.runs, (0.94, 0.96))}" for r in found
        )
        goals.append(
            Goal(
                goal,
                f"intervals of the {design.replace('_', ' ')} hold the true effect",
                "95 % +- 1 point over 2,000 runs at -5 %",
                said,
                all(0.94 <= (r.coverage or 0.0) <= 0.96 for r in found) if found else None,
            )
        )
    return goals


def _bias(pick: Pick) -> Goal:
    found = [r for k in ("spill", "cap", "carry-over") for r in pick("switchback", f"-5 %, {k}")]
    said = ", ".join(f"{r.scenario} {r.bias_points:+.2f}" for r in found)
    return Goal(
        "G3",
        "bias of the switchback, percentage points",
        "at most 0.3",
        said,
        all(abs(r.bias_points or 0.0) <= 0.3 for r in found) if found else None,
    )


def _canaries(rows: Sequence[Calibration]) -> list[Goal]:
    found = [r for r in rows if r.is_canary]
    said = ", ".join(f"{r.estimator} {measured(r.rate, r.runs)}, {r.status}" for r in found)
    target = ", ".join(f"{name} > {limit:.0%}" for name, limit in sorted(CANARY_LIMITS.items()))
    return [
        Goal(
            "G4",
            "bad methods are caught",
            f"{target}, each red",
            said,
            all(r.status == "red" for r in found) if found else None,
        )
    ]


def _power(pick: Pick) -> list[Goal]:
    long = pick("switchback", "-5 %, none, 56")
    network = pick("cluster_switchback", "-5 %, none, 28")
    own = pick("switchback", "-5 %, 56 days", "world_daily")
    return [
        Goal(
            goal,
            f"power at -5 %, {design}, one metric",
            f">= {wanted:.0%} at {days} days",
            ", ".join(
                [
                    *(measured(r.power, r.runs, (wanted, 1.0)) for r in found),
                    *(f"on this world's own days {percent(r.power)}" for r in beside),
                ]
            ),
            all((r.power or 0.0) >= wanted for r in found) if found else None,
        )
        for goal, design, days, wanted, found, beside in (
            ("G9b", "switchback", 56, 0.80, long, own),
            ("G9c", "cluster switchback", 28, 0.90, network, []),
        )
    ]


def _past(pick: Pick) -> list[Goal]:
    random, spike = (
        pick("observational", "moved at random"),
        pick("observational", "moved after spike"),
    )
    return [
        Goal(
            "G15a",
            "past moves at random: placebo false alarms",
            "<= 8 %",
            ", ".join(measured(r.rate, r.runs, (0.0, 0.08)) for r in random),
            all((r.rate or 0.0) <= 0.08 for r in random) if random else None,
        ),
        Goal(
            "G15b",
            "past moves after a spike are graded D",
            ">= 95 % of runs",
            ", ".join(r.scenario for r in spike),
            all(r.status == "green" for r in spike) if spike else None,
        ),
    ]
