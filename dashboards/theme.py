"""Colours: one palette for every chart, told apart by people with any common colour vision.

Okabe and Ito (2008) for categories, cividis (Nuñez, Anderton and Renslow, 2018) for amounts, blue
to orange around zero for differences. Colour never stands alone: words or marks say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import streamlit as st

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, GREY = "#E69F00", "#56B4E9", "#F0E442", "#999999"
CATEGORIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, YELLOW, GREY)
CIVIDIS = (
    "#fee838", "#e1cc55", "#c3b369", "#a59c74", "#8a8678",
    "#707173", "#575d6d", "#3b496c", "#123570", "#00224e",
)  # fmt: skip
DIVERGING = (
    "#08519c", "#2b7bba", "#539ecd", "#89bedc", "#d0e1f2",
    "#fdd9b4", "#fdb97d", "#fb8d3d", "#e95e0d", "#a63603",
)  # fmt: skip


@dataclass(frozen=True)
class Ink:
    """Colours that change with the theme."""

    text: str
    faint: str
    outline: str
    land: str
    missing: str
    before: str
    after: str


LIGHT = Ink("#0b1220", "#5b6673", "#0b1220", "#dde3ea", "#e3e6ea", "#7b8794", "#0072B2")
DARK = Ink("#f2f5f9", "#a9b4c0", "#f2f5f9", "#2c3746", "#2a323d", "#8b97a5", "#56B4E9")


def kind() -> Literal["light", "dark"]:
    """Return which theme the visitor sees; light until the browser has told."""
    return "dark" if st.context.theme.type == "dark" else "light"


def ink() -> Ink:
    """Return the theme's own colours."""
    return DARK if kind() == "dark" else LIGHT


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2).

    Example:
        >>> round(contrast("#ffffff", "#000000"), 1)
        21.0
    """
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def shade(position: float, colours: tuple[str, ...] = CIVIDIS) -> str:
    """Return the colour at a position between 0 and 1 of a scale.

    Example:
        >>> shade(0.0), shade(1.0)
        ('#fee838', '#00224e')
    """
    place = min(max(position, 0.0), 1.0) * (len(colours) - 1)
    at = min(int(place), len(colours) - 2)
    left, right = list(pairwise(colours))[at]
    mixed = [
        round(255 * (a + (b - a) * (place - at)))
        for a, b in zip(_channels(left), _channels(right), strict=True)
    ]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def text_on(fill: str) -> str:
    """Return black or white, whichever reads better on a fill."""
    return "#000000" if contrast(fill, "#000000") >= contrast(fill, "#ffffff") else "#ffffff"
