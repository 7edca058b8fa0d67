"""One service's advice, drawn the same way wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import parts, questions, words
from dashboards.data import Snapshot, ask


def figures(row: pd.Series[Any]) -> None:
    """Show what is advised, what it is worth and how sure that is."""
    move, saving, latency, sure = st.columns(4)
    with move:
        same = row["action"] == "keep"
        parts.figure(
            "Advice",
            words.code(row["action"]),
            f"{row['from_regions']}" if same else f"{row['from_regions']} → {row['to_regions']}",
        )
    with saving:
        parts.figure(
            "Monthly saving",
            words.usd(row["monthly_saving_usd"]),
            words.interval(
                row["monthly_saving_lo_usd"],
                row["monthly_saving_hi_usd"],
                row["interval_level"],
                "usd",
            ),
        )
    with latency:
        parts.figure(
            "Change of mean latency",
            words.ms(row["mean_latency_delta_ms"], signed=True),
            words.interval(
                row["mean_latency_delta_lo_ms"],
                row["mean_latency_delta_hi_ms"],
                row["interval_level"],
                "ms",
            ),
            change=words.change(
                row["mean_latency_delta_ms"],
                row["mean_latency_delta_lo_ms"],
                row["mean_latency_delta_hi_ms"],
                "faster",
                "slower",
            ),
        )
    with sure:
        cap = row["confidence_cap_code"]
        parts.figure(
            "Confidence",
            words.code(row["confidence"]),
            "" if words.is_missing(cap) or not cap else f"Held down by: {words.code(cap).lower()}.",
        )


def reasons(snapshot: Snapshot, row: pd.Series[Any]) -> None:
    """Show the reasons for and against a change, each with its number."""
    st.subheader("Reasons", anchor=False)
    found = ask(snapshot, questions.REASONS, row["recommendation_id"])
    if found.empty:
        parts.nothing("No reason was recorded.")
        return
    view = pd.DataFrame(
        {
            "Reason": found["reason_text"].fillna(found["reason_code"].map(words.code)),
            "Speaks": [
                _speaks(is_for, worth)
                for is_for, worth in zip(
                    found["is_for_change"], found["monthly_worth_usd"], strict=True
                )
            ],
            "Seen": _with_unit(found, "observed_value"),
            "Compared with": _with_unit(found, "threshold_value"),
            "Worth a month": found["monthly_worth_usd"].map(lambda v: words.usd(v, signed=True)),
            "Evidence": found["evidence_mart"].str.replace("_", "_\u200b"),
        }
    )
    st.table(view, hide_index=True, alt="Reasons for and against a change, with numbers.")


def _speaks(is_for: bool, monthly_worth_usd: float) -> str:
    """A weakness of the data weighs nothing by itself: it limits how sure the rest can be."""
    if is_for:
        return "for"
    return "against" if monthly_worth_usd else "caution"


def _with_unit(rows: pd.DataFrame, column: str) -> list[str]:
    # A flag says that something is so; its number 1 would only puzzle.
    return [
        words.DASH
        if unit == "flag"
        else words.in_unit(value, "" if words.is_missing(unit) else str(unit))
        for value, unit in zip(rows[column], rows["unit"], strict=True)
    ]


def safety(row: pd.Series[Any]) -> None:
    """Show redundancy, risk, effort and the cost of moving."""
    st.subheader("Safety and effort", anchor=False)
    covered = {True: "yes", False: "no"}
    lines = [
        (
            "Any one region may be lost (now → then)",
            f"{covered.get(row['is_n1_covered_before'], words.DASH)} →"
            f" {covered.get(row['is_n1_covered_after'], words.DASH)}",
        ),
        (
            "Served after the worst loss (now → then)",
            f"{words.share(row['n1_served_share_before'])} →"
            f" {words.share(row['n1_served_share_after'])}",
        ),
        ("Risk, 0 (lowest) to 4", words.count(row["risk_level"])),
        ("Effort", words.code(row["effort"])),
        ("Data must move", "yes" if row["needs_data_migration"] else "no"),
        ("Cost of moving, once", words.usd(row["migration_cost_usd"])),
        (
            "Paid back after",
            words.DASH
            if words.is_missing(row["payback_days"])
            else f"{words.number(row['payback_days'])} days",
        ),
        (
            "Evidence",
            f"{words.moment(row['evidence_first_on'])} to {words.moment(row['evidence_last_on'])}",
        ),
    ]
    st.table(
        pd.DataFrame(lines, columns=["Question", "Answer"]),
        hide_index=True,
        alt="Redundancy, risk, effort and cost of moving.",
    )


def regions(snapshot: Snapshot, row: pd.Series[Any]) -> None:
    """Show instances and traffic by region, now and then."""
    found = ask(snapshot, questions.RECOMMENDED_REGIONS, row["recommendation_id"])
    if found.empty:
        return
    st.subheader("Regions before and after", anchor=False)
    view = pd.DataFrame(
        {
            "Region": found["region_id"],
            "Role": found["role"].map(words.code),
            "Instances": _pairs(found, "instances", words.count),
            "Traffic": _pairs(found, "traffic_share", words.share),
            "Compute a month": found["monthly_cost_usd"].map(words.usd),
        }
    )
    st.table(view, hide_index=True, alt="Instances and traffic by region, now and then.")


def _pairs(rows: pd.DataFrame, column: str, write: Callable[[Any], str]) -> list[str]:
    pairs = zip(rows[f"{column}_before"], rows[f"{column}_after"], strict=True)
    return [f"{write(now)} → {write(then)}" for now, then in pairs]


def alternatives(snapshot: Snapshot, row: pd.Series[Any]) -> None:
    """Show every region for the service: chosen, possible with its gap, unranked or excluded."""
    st.subheader("Every region, and why not that one", anchor=False)
    found = ask(snapshot, questions.ALTERNATIVES, row["service_id"])
    if found.empty:
        parts.nothing("No region was compared for this service.")
        return
    st.caption(
        "The gap is how much worse the best plan gets when a region is forced in; for a chosen"
        " region, when it is banned. It compares whole sets of regions, so it holds for several"
        " regions together. Between: what that costs the fleet at least and at most; open where"
        " others would have to make room. Objective: cost plus priced waiting, a month."
    )
    view = pd.DataFrame(
        {
            "Region": found["region_id"],
            "Verdict": [_verdict(one) for _, one in found.iterrows()],
            "Gap, objective": found["gap_objective"].map(lambda v: words.usd(v, signed=True)),
            "Between": [_between(one) for _, one in found.iterrows()],
            "How known": found["gap_method"].map(_METHODS).fillna(words.DASH),
            "Gap, cost": found["gap_usd"].map(lambda v: words.usd(v, signed=True)),
            "Gap, latency": found["gap_ms"].map(lambda v: words.ms(v, signed=True)),
            "Best set with it (without, if chosen)": found["best_region_set"].fillna(words.DASH),
            "Blocked by": found["blocking_constraint"].map(words.code),
            "Evidence": found["blocking_evidence"].fillna(words.DASH),
        }
    )
    st.dataframe(
        view,
        hide_index=True,
        key="alternatives",
        height="content",
        alt="Every region for this service with its gap, or the rule that excludes it.",
    )
    parts.download(found, "alternatives")


_METHODS = {
    "exact": "exact within the certified gap",
    "resolved": "fleet solved again with it",
    "bounded": "bounds at the plan's prices",
    "indispensable": "no plan lacks it",
}


def _between(one: pd.Series[Any]) -> str:
    low, high = one["gap_lower"], one["gap_upper"]
    if words.is_missing(low):
        return words.DASH
    return f"{words.usd(low)} to {'open' if words.is_missing(high) else words.usd(high)}"


def _verdict(one: pd.Series[Any]) -> str:
    now = ", runs there now" if one["is_current"] else ""
    if one["is_chosen"]:
        return f"chosen{now}"
    if not one["is_complete"]:
        return f"not ranked: data missing{now}"
    return f"{'possible' if one['is_feasible'] else 'excluded'}{now}"
