"""How effects of an experiment are shown: boxes, tables and charts of result rows."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import charts, parts, theme, words

LAYERS = {
    "twin": "twin (same demand)",
    "switchback": "switchback (coin)",
    "cluster_switchback": "switchback by community (coins)",
    "stepped_wedge": "stepped wedge (random order)",
    "observational": "past moves (correlation)",
    "shadow": "shadow (model)",
}


def cells(rows: pd.DataFrame, column: str, *, signed: bool = False) -> list[str]:
    """Return a column as words, each cell in the unit of its row.

    A signed column holds differences: of shares they are percentage points.
    """
    return [
        words.points(value)
        if signed and unit == "share"
        else words.in_unit(value, "" if words.is_missing(unit) else str(unit), signed=signed)
        for value, unit in zip(rows[column], rows["unit"], strict=True)
    ]


def relative(row: pd.Series[Any]) -> tuple[Any, Any]:
    """Return the interval to read: over uncertain inputs where given, else the sampling one."""
    if not words.is_missing(row["plausible_lo"]):
        return row["plausible_lo"], row["plausible_hi"]
    return row["rel_lo"], row["rel_hi"]


def relative_words(row: pd.Series[Any]) -> str:
    """Write the relative effect's interval and say what kind it is."""
    lo, hi = relative(row)
    if words.is_missing(lo):
        return "no interval"
    kind = "uncertain inputs" if not words.is_missing(row["plausible_lo"]) else None
    ends = f"{words.share(lo, signed=True)} … {words.share(hi, signed=True)}"
    # The plausible range is cut at its 5 % and 95 % order statistics.
    return f"90 %, {kind}: {ends}" if kind else f"{words.level(row['interval_level'])}: {ends}"


def effect_box(row: pd.Series[Any]) -> None:
    """Show one success metric: both arms, the relative effect and its interval."""
    lo, hi = relative(row)
    unit = _short(row["unit"])
    falls = "cheaper" if "cost" in str(row["metric"]) else "faster"
    rises = "dearer" if falls == "cheaper" else "slower"
    parts.figure(
        words.metric(row["metric"]),
        words.share(row["rel_effect"], signed=True),
        f"{words.in_unit(row['control'], unit)} → {words.in_unit(row['treatment'], unit)}  \n"
        f"{relative_words(row)}",
        change=words.change(row["rel_effect"], lo, hi, falls, rises),
    )


def effect_chart(success: pd.DataFrame) -> None:
    """Show every success metric with its interval in each layer, around zero."""
    shown = success[success["rel_effect"].notna()]
    if shown.empty:
        parts.nothing("No effect may be shown: every row was refused, with its reason below.")
        return
    ends = [relative(row) for _, row in shown.iterrows()]
    drawn = pd.DataFrame(
        {
            "name": shown["metric"].map(words.metric),
            "layer": shown["mode"].map(LAYERS).fillna(shown["mode"]),
            "effect": shown["rel_effect"] * 100,
            "lo": [float(lo) * 100 if not words.is_missing(lo) else None for lo, _ in ends],
            "hi": [float(hi) * 100 if not words.is_missing(hi) else None for _, hi in ends],
        }
    )
    clear = sum(
        not words.spans_zero(lo, hi) and not words.is_missing(lo)
        for (lo, hi), mode in zip(ends, shown["mode"], strict=True)
        if mode == "twin"
    )
    metrics = shown["metric"].nunique()
    parts.chart(
        f"{clear} of {words.plural(metrics, 'success metric')} clearly changed in the twin",
        charts.effects(drawn, drawn["name"].unique().tolist(), unit="Change, treatment (%)"),
        shown,
        key="effects",
        alt="Relative change with interval by metric and evidence layer: "
        + "; ".join(
            f"{row['metric']} {row['mode']} {words.share(row['rel_effect'], signed=True)}"
            f" ({relative_words(row)})"
            for _, row in shown.iterrows()
        )
        + ".",
        note="Left of zero is less: faster, cheaper.",
    )


def _arms(rows: pd.DataFrame) -> list[str]:
    """Write both arms, without repeating the unit that the metric's name already holds."""
    short = rows.assign(unit=[_short(unit) for unit in rows["unit"]])
    pairs = zip(cells(short, "control"), cells(short, "treatment"), strict=True)
    return [f"{control} → {treatment}" for control, treatment in pairs]


def _changes(rows: pd.DataFrame) -> list[str]:
    short = rows.assign(unit=[_short(unit) for unit in rows["unit"]])
    moved = zip(cells(short, "abs_effect", signed=True), rows["rel_effect"], strict=True)
    return [
        absolute if words.is_missing(rel) else f"{words.share(rel, signed=True)} ({absolute})"
        for absolute, rel in moved
    ]


def _short(unit: Any) -> str:
    return "USD" if str(unit).startswith("USD per") else str(unit)


def _with_reasons(view: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    said = rows["reason"].fillna("").astype(str)
    return view.assign(Why=said) if said.str.len().any() else view


def effect_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return result rows as words, side by side."""
    view = pd.DataFrame(
        {
            "Metric": rows["metric"].map(words.metric),
            "Layer": rows["mode"].map(LAYERS).fillna(rows["mode"]),
            "Control → treatment": _arms(rows),
            "Change": _changes(rows),
            "Interval": [relative_words(row) for _, row in rows.iterrows()],
            "p, sign-flip": rows["p_value"].map(words.p_value),
            "p, Holm": rows["p_adjusted"].map(words.p_value),
            "Result": rows["verdict"].map(words.code),
        }
    )
    return _with_reasons(view, rows)


def cross_checks(results: pd.DataFrame) -> None:
    """Show what other estimators say of the same units, or that there are too few of these."""
    rows = results[results["segment"] == "cross_check"]
    if rows.empty:
        return
    view = pd.DataFrame(
        {
            "Metric": rows["metric"].map(words.metric),
            "Layer": rows["mode"].map(LAYERS),
            "Estimator": rows["segment_value"].map(words.code),
            "Change": [words.share(v, signed=True) for v in rows["rel_effect"]],
            "Interval": [relative_words(row) for _, row in rows.iterrows()],
            "Effective units": rows["effective_units"].map(words.number),
            "Why": rows["reason"],
        }
    )
    with st.expander("Cross-checks: estimators that others use, never the verdict"):
        st.table(view, hide_index=True, alt="The delta method and CUPED beside the sign-flip test.")


def guard_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return guard rails as words, each with its margin."""
    view = pd.DataFrame(
        {
            "Guard rail": rows["metric"].map(words.metric),
            "Control → treatment": _arms(rows),
            "Change": _changes(rows),
            "Passes when": [_margin(row) for _, row in rows.iterrows()],
            "Result": rows["verdict"].map(words.code),
        }
    )
    return _with_reasons(view, rows)


def _margin(row: pd.Series[Any]) -> str:
    if words.is_missing(row["margin"]):
        return words.code(row["margin_kind"])
    if row["margin_kind"] == "relative":
        return f"at most {words.share(row['margin'], signed=True)}"
    if row["margin_kind"] == "absolute":
        # A negative margin guards a share that must not fall.
        return f"{'at least' if row['margin'] < 0 else 'at most'} {words.points(row['margin'])}"
    return f"{row['margin_kind']}: {words.in_unit(row['margin'], str(row['unit']))}"


def power(results: pd.DataFrame, units: pd.DataFrame) -> None:
    """Show which effects the switchback could have seen, and the days it saw."""
    parts.section("Power", "The smallest effect that would be found four times out of five.")
    known = results[results["mde80"].notna() & (results["role"] == "success")]
    if known.empty:
        parts.nothing("Power was not computed in this build.")
    for _, row in known.iterrows():
        st.markdown(
            f"- {words.code(row['metric'])}: **{words.share(row['mde80'])}** with"
            f" {words.plural(row['blocks'], 'block')} of two days"
        )
    if units.empty:
        return
    metrics = units["metric"].unique().tolist()
    chosen = st.selectbox(
        "Daily values of", metrics, format_func=words.metric, key="unit_metric", bind="query-params"
    )
    days = units[units["metric"] == chosen]
    unit = str(days["unit"].iloc[0])
    parts.chart(
        f"{words.metric(chosen)}: {words.plural(len(days), 'day')} in"
        f" {words.plural(days['block_id'].nunique(), 'block')}",
        _days(days, unit),
        days,
        key="unit_days",
        alt=f"{words.metric(chosen)} by day; the colour and shape tell the arm of the day.",
        note="Neighbouring days form a block; a coin decides which comes first.",
    )


def _days(days: pd.DataFrame, title: str) -> Any:
    arms = ["control", "treatment"]
    return (
        alt.Chart(days)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=alt.X("observed_on:T", title="Day (UTC)", axis=alt.Axis(format="%d %b")),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "arm:N",
                title=None,
                scale=alt.Scale(domain=arms, range=[theme.VERMILION, theme.BLUE]),
                legend=alt.Legend(orient="top"),
            ),
            shape=alt.Shape("arm:N", title=None, scale=alt.Scale(domain=arms)),
        )
        .properties(height=300)
    )


def calibration(rows: pd.DataFrame, verdict: pd.Series[Any]) -> None:
    """Show how often the method cries wolf, and that bad methods are caught."""
    parts.section(
        "Calibration",
        "With two equal arms, 5 % of tests should come out significant. Canaries are methods known"
        " to be wrong: a harness that does not catch them proves nothing.",
    )
    if rows.empty:
        parts.nothing("The method was not calibrated in this build.")
        return
    view = pd.DataFrame(
        {
            "Design": rows["design"],
            "Metric": rows["metric"].map(words.metric),
            "Estimator": rows["estimator"],
            "Scenario": rows["scenario"],
            "False alarms": rows["false_positive_rate"].map(words.share),
            "Interval (Wilson, 95 %)": [
                words.DASH if words.is_missing(lo) else f"{words.share(lo)} … {words.share(hi)}"
                for lo, hi in zip(rows["rate_lo"], rows["rate_hi"], strict=True)
            ],
            "Coverage": rows["coverage"].map(words.share),
            "Power": rows["power"].map(words.share),
            "Bias (pp)": rows["bias_points"].map(words.number),
            "Runs": rows["runs"],
            "Kind": ["canary, must be caught" if c else "ours" for c in rows["is_canary"]],
            "Result": rows["status"].map({"green": "✓ as it should", "red": "✗ not so"}),
        }
    )
    parts.table(view, key="calibration", alt="False-alarm rates of our method and of canaries.")


def segments(results: pd.DataFrame) -> None:
    """Show effects by segment, with a warning about looking in many places."""
    rows = results[results["role"] == "segment"]
    parts.section(
        "Segments",
        f"Exploratory: among {words.plural(len(rows), 'comparison')} some look large by chance"
        " alone. Do not decide on one of them.",
    )
    if rows.empty:
        parts.nothing("No segment was computed.")
        return
    view = effect_table(rows)
    view.insert(0, "Segment", rows["segment"].map(words.code) + ": " + rows["segment_value"])
    parts.table(view, key="segments", alt="Effects by segment, exploratory.")
