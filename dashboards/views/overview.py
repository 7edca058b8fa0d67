"""Overview: what should be done, what it is worth, and what the fleet looks like."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboards import charts, data, deciding, headline, parts, questions, words
from dashboards.data import Snapshot, ask
from regionwise import decisions


def render() -> None:
    """Draw the page."""
    parts.header("Overview", "What should be done, and what is it worth?")
    snapshot = parts.snapshot_or_stop()
    totals = ask(snapshot, questions.PLAN_TOTALS)
    recommendations = ask(snapshot, questions.RECOMMENDATIONS)
    _advice(totals, recommendations)
    _proof(ask(snapshot, questions.VERDICT))
    _before_and_after(totals)
    _people(recommendations)
    _fleet(snapshot, totals)
    _traffic(snapshot)
    _mix(snapshot)


def _advice(totals: pd.DataFrame, recommendations: pd.DataFrame) -> None:
    parts.section("What to do")
    if recommendations.empty:
        parts.nothing("This build holds no recommendation: it has no service to place.")
        return
    st.markdown(f"**{headline.sentence(totals)}**")
    row = headline.plan(totals, "recommended")
    if row is None:
        return
    changed = row["services_changed"]
    left, middle, right = st.columns(3)
    level = row["interval_level"]
    with left:
        parts.figure(
            "Monthly saving",
            words.usd(row["monthly_saving_usd"]),
            words.interval(
                row["monthly_saving_lo_usd"], row["monthly_saving_hi_usd"], level, "usd"
            ),
            change=words.change(
                _minus(row["monthly_saving_usd"]),
                _minus(row["monthly_saving_hi_usd"]),
                _minus(row["monthly_saving_lo_usd"]),
                "cheaper",
                "dearer",
            ),
        )
    with middle:
        parts.figure(
            "Change of mean latency",
            words.ms(row["mean_latency_delta_ms"], signed=True),
            words.interval(
                row["mean_latency_delta_lo_ms"], row["mean_latency_delta_hi_ms"], level, "ms"
            ),
            change=words.change(
                row["mean_latency_delta_ms"],
                row["mean_latency_delta_lo_ms"],
                row["mean_latency_delta_hi_ms"],
                "faster",
                "slower",
            ),
        )
    with right:
        keep = row["services"] - changed
        parts.figure(
            "Services to change",
            words.count(changed),
            f"{words.plural(keep, 'service')} should stay where they are.",
        )
    st.page_link("views/recommendations.py", label="Read every recommendation and its reasons")


def _proof(verdicts: pd.DataFrame) -> None:
    """Say what the experiment made of the plan, so that nobody acts on the sum alone."""
    if verdicts.empty:
        return
    name, colour, meaning = words.VERDICTS[str(verdicts.iloc[0]["verdict"])]
    st.markdown(f"The experiment says :{colour}[**{name}**]. {meaning}")
    st.page_link("views/ab_test.py", label="Read what was measured")


def _minus(value: Any) -> Any:
    return value if words.is_missing(value) else -value


def _before_and_after(totals: pd.DataFrame) -> None:
    before, after = headline.plan(totals, "current"), headline.plan(totals, "recommended")
    if before is None or after is None:
        return
    parts.section("Before and after", "Both plans serve the same demand, forecast from history.")
    rows = pd.DataFrame(
        {
            "Measure": [
                "Monthly cost",
                "Mean latency",
                "Running instances",
                "Placements (service and region)",
                "Services that survive the loss of any one region",
            ],
            "Now": _measures(before),
            "Recommended": _measures(after),
        }
    )
    st.table(rows, hide_index=True, alt="The fleet now and under the recommended plan.")


def _measures(row: dict[str, Any]) -> list[str]:
    level = row["interval_level"]
    latency = words.interval(
        row["mean_latency_lo_ms"], row["mean_latency_hi_ms"], level, "ms", signed=False
    )
    return [
        words.usd(row["monthly_cost_usd"]),
        f"{words.ms(row['mean_latency_ms'])} ({latency})",
        words.count(row["instances"]),
        words.count(row["placements"]),
        f"{words.count(row['n1_covered_services'])} of {words.count(row['services'])}",
    ]


def _people(recommendations: pd.DataFrame) -> None:
    parts.section("Open and done")
    decided = deciding.with_status(recommendations, data.data_dir())
    advised = decided[decided["action"] != "keep"]
    counts = {name: int((advised["status"] == name).sum()) for name in decisions.STATUSES}
    said = ", ".join(f"{amount} {name}" for name, amount in counts.items() if amount)
    st.markdown(
        f"Of {words.plural(len(advised), 'change')} advised: {said}."
        if said
        else "No change is advised, so nothing waits for a decision."
    )


def _fleet(snapshot: Snapshot, totals: pd.DataFrame) -> None:
    parts.section("The fleet today")
    fleet = ask(snapshot, questions.FLEET)
    now = headline.plan(totals, "current") or {}
    boxes = [
        ("Services", words.count(parts.value(fleet, "services")), ""),
        ("Regions", words.count(parts.value(fleet, "regions")), ""),
        ("Running instances", words.count(now.get("instances")), "on the last complete day"),
        ("Requests", words.count(parts.value(fleet, "requests")), "in the whole history"),
        ("Monthly cost", words.usd(now.get("monthly_cost_usd")), "price book, transfer included"),
    ]
    for column, (label, value, below) in zip(st.columns(len(boxes)), boxes, strict=True):
        with column:
            parts.figure(label, value, below)


def _traffic(snapshot: Snapshot) -> None:
    parts.section("Where requests come from, and where they are served")
    origins = ask(snapshot, questions.TRAFFIC_BY_ORIGIN)
    served = ask(snapshot, questions.TRAFFIC_BY_REGION)
    left, right = st.columns(2, gap="large")
    with left:
        _volume(origins, "origin_id", "requests", "Origin", questions.TRAFFIC_BY_ORIGIN)
    with right:
        _volume(served, "region_id", "requests_served", "Region", questions.TRAFFIC_BY_REGION)


def _volume(rows: pd.DataFrame, name: str, amount: str, title: str, sql: str) -> None:
    known = rows[rows[amount].fillna(0) > 0].reset_index(drop=True)
    if known.empty:
        parts.nothing(f"No traffic by {title.lower()} in this build.")
        return
    drawn = known.head(15).assign(label=[words.count(v) for v in known[amount].head(15)])
    verb = "sends" if name == "origin_id" else "serves"
    top = known.iloc[0]
    parts.chart(
        f"{top[name]} {verb} the most requests: {words.count(top[amount])}",
        charts.bars(drawn, name, amount, label=title, unit="Requests", text="label"),
        known,
        key=f"overview_{name}",
        alt=f"Bar chart of requests by {title.lower()}, largest first: "
        + "; ".join(f"{r[name]} {r['label']}" for _, r in drawn.iterrows())
        + ".",
        note="" if len(known) <= 15 else f"The 15 largest of {len(known)}.",
        sql=sql,
    )


def _mix(snapshot: Snapshot) -> None:
    parts.section("What kind of services these are")
    scales = [
        (
            "memory_band_gb",
            "Memory of one instance (GB)",
            questions.SERVICES_BY_MEMORY,
            "memory",
            " GB",
        ),
        ("cpu_band", "Cores of one instance", questions.SERVICES_BY_CPU, "CPU", " vCPU"),
        (
            "latency_sensitivity",
            "Latency sensitivity",
            questions.SERVICES_BY_SENSITIVITY,
            "latency sensitivity",
            "",
        ),
    ]
    for column, (name, label, sql, short, unit) in zip(
        st.columns(3, gap="large"), scales, strict=True
    ):
        rows = ask(snapshot, sql)
        with column:
            if rows.empty:
                parts.nothing(f"No service to count by {short}.")
                continue
            top = rows.sort_values("services", ascending=False, kind="stable").iloc[0]
            drawn = rows.assign(label=rows["services"].astype(int).astype(str))
            parts.chart(
                f"{short[:1].upper()}{short[1:]}: most often {top[name]}{unit}",
                charts.columns(drawn, name, "services", label=label, unit="Services", text="label"),
                rows,
                key=f"overview_{name}",
                alt=f"Services by {short}: "
                + "; ".join(f"{r[name]}: {r['label']}" for _, r in drawn.iterrows())
                + ".",
                sql=sql,
            )


if __name__ == "__main__":
    render()
