"""Chart builders: a frame in, an Altair chart out; no numbers are made here."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from dashboards import theme

# Thousands, millions and billions by letter; d3 says G where people say B.
SHORT = {"format": "~s", "labelExpr": "replace(datum.label, 'G', 'B')"}
Chart = Any  # Altair's charts share no useful base type for a layered or a single one.


def bars(
    frame: pd.DataFrame,
    category: str,
    value: str,
    *,
    label: str,
    unit: str,
    text: str | None = None,
    sort: list[str] | None = None,
    colour: str = theme.BLUE,
) -> Chart:
    """Return horizontal bars with the number written at the end of each bar.

    Args:
        frame: One row per bar.
        category: Column naming the bar.
        value: Column with its length.
        label: Axis title for the categories.
        unit: Axis title for the lengths, with the unit.
        text: Column with the number as words; none written if absent.
        sort: Categories in the wanted order; the frame's order if absent.
        colour: Fill.
    """
    order = sort if sort is not None else frame[category].tolist()
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{category}:N", sort=order, title=label, axis=alt.Axis(labelLimit=220)),
        x=alt.X(
            f"{value}:Q",
            title=unit,
            axis=alt.Axis(tickCount=5, **SHORT),
            scale=_room(frame, value, text),
        ),
    )
    drawn = base.mark_bar(color=colour, cornerRadiusEnd=2, height={"band": 0.72})
    if text is None:
        return drawn.properties(height=alt.Step(26))
    words = base.mark_text(align="left", dx=5, color=theme.ink().text).encode(text=f"{text}:N")
    return (drawn + words).properties(height=alt.Step(26))


def paired_bars(
    frame: pd.DataFrame, category: str, value: str, group: str, *, label: str, unit: str
) -> Chart:
    """Return two bars per category, before and after, with ``text`` written at their ends."""
    ink = theme.ink()
    groups = frame[group].unique().tolist()
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{category}:N", title=label, axis=alt.Axis(labelLimit=220)),
        yOffset=alt.YOffset(f"{group}:N", sort=groups),
        x=alt.X(
            f"{value}:Q",
            title=unit,
            axis=alt.Axis(tickCount=5, **SHORT),
            scale=_room(frame, value, "text"),
        ),
    )
    drawn = base.mark_bar(cornerRadiusEnd=2).encode(
        color=alt.Color(
            f"{group}:N",
            title=None,
            scale=alt.Scale(domain=groups, range=[ink.before, ink.after]),
            legend=alt.Legend(orient="top"),
        )
    )
    words = base.mark_text(align="left", dx=5, color=ink.text).encode(text="text:N")
    return (drawn + words).properties(height=alt.Step(20))


def _room(frame: pd.DataFrame, value: str, text: str | None) -> Any:
    """Return a scale that leaves room for the words at the end of the longest bar."""
    low, high = min(0.0, float(frame[value].min())), max(0.0, float(frame[value].max()))
    longest = int(frame[text].astype(str).str.len().max()) if text else 0
    return alt.Scale(domain=[low, high + (high - low or 1.0) * min(0.6, 0.02 * longest)])


def columns(
    frame: pd.DataFrame, category: str, value: str, *, label: str, unit: str, text: str
) -> Chart:
    """Return upright bars for a short ordered scale, such as memory classes."""
    base = alt.Chart(frame).encode(
        x=alt.X(
            f"{category}:N",
            sort=frame[category].tolist(),
            title=label,
            axis=alt.Axis(labelAngle=0, labelLimit=120),
        ),
        y=alt.Y(f"{value}:Q", title=unit, axis=alt.Axis(tickCount=4, format="d")),
    )
    drawn = base.mark_bar(color=theme.BLUE, cornerRadiusEnd=2)
    words = base.mark_text(dy=-7, color=theme.ink().text).encode(text=f"{text}:N")
    return (drawn + words).properties(height=210)


def heat_map(
    frame: pd.DataFrame,
    x: str,
    y: str,
    value: str,
    text: str,
    *,
    x_title: str,
    y_title: str,
    tooltip: list[Any],
) -> Chart:
    """Return a table of coloured cells with the number in each; unknown cells are grey.

    The fill and the ink of the number are chosen here rather than by a scale in the browser,
    because the ink has to switch with the fill to stay readable.
    """
    known = frame[value].dropna()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    spread = high - low or 1.0
    tilt = 0 if frame[x].nunique() <= 8 else -40
    drawn = frame.assign(
        fill=[
            theme.ink().missing if pd.isna(v) else theme.shade((float(v) - low) / spread)
            for v in frame[value]
        ]
    )
    drawn["ink"] = [theme.text_on(fill) for fill in drawn["fill"]]
    base = alt.Chart(drawn).encode(
        x=alt.X(
            f"{x}:N", title=x_title, axis=alt.Axis(labelAngle=tilt, orient="top", labelLimit=180)
        ),
        y=alt.Y(f"{y}:N", title=y_title),
        tooltip=tooltip,
    )
    cells = base.mark_rect(stroke=theme.ink().land, strokeWidth=1).encode(
        fill=alt.Fill("fill:N", scale=None)
    )
    numbers = base.mark_text(fontSize=13).encode(
        text=f"{text}:N", fill=alt.Fill("ink:N", scale=None)
    )
    return (cells + numbers).properties(height=max(220, 34 * frame[y].nunique() + 90))


def effects(frame: pd.DataFrame, order: list[str], *, unit: str) -> Chart:
    """Return points with their intervals around a line at zero.

    Args:
        frame: Columns ``name``, ``layer``, ``effect``, ``lo``, ``hi``.
        order: Names from top to bottom.
        unit: Axis title with the unit.
    """
    colour = alt.Color(
        "layer:N",
        title="Evidence",
        scale=alt.Scale(range=[theme.BLUE, theme.VERMILION, theme.GREEN]),
        legend=alt.Legend(orient="top"),
    )
    base = alt.Chart(frame).encode(
        y=alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=240)),
        yOffset=alt.YOffset("layer:N"),
    )
    lines = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("lo:Q", title=unit), x2="hi:Q", color=colour
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="effect:Q", color=colour, shape=alt.Shape("layer:N", title="Evidence")
    )
    zero = (
        alt.Chart(pd.DataFrame({"zero": [0.0]}))
        .mark_rule(strokeDash=[4, 4], color=theme.ink().faint)
        .encode(x="zero:Q")
    )
    return (zero + lines + points).properties(height=alt.Step(22))


def scatter(
    frame: pd.DataFrame, x: str, y: str, group: str, *, x_title: str, y_title: str
) -> Chart:
    """Return points by group, each group with its own colour and shape."""
    groups = sorted(frame[group].unique())
    return (
        alt.Chart(frame)
        .mark_point(filled=True, size=90, opacity=0.8)
        .encode(
            x=alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(zero=False, nice=True)),
            y=alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(zero=False, nice=True)),
            color=alt.Color(
                f"{group}:N",
                title=None,
                scale=alt.Scale(domain=groups, range=list(theme.CATEGORIES[: len(groups)])),
                legend=alt.Legend(orient="top", columns=3),
            ),
            shape=alt.Shape(f"{group}:N", title=None, scale=alt.Scale(domain=groups)),
        )
        .properties(height=320)
    )


def lines(
    frame: pd.DataFrame, x: str, y: str, group: str, *, y_title: str, zero: bool = False
) -> Chart:
    """Return one line per group over days, told apart by colour and by dashes.

    A line breaks where days are missing: drawn across, it would claim days nobody measured.
    """
    ordered = frame.sort_values([group, x], kind="stable")
    day_number = pd.to_datetime(ordered[x]).map(pd.Timestamp.toordinal)
    is_gap = day_number.groupby(ordered[group], sort=False).diff() > 1
    unbroken = ordered.assign(stretch=is_gap.groupby(ordered[group], sort=False).cumsum())
    return (
        alt.Chart(unbroken)
        # Points keep a stretch of a single day visible.
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=9))
        .encode(
            x=alt.X(f"{x}:T", title="Day (UTC)", axis=alt.Axis(format="%d %b", tickCount=8)),
            y=alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(zero=zero)),
            color=alt.Color(
                f"{group}:N",
                title=None,
                scale=alt.Scale(range=list(theme.CATEGORIES)),
                legend=alt.Legend(orient="top"),
            ),
            strokeDash=alt.StrokeDash(f"{group}:N", title=None),
            detail=alt.Detail("stretch:N"),
        )
        .properties(height=260)
    )


def trade_off(frame: pd.DataFrame, *, cost: str, wait: str, name: str, kind: str) -> Chart:
    """Return plans by latency and cost; shapes tell how a plan was found.

    An empty name is not written: points too close to their neighbours share one.
    """
    base = alt.Chart(frame).encode(
        x=alt.X(f"{wait}:Q", title="Mean latency, ms", scale=alt.Scale(zero=False, padding=24)),
        y=alt.Y(
            f"{cost}:Q",
            title="Cost, $ a month",
            scale=alt.Scale(zero=False, padding=24),
            axis=alt.Axis(**SHORT),
        ),
    )
    points = base.mark_point(size=90, filled=True, color=theme.BLUE).encode(
        shape=alt.Shape(f"{kind}:N", title=None, legend=alt.Legend(orient="top")),
    )
    texts = base.mark_text(align="left", dx=9, color=theme.ink().text).encode(text=f"{name}:N")
    return (points + texts).properties(height=420)
