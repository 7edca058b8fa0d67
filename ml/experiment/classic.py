"""The lines readers expect of an A/B report, on 100 % of demand, with their warnings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.experiment.fleet import Fleet
from ml.experiment.guardrails import placement_changes
from ml.experiment.metrics import Arm, Cut, total_value
from ml.experiment.switchback import SwitchbackEffect
from ml.experiment.twin import N1, TwinResult

T_LABEL = "classical test, ignores the pairing, not used for the decision"


@dataclass(frozen=True)
class Line:
    """One line: both arms, and what a reader must know with it."""

    line: str
    unit: str
    control: float
    treatment: float
    definition: str
    label: str | None = None


def classic_report(
    result: TwinResult,
    plans: dict[str, pd.DataFrame],
    fleet: Fleet,
    classical: tuple[float, float] | None,
    primary: SwitchbackEffect | None,
    false_positives: dict[str, float],
) -> list[Line]:
    """Return the lines in printing order.

    Args:
        result: Full run of both arms over the evaluation days.
        plans: Placements by arm.
        fleet: Which services are critical.
        classical: t-statistic and p of the day-level t-test; None without a switchback.
        primary: Sign-flip result printed beside it.
        false_positives: Measured A/A rates by estimator.
    """
    arms = {"control": result.control, "treatment": result.treatment}
    return [
        *_latency(arms, fleet),
        *_money(arms),
        *_redundancy(result, plans),
        *_pairs(plans),
        *_tests(classical, primary, false_positives),
    ]


def _both(
    name: str, unit: str, values: dict[str, float], definition: str, label: str | None = None
) -> Line:
    return Line(name, unit, values["control"], values["treatment"], definition, label)


def _latency(arms: dict[str, Arm], fleet: Fleet) -> list[Line]:
    def each(metric: str, cut: Cut | None = None) -> dict[str, float]:
        return {k: total_value(a, metric, cut=cut or Cut()) for k, a in arms.items()}

    critical = fleet.critical(arms["control"].service_ids)
    lines = [
        _both(
            "average latency",
            "ms",
            each("latency_mean"),
            "sum latency / sum requests, every request not served counted at 2000 ms",
        ),
        _both(
            "average latency, served only",
            "ms",
            each("latency_served_mean"),
            "sum latency of served requests / served requests",
            "rewards shedding: read the line above",
        ),
    ]
    if critical.any():
        lines.append(
            _both(
                "critical-service latency",
                "ms",
                each("latency_mean", Cut(services=critical)),
                f"average latency over the {int(critical.sum())} latency-critical services",
            )
        )
    return lines


def _money(arms: dict[str, Arm]) -> list[Line]:
    lines = [
        _both(
            "total cost",
            "USD",
            {k: a.total_usd() for k, a in arms.items()},
            "compute + egress + storage in the evaluation days",
        ),
        _both(
            "cost per 1M requests",
            "USD",
            {k: total_value(a, "cost_per_1m") for k, a in arms.items()},
            "total cost / offered requests, times one million",
        ),
    ]
    for kind in ("compute", "egress", "storage"):
        values = {k: int(a.money[kind].sum()) / 1e6 for k, a in arms.items()}
        lines.append(_both(f"{kind} cost", "USD", values, f"the {kind} part of total cost"))
    return lines


def _redundancy(result: TwinResult, plans: dict[str, pd.DataFrame]) -> list[Line]:
    loss = result.estimates[N1]
    return [
        _both(
            "redundancy score",
            "regions per service",
            {k: float(_regions(p).mean()) for k, p in plans.items()},
            "mean number of distinct regions per service, equal weights",
        ),
        Line(
            "served share after the worst region loss",
            "share",
            loss.control,
            loss.treatment,
            "request-weighted share still served after each service's worst single-region loss",
        ),
    ]


def _regions(plan: pd.DataFrame) -> pd.Series:
    counts: pd.Series = plan.groupby("service_id")["region_id"].nunique()
    return counts


def _pairs(plans: dict[str, pd.DataFrame]) -> list[Line]:
    control, treatment = plans["control"], plans["treatment"]
    kept, added, removed = placement_changes(control, treatment)
    rows = [
        ("placement pairs", len(control), len(treatment), "(service, region) rows of the plan"),
        ("placement pairs kept", kept, kept, "in both plans"),
        ("placement pairs added", 0, added, "in the treatment only"),
        ("placement pairs removed", 0, removed, "in the control only"),
        (
            "instances",
            int(control["instances"].sum()),
            int(treatment["instances"].sum()),
            "running copies at the peak hour",
        ),
    ]
    return [Line(name, "count", float(c), float(t), text) for name, c, t, text in rows]


def _tests(
    classical: tuple[float, float] | None,
    primary: SwitchbackEffect | None,
    false_positives: dict[str, float],
) -> list[Line]:
    statistic, p_value = classical or (math.nan, math.nan)
    t_rate, flip_rate = (
        _percent(false_positives.get(name)) for name in ("classical_t_on_days", "sign_flip")
    )
    test = primary.test if primary else None
    interval = ""
    if test and test.lo is not None and test.hi is not None:
        interval = f"; 95 % interval [{math.expm1(test.lo):+.2%}, {math.expm1(test.hi):+.2%}]"
    return [
        Line(
            "t-statistic",
            "t",
            math.nan,
            statistic,
            "independent t-test on daily fleet means, treatment against control days of the "
            "switchback: t = difference / sqrt(2 s^2 / n), df = 2n - 2",
            T_LABEL,
        ),
        Line(
            "p-value of the t-statistic",
            "p",
            math.nan,
            p_value,
            f"two-sided; measured A/A false-positive rate {t_rate}",
            T_LABEL,
        ),
        Line(
            "sign-flip p-value",
            "p",
            math.nan,
            test.p_value if test else math.nan,
            f"exact test of the switchback on latency_mean{interval}; measured A/A false-positive "
            f"rate {flip_rate}",
            "this one is used for the decision, after Holm's adjustment",
        ),
    ]


def _percent(rate: float | None) -> str:
    return "not measured" if rate is None or np.isnan(rate) else f"{rate:.1%}"
