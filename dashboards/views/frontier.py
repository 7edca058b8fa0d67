"""Frontier: what a faster fleet would cost, and where today and the advice stand."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards import charts, parts, questions, words
from dashboards.data import Snapshot, ask

NAMES = {
    "current": "Today",
    "recommended": "Recommended",
    "least_cost": "Least cost",
    "best_latency": "Best latency",
    "least_change": "Least change",
    "best_region_recovery": "Best recovery",
    "greedy": "Careful by hand",
}


def render() -> None:
    """Draw the page."""
    parts.header("Frontier", "What do ten milliseconds cost?")
    snapshot = parts.snapshot_or_stop()
    points = ask(snapshot, questions.FRONTIER)
    if points.empty:
        parts.nothing("This build holds no frontier: it has no plan to compare.")
        return
    _curve(points)
    _kinds(snapshot, points)


def _curve(points: pd.DataFrame) -> None:
    parts.section("Cost against latency")
    view = pd.DataFrame(
        {
            "Plan": _names(points),
            "cost": points["monthly_cost_usd"].astype(float),
            "wait": points["mean_latency_ms"],
            "Found by": points["point_kind"].map(
                {"weight": "a worth of a millisecond", "plan": "kind of plan"}
            ),
        }
    )
    parts.chart(
        _finding(points),
        charts.trade_off(view, cost="cost", wait="wait", name="Plan", kind="Found by"),
        points,
        key="frontier",
        alt=f"Cost against mean latency of {len(points)} plans. {_finding(points)}",
        note="Every point but today and the careful plan by hand keeps the rules and the move"
        " budget as far as the recommended plan does",
        sql=questions.FRONTIER,
    )


def _names(points: pd.DataFrame) -> list[str]:
    """Name kinds of plan only, those that are one plan together: names must not overlap."""
    spots: dict[tuple[float, float], list[int]] = {}
    for i, (_, row) in enumerate(points.iterrows()):
        if row["point_kind"] == "plan":
            at = (round(float(row["monthly_cost_usd"]), -2), round(row["mean_latency_ms"], 1))
            spots.setdefault(at, []).append(i)
    found = [""] * len(points)
    for same in spots.values():
        kinds = [str(points["point_name"].iloc[i]) for i in same]
        found[same[0]] = ", ".join(NAMES.get(kind, words.code(kind)) for kind in kinds)
    return found


def _finding(points: pd.DataFrame) -> str:
    """Say what the cheapest and the fastest efficient points cost and take."""
    best = points[points["is_efficient"]].sort_values(["mean_latency_ms", "monthly_cost_usd"])
    fast, cheap = best.iloc[0], best.iloc[-1]
    faster = float(cheap["mean_latency_ms"]) - float(fast["mean_latency_ms"])
    dearer = float(fast["monthly_cost_usd"]) - float(cheap["monthly_cost_usd"])
    if faster <= 0 or dearer <= 0:
        return "One plan is both the cheapest and the fastest of those found"
    return (
        f"The fastest plan found is {words.ms(faster)} faster than the cheapest and costs"
        f" {words.usd(dearer)} a month more"
    )


def _kinds(snapshot: Snapshot, points: pd.DataFrame) -> None:
    parts.section("Kinds of plan")
    kinds = points[points["point_kind"] == "plan"]
    view = pd.DataFrame(
        {
            "Plan": kinds["point_name"].map(lambda n: NAMES.get(str(n), words.code(n))),
            "Cost, $/month": kinds["monthly_cost_usd"].astype(float),
            "Mean latency, ms": kinds["mean_latency_ms"],
            "Regions added": kinds["moves"],
            "Services breaking a rule": kinds["services_not_feasible"],
            "Certified gap": kinds["gap_share"].map(words.share),
            "None cheaper and faster": kinds["is_efficient"].map({True: "yes", False: "no"}),
        }
    )
    parts.table(
        view,
        key="plan_kinds",
        alt="Kinds of plan with cost, latency, moves, broken rules and gap.",
        config={
            "Cost, $/month": st.column_config.NumberColumn(format="%,.0f"),
            "Mean latency, ms": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    totals = ask(snapshot, questions.PLAN_TOTALS)
    own = totals[totals["plan_kind"] == "recommended"]
    if not own.empty and not words.is_missing(own["gap_scope"].iloc[0]):
        st.caption(f"What the gap is about: {own['gap_scope'].iloc[0]}.")
    if not own.empty and not words.is_missing(own["joint_gap_share"].iloc[0]):
        st.caption(
            f"Joint gap {words.share(own['joint_gap_share'].iloc[0])}:"
            f" {own['joint_gap_scope'].iloc[0]}."
        )


if __name__ == "__main__":
    render()
