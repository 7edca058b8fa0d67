"""Before and after the test itself: planning, looks on the way, promises, single services."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import parts, questions, theme, words

_STOP = math.log(20)


def measured(rows: pd.DataFrame) -> None:
    """Show what every metric sums and what it divides by, as registered."""
    if rows.empty:
        return
    view = pd.DataFrame(
        {
            "Metric": rows["metric"].map(words.metric),
            "Role": rows["role"],
            "What is summed": rows["numerator"],
            "Divided by": rows["denominator"].replace("none", words.DASH),
            "Kind": rows["kind"],
        }
    )
    with st.expander("What exactly is measured"):
        st.table(view, hide_index=True, alt="Metrics of the experiment and their definitions.")


def planned(rows: pd.DataFrame) -> None:
    """Show the smallest effect that each design would find, by its length."""
    known = rows[rows["mde80"].notna()].drop_duplicates(["design", "metric", "days"])
    refused = rows[rows["status"] != "ok"].drop_duplicates(["design", "reason"])
    if len(known):
        view = pd.DataFrame(
            {
                "Design": known["design"].map(words.code),
                "Metric": known["metric"].map(words.metric),
                "Days": known["days"],
                "Smallest effect found (80 % power)": known["mde80"].map(words.share),
                "Power at 5 %": [_at(rows, row) for _, row in known.iterrows()],
            }
        )
        st.markdown("How long it must run, simulated on days before the experiment:")
        parts.table(view, key="planned", alt="Smallest effect found, by design, metric and days.")
    for _, row in refused.iterrows():
        st.caption(f"{words.code(row['design'])} is not offered: {row['reason']}.")


def _at(rows: pd.DataFrame, wanted: pd.Series[Any], effect: float = 0.05) -> str:
    same = (rows["design"] == wanted["design"]) & (rows["metric"] == wanted["metric"])
    found = rows[same & (rows["days"] == wanted["days"]) & (rows["effect_share"] == effect)]
    return words.share(found["power"].iloc[0]) if len(found) else words.DASH


def looks(rows: pd.DataFrame) -> None:
    """Show the e-value after every block, with the line at which one may stop."""
    parts.section(
        "Looks on the way",
        "The only numbers that may be read before the end: they stay valid whenever one stops.",
    )
    if rows.empty:
        parts.nothing("No switchback ran in this build, so there was nothing to look at.")
        return
    last = rows.sort_values("blocks").groupby("metric", sort=True).tail(1)
    stopped = int((last["decision"] == "stop").sum())
    finding = f"{stopped} of {words.plural(len(last), 'metric')} passed the line at which one stops"
    parts.chart(
        finding,
        _path(rows),
        rows,
        key="looks",
        alt="Natural logarithm of the e-value after each block; the line is at log 20. "
        + "; ".join(
            f"{words.metric(row['metric'])} {words.number(row['log_e'])} after"
            f" {words.plural(row['blocks'], 'block')}"
            for _, row in last.iterrows()
        )
        + ".",
        note="Before six blocks nothing can stop it.",
        sql=questions.MONITOR,
    )


def _path(rows: pd.DataFrame) -> Any:
    drawn = rows.assign(name=rows["metric"].map(words.metric))
    line = (
        alt.Chart(drawn)
        .mark_line(strokeWidth=2, point=True)
        .encode(
            x=alt.X("blocks:Q", title="Blocks seen", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("log_e:Q", title="log e-value"),
            color=alt.Color(
                "name:N",
                title=None,
                scale=alt.Scale(range=list(theme.CATEGORIES)),
                legend=alt.Legend(orient="top"),
            ),
            strokeDash=alt.StrokeDash("name:N", title=None),
        )
    )
    limit = alt.Chart(pd.DataFrame({"limit": [_STOP]})).mark_rule(strokeDash=[4, 3])
    return (line + limit.encode(y="limit:Q")).properties(height=260)


def promises(rows: pd.DataFrame) -> None:
    """Show every goal of the method: met, missed, or not measured."""
    if rows.empty:
        st.caption("The long calibration has not run on this data folder: `make calibrate`.")
        return
    missed = int((rows["status"] == "missed").sum())
    st.markdown(
        f"**{int((rows['status'] == 'met').sum())} of {words.plural(len(rows), 'goal')} of the"
        f" method are met**, {missed} missed, in the long calibration."
    )
    marks = {"met": "✓ met", "missed": "✗ missed", "not_measured": "? not measured"}
    view = pd.DataFrame(
        {
            "Goal": rows["goal_id"],
            "What is asked": rows["meaning"],
            "Measured": rows["observed"],
            "Wanted": rows["target"],
            "Result": rows["status"].map(marks),
        }
    )
    with st.expander("Every goal", expanded=missed > 0):
        st.table(view, hide_index=True, alt="Goals of the method with what was measured.")


def services(rows: pd.DataFrame) -> None:
    """Show the effect on every service, pulled towards the fleet's."""
    known = rows[rows["shrunk_effect"].notna()]
    parts.section(
        "Service by service",
        "Effects pulled towards the fleet's by how noisy a service is. Exploratory: one among many"
        " looks extreme by chance.",
    )
    if known.empty:
        parts.nothing("No effect on single services may be shown in this build.")
        return
    worse = int((known["shrunk_effect"] > 0).sum())
    st.markdown(
        f"**{words.plural(len(known) - worse, 'service')} faster, {worse} slower** after shrinking."
    )
    view = pd.DataFrame(
        {
            "Service": known["service_id"],
            "Share of requests": known["traffic_share"].map(words.share),
            "Control": known["control_ms"].map(words.ms),
            "Treatment": known["treatment_ms"].map(words.ms),
            "Change": [words.share(v, signed=True) for v in known["rel_effect"]],
            "95 %": [
                f"{words.share(lo, signed=True)} … {words.share(hi, signed=True)}"
                for lo, hi in zip(known["rel_lo"], known["rel_hi"], strict=True)
            ],
            "Shrunk": [words.share(v, signed=True) for v in known["shrunk_effect"]],
            "p, Benjamini-Hochberg": known["p_adjusted"].map(words.p_value),
        }
    )
    parts.table(view, key="service_effects", alt="Effects on single services, shrunk.")
