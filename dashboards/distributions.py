"""All of the demand, the effect on all of the distribution, and all p-values of no effect."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import evidence, parts, questions, theme, words

_OUTCOMES = ("served", "errored", "dropped")
_OURS = ("sign_flip", "sign_flip_covariate", "permutation")
_COLOURS = (theme.BLUE, theme.ORANGE, theme.VERMILION)


def demand(rows: pd.DataFrame) -> None:
    """Show what became of every request of both arms; nothing without a world to run them in."""
    if rows.empty:
        return
    offered = rows.groupby("arm")["offered_requests"].first()
    whole = rows.groupby("arm")["requests"].sum()
    equal = offered.nunique() == 1 and (whole == offered).all()
    finding = (
        "Both arms answer for the same 100 % of the demand"
        if equal
        else "The arms do not answer for the same demand"
    )
    order = {name: index for index, name in enumerate(_OUTCOMES)}
    drawn = rows.assign(share=rows["offered_share"] * 100, order=rows["outcome"].map(order))
    said = "; ".join(
        f"{arm}: "
        + ", ".join(
            f"{words.share(part[part['outcome'] == name]['offered_share'].iloc[0])} {name}"
            for name in _OUTCOMES
        )
        for arm, part in rows.groupby("arm")
    )
    bars = (
        alt.Chart(drawn)
        .mark_bar(height={"band": 0.7})
        .encode(
            y=alt.Y("arm:N", title=None),
            x=alt.X("share:Q", title="Requests offered, %"),
            color=alt.Color(
                "outcome:N",
                title=None,
                scale=alt.Scale(domain=list(_OUTCOMES), range=list(_COLOURS)),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("order:Q"),
        )
        .properties(height=alt.Step(34))
    )
    parts.chart(
        finding,
        bars,
        rows,
        key="demand",
        alt=f"Requests of both arms by what became of them. {said}.",
        note=f"{said}. An arm that answers less can look faster without being so.",
        sql=questions.DEMAND,
    )


def curve(rows: pd.DataFrame) -> None:
    """Show the effect at every percentile of latency, with its pointwise band."""
    known = rows[rows["rel_effect"].notna()]
    if known.empty:
        return
    lead = known[known["mode"] == "twin"]
    lead = lead if len(lead) else known
    at = {
        name: lead.iloc[(lead["quantile_share"] - share).abs().argsort().iloc[0]]
        for name, share in (("p10", 0.10), ("median", 0.50), ("p99", 0.99))
    }
    finding = "Change at " + ", ".join(
        f"{name} {words.share(row['rel_effect'], signed=True)}" for name, row in at.items()
    )
    parts.chart(
        finding,
        _curve(known),
        known,
        key="quantile_curve",
        alt=f"Change of latency at every percentile of requests, by layer. {finding}.",
        note="Bands (95 %) hold for one percentile alone, and there are no p-values: among a"
        " hundred tests some would find something by chance. Quantiles must not be averaged.",
        sql=questions.QUANTILES,
    )
    far = known[known["quantile_share"] > 0.99]
    if far["rel_effect"].gt(0).any():
        st.caption("The far tail is slower under the treatment.")


def _curve(known: pd.DataFrame) -> Any:
    drawn = known.assign(
        percentile=known["quantile_share"] * 100,
        effect=known["rel_effect"] * 100,
        lo=known["rel_lo"] * 100,
        hi=known["rel_hi"] * 100,
        layer=known["mode"].map(evidence.LAYERS),
    )
    colour = alt.Color(
        "layer:N",
        title=None,
        scale=alt.Scale(range=[theme.VERMILION, theme.BLUE]),
        legend=alt.Legend(orient="top"),
    )
    x = alt.X("percentile:Q", title="Percentile of requests")
    band = (
        alt.Chart(drawn[drawn["lo"].notna()])
        .mark_area(opacity=0.25)
        .encode(x=x, y=alt.Y("lo:Q", title="Change of latency, %"), y2="hi:Q", color=colour)
    )
    line = (
        alt.Chart(drawn)
        .mark_line(strokeWidth=2)
        .encode(x=x, y="effect:Q", color=colour, strokeDash=alt.StrokeDash("layer:N", title=None))
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(
        strokeDash=[4, 3], color=theme.ink().faint
    )
    return (band + line + zero.encode(y="zero:Q")).properties(height=280)


def rejections(rows: pd.DataFrame) -> None:
    """Show how often each test calls an effect at every level where nothing differs."""
    if rows.empty:
        return
    # Both forms measure the same; the long one has more runs and more scenarios.
    form = "long" if rows["form"].eq("long").any() else "short"
    shown = rows[(rows["form"] == form) & (rows["design"] != "observational")]
    ours = shown["estimator"].isin(_OURS)
    shown = shown.assign(
        kind=[
            "bad method" if c else "ours" if o else "other estimator"
            for c, o in zip(shown["is_canary"], ours, strict=True)
        ],
    )
    at = shown[shown["nominal_level"] == 0.05]
    finding = "False alarms at the 5 % level: " + ", ".join(
        f"{name} {_ends(at.loc[at['kind'] == kind, 'rejected_share'])}"
        for kind, name in (("ours", "our tests"), ("bad method", "bad methods"))
        if (at["kind"] == kind).any()
    )
    parts.chart(
        finding,
        _rejections(shown),
        shown,
        key="rejections",
        alt=f"Share of p-values at or below each level where nothing differs. {finding}.",
        note="A right test lies on the diagonal at every level, a bad method above it. The band"
        " holds 95 % of curves of as many uniform p-values.",
        sql=questions.REJECTIONS,
    )


def _ends(shares: pd.Series[Any]) -> str:
    low, high = words.share(shares.min()), words.share(shares.max())
    return low if low == high else f"{low} to {high}"


def _rejections(shown: pd.DataFrame) -> Any:
    kinds = ["ours", "other estimator", "bad method"]
    drawn = shown.assign(
        level=shown["nominal_level"] * 100,
        share=shown["rejected_share"] * 100,
        lo=shown["band_lo"] * 100,
        hi=shown["band_hi"] * 100,
        curve=shown[["source", "design", "metric", "estimator", "scenario"]].agg(", ".join, axis=1),
    )
    x = alt.X("level:Q", title="Level of the test, %", scale=alt.Scale(domain=[0, 100]))
    ours = drawn[drawn["kind"] == "ours"]
    ours = ours[ours["estimator"] == "sign_flip"]
    first = ours[ours["curve"] == ours["curve"].min()]
    band = (
        alt.Chart(first)
        .mark_area(opacity=0.25, color=theme.BLUE)
        .encode(x=x, y=alt.Y("lo:Q", title="Runs with p at or below it, %"), y2="hi:Q")
    )
    line = (
        alt.Chart(drawn)
        .mark_line(strokeWidth=2)
        .encode(
            x=x,
            y="share:Q",
            detail="curve:N",
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=[theme.BLUE, theme.GREEN, theme.VERMILION]),
                legend=alt.Legend(orient="top"),
            ),
            strokeDash=alt.StrokeDash("kind:N", title=None, scale=alt.Scale(domain=kinds)),
            tooltip=["curve:N", "level:Q", "share:Q"],
        )
    )
    diagonal = alt.Chart(pd.DataFrame({"level": [0, 100], "share": [0, 100]})).mark_line(
        strokeDash=[2, 3], color=theme.ink().faint
    )
    return (band + line + diagonal.encode(x=x, y="share:Q")).properties(height=300)
