"""A map of the world that needs no network."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from dashboards import theme
from dashboards.charts import SHORT, Chart

ASSETS = Path(__file__).resolve().parent / "assets"
# More names than this hide each other on a map; then only regions in use are named.
MOST_NAMES = 10


@cache
def _countries() -> dict[str, Any]:
    shapes = json.loads((ASSETS / "countries-110m.json").read_text(encoding="utf-8"))
    # Nobody lives or computes in Antarctica (ISO 3166-1 numeric 010); it would shrink the rest.
    lands = shapes["objects"]["countries"]["geometries"]
    shapes["objects"] = {
        "land": {
            "type": "GeometryCollection",
            "geometries": [
                {key: land[key] for key in ("type", "arcs")}
                for land in lands
                if land.get("id") != "010"
            ],
        }
    }
    found: dict[str, Any] = shapes
    return found


def world_map(points: pd.DataFrame, size: str, *, size_title: str, tooltip: list[Any]) -> Chart:
    """Return regions and origins on a map that needs no network.

    Args:
        points: Columns ``latitude``, ``longitude``, ``place_kind``, ``label`` and the size column.
        size: Column that the area of a point stands for.
        size_title: Its title, with the unit.
        tooltip: Altair tooltips.
    """
    ink = theme.ink()
    land = (
        alt.Chart(
            alt.InlineData(
                values=_countries(), format=alt.TopoDataFormat(type="topojson", feature="land")
            )
        )
        # Unnamed graphics fail accessibility checks; the land is decoration, so it is left out.
        .mark_geoshape(fill=ink.land, stroke=ink.land, strokeWidth=0.7, aria=False)
    )
    kinds = sorted(points["place_kind"].unique())
    base = alt.Chart(points).encode(longitude="longitude:Q", latitude="latitude:Q")
    marks = base.mark_point(filled=True, opacity=0.9, stroke=ink.outline, strokeWidth=1.2).encode(
        size=alt.Size(
            f"{size}:Q",
            title=size_title,
            scale=alt.Scale(range=[40, 700]),
            legend=alt.Legend(tickCount=3, symbolFillColor=ink.faint, **SHORT),
        ),
        color=alt.Color(
            "place_kind:N",
            title=None,
            scale=alt.Scale(domain=kinds, range=[theme.VERMILION, theme.SKY][: len(kinds)]),
        ),
        shape=alt.Shape(
            "place_kind:N",
            title=None,
            scale=alt.Scale(domain=kinds, range=["circle", "diamond"][: len(kinds)]),
        ),
        tooltip=tooltip,
    )
    # Neighbours by longitude write on opposite sides: two regions of one coast stay readable.
    regions = points[points["place_kind"] == "region"].sort_values(["longitude", "place_id"])
    if len(regions) > MOST_NAMES:
        regions = regions[regions[size] > 0]
    names = [
        alt.Chart(regions.iloc[start::2])
        .mark_text(dy=shift, color=ink.text, fontWeight="bold")
        .encode(longitude="longitude:Q", latitude="latitude:Q", text="label:N")
        for start, shift in ((0, -17), (1, 20))
    ]
    return (
        alt.layer(land, marks, *names)
        .project(type="equalEarth")
        .properties(height=520)
        .configure_legend(orient="bottom")
    )
