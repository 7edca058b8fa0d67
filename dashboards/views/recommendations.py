"""Recommendations: why this, why not those, and what people decided about it."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import advice, data, deciding, headline, living, parts, questions, words
from dashboards.data import Snapshot, ask

DEFAULTS: dict[str, Any] = {"team": [], "action": [], "outcome": [], "changes_only": True}


def render() -> None:
    """Draw the page."""
    parts.header("Recommendations", "Why this, and why not the others?")
    snapshot = parts.snapshot_or_stop()
    rows = deciding.with_status(ask(snapshot, questions.RECOMMENDATIONS), data.data_dir())
    if rows.empty:
        parts.nothing("This build holds no recommendation: it has no service to place.")
        return
    st.markdown(f"**{headline.sentence(ask(snapshot, questions.PLAN_TOTALS))}**")
    shown = _filtered(rows)
    if shown.empty:
        parts.empty_filter("these filters", DEFAULTS)
    else:
        _table(shown)
    _one(snapshot, rows, shown)
    living.waves(snapshot)
    living.prices(snapshot)


def _filtered(rows: pd.DataFrame) -> pd.DataFrame:
    teams, actions, outcomes, switch = st.columns([2, 2, 2, 1.4], vertical_alignment="bottom")
    wanted = {
        "team": teams.multiselect(
            "Team", sorted(rows["team"].dropna().unique()), key="team", bind="query-params"
        ),
        "action": actions.multiselect(
            "Action",
            sorted(rows["action"].unique()),
            format_func=words.code,
            key="action",
            bind="query-params",
        ),
        "outcome": outcomes.multiselect(
            "Outcome",
            sorted(rows["outcome"].unique()),
            format_func=words.code,
            key="outcome",
            bind="query-params",
        ),
    }
    only = switch.toggle("Changes only", value=True, key="changes_only", bind="query-params")
    shown = rows
    for column, chosen in wanted.items():
        shown = shown[shown[column].isin(chosen)] if chosen else shown
    # "Keep" is an answer too; it is one switch away, and an explicit filter wins over the switch.
    if only and not wanted["action"] and not wanted["outcome"]:
        shown = shown[shown["action"] != "keep"]
    return shown.reset_index(drop=True)


def _table(shown: pd.DataFrame) -> None:
    order = shown["service_id"].tolist()

    def choose() -> None:
        picked = st.session_state["recommendation_table"]["selection"]["rows"]
        if picked:
            st.session_state["service"] = order[picked[0]]

    level = words.level(shown["interval_level"].iloc[0])
    view = pd.DataFrame(
        {
            "Service": shown["service_name"].fillna(shown["service_id"]),
            "Action": shown["action"].map(words.code),
            "Saving, $/month": shown["monthly_saving_usd"],
            f"{level} interval": _ends(
                shown, "monthly_saving_lo_usd", "monthly_saving_hi_usd", "usd"
            ),
            "Latency, ms": shown["mean_latency_delta_ms"],
            f"{level} interval ": _ends(
                shown, "mean_latency_delta_lo_ms", "mean_latency_delta_hi_ms", "ms"
            ),
            "Confidence": shown["confidence"],
            "Risk": shown["risk_level"],
            "Status": shown["status"],
            "Regions": [
                _moved(now, then)
                for now, then in zip(shown["from_regions"], shown["to_regions"], strict=True)
            ],
            "Effort": shown["effort"].map(words.code),
            "Team": shown["team"],
        }
    )
    st.caption(
        f"{words.plural(len(shown), 'recommendation')}. Click a heading to sort,"
        " the box left of a row to open it."
    )
    st.dataframe(
        view,
        hide_index=True,
        key="recommendation_table",
        on_select=choose,
        selection_mode="single-row",
        column_config={
            "Saving, $/month": st.column_config.NumberColumn(format="%,.0f"),
            "Latency, ms": st.column_config.NumberColumn(format="%.2f"),
        },
        alt="Recommendations with saving, latency change, intervals, confidence, risk and status.",
    )
    parts.download(shown, "recommendations")


def _ends(rows: pd.DataFrame, lo: str, hi: str, unit: str) -> list[str]:
    ends = zip(rows[lo], rows[hi], strict=True)
    return [words.interval(low, high, None, unit) for low, high in ends]


def _moved(now: str, then: str) -> str:
    """Write what changes in a set of regions: what is added, then what is removed."""
    before, after = set(str(now).split(", ")), set(str(then).split(", "))
    added = [f"+{region}" for region in sorted(after - before)]
    removed = [f"{words.MINUS}{region}" for region in sorted(before - after)]
    return " ".join(added + removed) or "no change"


def _one(snapshot: Snapshot, rows: pd.DataFrame, shown: pd.DataFrame) -> None:
    parts.section("One service")
    names = dict(zip(rows["service_id"], rows["service_name"], strict=True))
    first = (shown if len(shown) else rows)["service_id"].iloc[0]
    service_id = parts.service_picker("Service", names, first)
    row = rows[rows["service_id"] == service_id].iloc[0]
    advice.figures(row)
    living.stability(snapshot, service_id)
    advice.reasons(snapshot, row)
    left, right = st.columns(2, gap="large")
    with left:
        advice.safety(row)
    with right:
        advice.regions(snapshot, row)
    advice.alternatives(snapshot, row)
    if os.environ.get("REGIONWISE_READ_ONLY") == "1":
        st.caption("This copy is for reading: decisions are not kept here.")
    else:
        deciding.form(row, data.data_dir())


if __name__ == "__main__":
    render()
