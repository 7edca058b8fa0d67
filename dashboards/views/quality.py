"""Data quality: may one believe it, and what could not be done with these data."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboards import living, parts, questions, words
from dashboards.data import Snapshot, ask


def render() -> None:
    """Draw the page."""
    parts.header("Data quality", "May I believe it?")
    snapshot = parts.snapshot_or_stop()
    _rows(snapshot)
    _degradations(snapshot)
    _network(snapshot)
    _prices(snapshot)
    _models(snapshot)
    living.regret(snapshot)
    _run(snapshot)


def _rows(snapshot: Snapshot) -> None:
    parts.section("Rows read, kept and set aside", "Nothing is lost: read = kept + quarantined.")
    rows = ask(snapshot, questions.QUALITY)
    if rows.empty:
        parts.nothing("No table was read in this build.")
        return
    whole = rows[rows["is_whole_table"]]
    closed = int(whole["is_account_closed"].sum())
    st.markdown(
        f"**{words.count(whole['rows_quarantined'].sum())} of"
        f" {words.count(whole['rows_read'].sum())} rows set aside**; the account closes for"
        f" {closed} of {words.plural(len(whole), 'table')}."
    )
    view = pd.DataFrame(
        {
            "Table": whole["table_name"],
            "File": [
                name if there else "not given"
                for name, there in zip(whole["file_name"], whole["is_present"], strict=True)
            ],
            "Read": whole["rows_read"],
            "Kept": whole["rows_kept"],
            "Set aside": whole["rows_quarantined"],
            "Share set aside": whole["quarantined_share"].map(words.share),
            "Columns not given": whole["absent_columns"].fillna(""),
            "Columns not known": whole["unknown_columns"].fillna(""),
        }
    )
    parts.table(view, key="data_quality", alt="Rows read, kept and set aside by table.")
    broken = rows[~rows["is_whole_table"]]
    st.subheader("Why rows were set aside", anchor=False)
    if broken.empty:
        st.markdown("No row was set aside.")
        return
    why = pd.DataFrame(
        {
            "Table": broken["table_name"],
            "Rule": broken["rule_id"],
            "Reason": broken["reason"],
            "Set aside": broken["rows_quarantined"],
        }
    )
    parts.table(why, key="quarantine", alt="Rows set aside by table and rule, with the reason.")


def _degradations(snapshot: Snapshot) -> None:
    parts.section("What could not be done", "Each line weakens the decisions it names.")
    kinds = ask(snapshot, questions.DEGRADATION_KINDS)
    if kinds.empty:
        parts.nothing("Nothing had to be left out.")
        return
    view = pd.DataFrame(
        {
            "Degradation": kinds["reason_code"].map(words.code),
            "Concerns": [
                "the whole fleet" if kind == "fleet" else words.plural(places, kind)
                for kind, places in zip(kinds["scope_kind"], kinds["places"], strict=True)
            ],
            "Effect": kinds["effect"],
            "Holds confidence down to": kinds["confidence_cap"].fillna(words.DASH),
        }
    )
    st.table(view, hide_index=True, alt="Degradations in force, what they concern and block.")
    rows = ask(snapshot, questions.DEGRADATIONS)
    with st.expander(f"All {words.plural(len(rows), 'line')}, with numbers"):
        parts.table(
            rows[["reason_code", "scope", "detail", "noticed_by"]],
            key="degradations",
            alt="Every degradation with its scope and the numbers behind it.",
        )


def _network(snapshot: Snapshot) -> None:
    parts.section("Network figures")
    pairs = ask(snapshot, questions.REGION_PAIRS)
    if pairs.empty:
        parts.nothing("No round trip is known.")
        return
    fallback = pairs[pairs["is_distance_fallback"]]
    sources = pairs.groupby("rtt_source", sort=True).size()
    said = ", ".join(
        f"{words.plural(amount, 'pair')} by {name}" for name, amount in sources.items()
    )
    st.markdown(
        f"{said}. **{words.plural(len(fallback), 'pair')}** had no measurement and"
        f" {'rests' if len(fallback) == 1 else 'rest'} on distance."
    )
    measured = pairs[pairs["last_measured_on"].notna()]
    if len(measured):
        st.markdown(
            f"Measured from {words.moment(measured['first_measured_on'].min())} to"
            f" {words.moment(measured['last_measured_on'].max())}."
        )
    odd = pairs[(pairs["client_id"] == pairs["region_id"]) & (pairs["used_rtt_ms"] > 5)]
    st.markdown(
        f"{words.plural(len(odd), 'region')} slow to itself (over 5 ms)"
        + (": " + ", ".join(odd["region_id"]) + "." if len(odd) else ".")
    )


def _prices(snapshot: Snapshot) -> None:
    parts.section("Price book", "On-demand list prices; a negotiated discount is not in them.")
    regions = ask(snapshot, questions.REGIONS)
    if regions.empty:
        parts.nothing("No region in this build.")
        return
    view = pd.DataFrame(
        {
            "Region": regions["region_id"],
            "Provider": regions["provider"],
            "vCPU, $/hour": regions["vcpu_hour_usd"],
            "Memory, $/GB-hour": regions["memory_gb_hour_usd"],
            "To users, $/GB": regions["egress_internet_usd_per_gb"],
            "Capacity, vCPU": regions["capacity_vcpu"].map(words.count),
            "Grid, g CO₂/kWh": regions["carbon_g_per_kwh"].map(words.count),
        }
    )
    parts.table(
        view,
        key="price_book",
        config={
            name: st.column_config.NumberColumn(format="%.4f")
            for name in ("vCPU, $/hour", "Memory, $/GB-hour", "To users, $/GB")
        },
        alt="Regions with prices, capacity and carbon intensity of the grid.",
    )


def _models(snapshot: Snapshot) -> None:
    parts.section("Models against their goals")
    rows = ask(snapshot, questions.MODEL_METRICS)
    if rows.empty:
        parts.nothing("No model was measured in this build.")
        return
    judged = rows[rows["status"].isin(["met", "missed"])]
    met = int((judged["status"] == "met").sum())
    st.markdown(f"**{met} of {words.plural(len(judged), 'goal')} met.** Missed goals stay listed.")
    view = pd.DataFrame(
        {
            "Model": rows["model_name"].map(words.code),
            "Variant": rows["variant"].map(words.code),
            "Split": rows["split"].map(words.code),
            "Metric": rows["metric"].map(words.code),
            "Measured": rows["value"].map(words.number),
            "Goal": [
                _goal(low, high)
                for low, high in zip(rows["goal_low"], rows["goal_high"], strict=True)
            ],
            "Result": rows["status"],
            "Rows": rows["row_count"].map(words.count),
        }
    )
    parts.table(view, key="model_metrics", alt="Measured figures of models and baselines.")


def _goal(low: Any, high: Any) -> str:
    if words.is_missing(low) and words.is_missing(high):
        return words.DASH
    if words.is_missing(high):
        return f"at least {words.number(low)}"
    if words.is_missing(low):
        return f"at most {words.number(high)}"
    return f"{words.number(low)} to {words.number(high)}"


def _run(snapshot: Snapshot) -> None:
    parts.section("This build")
    run = ask(snapshot, questions.RUN)
    if run.empty:
        parts.nothing("The build left no record of itself.")
        return
    view = run.iloc[0].astype(str).rename_axis("Field").reset_index(name="Value")
    # A grid, not a text table: unbroken hashes would make cells that only a mouse can scroll.
    parts.table(view, key="run_record", alt="Run record: ids, hashes, seed and versions.")
    st.markdown(
        "Lineage of every table: `make docs` writes one offline page; each column's meaning is a"
        " comment in the published file (`make sql`, then `describe`)."
    )


if __name__ == "__main__":
    render()
