"""Static pictures as SVG text: axes, marks and words, the same bytes every time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 190, 20, 34, 44
BLUE, VERMILION, GREY, GREEN, ORANGE = "#0072B2", "#D55E00", "#666666", "#007A57", "#8A5A00"


def number(value: float) -> str:
    """Write a coordinate or tick: at most four significant digits."""
    return f"{value:.4g}"


@dataclass
class Picture:
    """One picture with a linear x axis and either a linear y axis or named rows.

    Attributes:
        title: The finding, in words.
        x_title: What x is, with its unit.
        x_range: Ends of the x axis.
        rows: Names of rows, top to bottom; empty for a linear y axis.
        y_title: What y is.
        y_range: Ends of a linear y axis.
    """

    title: str
    x_title: str
    x_range: tuple[float, float]
    rows: Sequence[str] = ()
    y_title: str = ""
    y_range: tuple[float, float] = (0.0, 1.0)
    _marks: list[str] = field(default_factory=list)

    @property
    def height(self) -> int:
        """Return the height in pixels; rows need room."""
        return TOP + BOTTOM + 24 * len(self.rows) if self.rows else HEIGHT

    def x(self, value: float) -> float:
        """Return the pixel of an x value."""
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the pixel of a row's number or of a y value."""
        if self.rows:
            return TOP + 24 * value + 12
        low, high = self.y_range
        return TOP + (high - value) / (high - low) * (self.height - TOP - BOTTOM)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str = GREY, dash: bool = False
    ) -> None:
        """Draw a line between two points in data units."""
        style = ' stroke-dasharray="4 3"' if dash else ""
        self._marks.append(
            f'<line x1="{number(self.x(x1))}" y1="{number(self.y(y1))}" x2="{number(self.x(x2))}" '
            f'y2="{number(self.y(y2))}" stroke="{colour}" stroke-width="1.6"{style}/>'
        )

    def dot(self, x: float, y: float, colour: str, shape: str = "circle") -> None:
        """Draw a mark in data units; the shape tells what the colour tells."""
        cx, cy = self.x(x), self.y(y)
        if shape == "square":
            self._marks.append(
                f'<rect x="{number(cx - 4)}" y="{number(cy - 4)}" width="8" height="8" '
                f'fill="{colour}"/>'
            )
        else:
            self._marks.append(
                f'<circle cx="{number(cx)}" cy="{number(cy)}" r="4" fill="{colour}"/>'
            )

    def bar(self, x1: float, x2: float, row: float, colour: str) -> None:
        """Draw a bar in a row."""
        first, last = sorted((self.x(x1), self.x(x2)))
        self._marks.append(
            f'<rect x="{number(first)}" y="{number(self.y(row) - 7)}" '
            f'width="{number(max(last - first, 0.5))}" height="14" fill="{colour}"/>'
        )

    def band(self, points: Sequence[tuple[float, float, float]], colour: str) -> None:
        """Shade between a lower and an upper end along x, in data units."""
        if len(points) < 2:
            return
        there = [(x, low) for x, low, _ in points]
        back = [(x, high) for x, _, high in reversed(points)]
        corners = " ".join(f"{number(self.x(x))},{number(self.y(y))}" for x, y in there + back)
        self._marks.append(f'<polygon points="{corners}" fill="{colour}" fill-opacity="0.2"/>')

    def words(self, x: float, y: float, text: str, *, up: float = 0.0) -> None:
        """Write words at a point in data units, some pixels up where marks crowd."""
        self._marks.append(
            f'<text x="{number(self.x(x) + 7)}" y="{number(self.y(y) + 4 - up)}">'
            f"{escape(text)}</text>"
        )

    def legend(self, names: Sequence[tuple[str, str]], *, low: bool = False) -> None:
        """Name the lines by colour in the order they were drawn.

        Upper left, or lower right where lines fill the other corner.
        """
        x, y, side = LEFT + 10, TOP + 10, ""
        if low:
            x, y, side = WIDTH - RIGHT - 6, self.height - BOTTOM - 14 * len(names), "end"
        anchor = f' text-anchor="{side}"' if side else ""
        for index, (name, colour) in enumerate(names):
            self._marks.append(
                f'<text x="{x}" y="{y + 14 * index}" fill="{colour}"{anchor}>{escape(name)}</text>'
            )

    def render(self) -> str:
        """Return the SVG; it carries its title for readers who cannot see it."""
        floor = self.height - BOTTOM
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
            f'width="{WIDTH}" height="{self.height}" role="img" font-family="sans-serif" '
            f'font-size="12" fill="#222222"><title>{escape(self.title)}</title>',
            f'<rect width="{WIDTH}" height="{self.height}" fill="#ffffff"/>',
            f'<text x="8" y="20" font-size="14" font-weight="bold">{escape(self.title)}</text>',
            f'<line x1="{LEFT}" y1="{floor}" x2="{WIDTH - RIGHT}" y2="{floor}" stroke="{GREY}"/>',
        ]
        for tick in ticks(*self.x_range):
            at = number(self.x(tick))
            parts.append(
                f'<text x="{at}" y="{floor + 16}" text-anchor="middle">{number(tick)}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) // 2
        parts.append(
            f'<text x="{middle}" y="{floor + 34}" text-anchor="middle">'
            f"{escape(self.x_title)}</text>"
        )
        for index, name in enumerate(self.rows):
            parts.append(
                f'<text x="{LEFT - 8}" y="{number(self.y(index) + 4)}" text-anchor="end">'
                f"{escape(name[:30])}</text>"
            )
        if not self.rows:
            for tick in ticks(*self.y_range):
                parts.append(
                    f'<text x="{LEFT - 8}" y="{number(self.y(tick) + 4)}" text-anchor="end">'
                    f"{number(tick)}</text>"
                )
            parts.append(f'<text x="8" y="{TOP + 12}">{escape(self.y_title)}</text>')
        return "\n".join([*parts, *self._marks, "</svg>"]) + "\n"


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Return round numbers between two ends.

    Example:
        >>> ticks(0.0, 10.0)
        [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(step * index, 12) for index in range(first, last + 1)]


def around(values: Sequence[float], *, zero: bool = True) -> tuple[float, float]:
    """Return ends that hold all finite values with room, and 0 if asked for."""
    kept = [v for v in values if math.isfinite(v)] + ([0.0] if zero else [])
    low, high = (min(kept), max(kept)) if kept else (0.0, 1.0)
    room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room
