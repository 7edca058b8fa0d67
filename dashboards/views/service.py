"""Service Details: where one service runs, how fast, for whom, and what is advised for it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboards import advice, charts, data, deciding, parts, questions, words
from dashboards.data import Snapshot, ask


def render() -> None:
    """Draw the page."""
    parts.header("Service Details", "How is this one service?")
    snapshot = parts.snapshot_or_stop()
    services = ask(snapshot, questions.SERVICE_LIST)
    if services.empty:
        parts.nothing("This build holds no service.")
        return
    names = dict(zip(services["service_id"], services["service_name"], strict=True))
    first = services["service_id"].iloc[0]
    service_id = parts.service_picker("Search by name or id", names, first)
    _attributes(ask(snapshot, questions.SERVICE, service_id).iloc[0])
    days = ask(snapshot, questions.SERVICE_DAYS, service_id)
    _placement(days)
    _history(days)
    _origins(snapshot, service_id)
    _calls(snapshot, service_id)
    _cost(snapshot, service_id)
    _advice(snapshot, service_id)


def _attributes(row: pd.Series[Any]) -> None:
    parts.section(str(row["service_name"]))
    yes_no = {True: "yes", False: "no"}
    lines = [
        ("Id", row["service_id"]),
        ("Team", row["team"]),
        ("Tier, 1 is vital", words.count(row["tier"])),
        ("Latency-critical", yes_no.get(row["is_latency_critical"], words.DASH)),
        ("Objective for p95", words.ms(row["slo_p95_ms"])),
        ("Cores of one instance", words.number(row["cpu_cores"])),
        ("Memory of one instance", f"{words.number(row['memory_gb'])} GB"),
        ("Regions, at least", words.count(row["min_regions"])),
        ("Regions, at most", words.count(row["max_regions"])),
        ("May run in", "anywhere" if words.is_missing(row["residency"]) else row["residency"]),
        ("Keeps data", yes_no.get(row["is_stateful"], words.DASH)),
        ("Data to move", f"{words.number(row['state_gb'])} GB"),
    ]
    halves = st.columns(2, gap="large")
    for column, part in zip(halves, (lines[:6], lines[6:]), strict=True):
        with column:
            view = pd.DataFrame(part, columns=["Attribute", "Value"]).fillna(words.DASH)
            st.table(view.astype(str), hide_index=True, alt="Attributes of the service.")


def _placement(days: pd.DataFrame) -> None:
    parts.section("Where it runs", "On the last day with data; latency as callers saw it.")
    if days.empty:
        parts.nothing("The service ran nowhere in this history.")
        return
    last = days[days["placed_on"] == days["placed_on"].max()]
    view = pd.DataFrame(
        {
            "Region": last["region_id"],
            "Instances": last["instances"],
            "Mean latency": last["mean_latency_ms"].map(words.ms),
            "p95": last["p95_latency_ms"].map(words.ms),
            "p99": last["p99_latency_ms"].map(words.ms),
            "Errors": last["error_rate"].map(words.share),
            "Requests": last["requests_served"].map(words.count),
            "CPU in use": last["cpu_utilization"].map(words.share),
            "Cost of the day": last["cost_usd"].map(words.usd),
        }
    )
    st.caption(f"{words.moment(last['placed_on'].iloc[0])}")
    st.table(view, hide_index=True, alt="Instances, latency, errors, load and cost by region.")


def _history(days: pd.DataFrame) -> None:
    known = days[days["mean_latency_ms"].notna()]
    if known.empty:
        return
    parts.section("History")
    regions = known["region_id"].nunique()
    slowest = known.sort_values("mean_latency_ms", ascending=False, kind="stable").iloc[0]
    parts.chart(
        f"Slowest day: {words.ms(slowest['mean_latency_ms'])} in {slowest['region_id']}",
        charts.lines(
            known[["placed_on", "region_id", "mean_latency_ms"]],
            "placed_on",
            "mean_latency_ms",
            "region_id",
            y_title="Mean latency (ms)",
        ),
        known,
        key="service_history",
        alt=f"Mean latency by day in {words.plural(regions, 'region')}, from"
        f" {words.moment(known['placed_on'].min())} to {words.moment(known['placed_on'].max())}."
        f" The slowest day had {words.ms(slowest['mean_latency_ms'])}.",
        sql=questions.SERVICE_DAYS,
    )


def _origins(snapshot: Snapshot, service_id: str) -> None:
    parts.section("Users", "Round trip from each origin to the nearest region it runs in.")
    rows = ask(snapshot, questions.SERVICE_ORIGINS, service_id, service_id, service_id)
    if rows.empty:
        parts.nothing("No user request reached this service in this history.")
        return
    view = pd.DataFrame(
        {
            "Origin": rows["origin_id"],
            "Requests": rows["requests"].map(words.count),
            "Nearest region": rows["region_id"].fillna(words.DASH),
            "Round trip, median": rows["used_rtt_ms"].map(words.ms),
            "Known by": rows["rtt_source"].fillna(words.DASH),
        }
    )
    parts.table(view, key="service_origins", alt="Requests and round trip by user origin.")


def _calls(snapshot: Snapshot, service_id: str) -> None:
    parts.section("Callers and callees")
    calls = ask(snapshot, questions.SERVICE_CALLS, service_id, service_id)
    left, right = st.columns(2, gap="large")
    ways = (
        ("It calls", "caller_service_id", "callee_service_id", left),
        ("Called by", "callee_service_id", "caller_service_id", right),
    )
    for title, mine, other, column in ways:
        rows = calls[calls[mine] == service_id]
        with column:
            st.subheader(f"{title} {words.plural(len(rows), 'service')}", anchor=False)
            if rows.empty:
                continue
            view = pd.DataFrame(
                {
                    "Service": rows[other],
                    "Calls per request": rows["calls_per_request"].map(words.number),
                    "Stage": rows["stage"],
                    "Waits for it": ["no" if a else "yes" for a in rows["is_async"]],
                    "Crosses regions, now → then": [
                        f"{words.share(now)} → {words.share(then)}"
                        for now, then in zip(
                            rows["cross_region_share_before"],
                            rows["cross_region_share_after"],
                            strict=True,
                        )
                    ],
                }
            )
            st.table(view, hide_index=True, alt=f"{title}: services with calls per request.")


def _cost(snapshot: Snapshot, service_id: str) -> None:
    parts.section("Cost split", "A month, now and under the recommended plan.")
    plans = ask(snapshot, questions.SERVICE_PLANS, service_id)
    if plans.empty:
        parts.nothing("No plan was priced for this service.")
        return
    names = {"current": "now", "recommended": "recommended"}
    terms = {"compute": "Compute", "egress": "Transfer", "open": "Open regions"}
    drawn = pd.DataFrame(
        [
            {
                "part": title,
                "plan": names[str(row["plan_kind"])],
                "usd": row[f"monthly_{term}_usd"],
                "text": words.usd(row[f"monthly_{term}_usd"]),
            }
            for _, row in plans.iterrows()
            for term, title in terms.items()
        ]
    )
    said = "; ".join(
        f"{names[str(row['plan_kind'])]} {words.usd(row['monthly_cost_usd'])} a month"
        for _, row in plans.iterrows()
    )
    parts.chart(
        said[:1].upper() + said[1:],
        charts.paired_bars(drawn, "part", "usd", "plan", label="Part", unit="USD a month"),
        plans,
        key="service_cost",
        alt="Cost by part and plan: "
        + "; ".join(f"{r['part']} {r['plan']} {r['text']}" for _, r in drawn.iterrows())
        + ".",
        sql=questions.SERVICE_PLANS,
    )


def _advice(snapshot: Snapshot, service_id: str) -> None:
    parts.section("What is advised")
    rows = ask(snapshot, questions.RECOMMENDATION, service_id)
    if rows.empty:
        parts.nothing("No recommendation was made for this service.")
        return
    row = deciding.with_status(rows, data.data_dir()).iloc[0]
    st.markdown(f"Status: **{row['status']}**")
    advice.figures(row)
    advice.reasons(snapshot, row)
    advice.alternatives(snapshot, row)
    st.page_link(
        "views/recommendations.py",
        label="Decide on it",
        query_params={"service": service_id},
    )


if __name__ == "__main__":
    render()
