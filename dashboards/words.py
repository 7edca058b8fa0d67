"""Numbers as words: units, intervals with their level, and sentences that do not overclaim."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pandas as pd

DASH = "–"
MINUS = "−"
UP, DOWN, LEVEL = "▲", "▼", "●"
GOOD = ("faster", "cheaper")
BAD = ("slower", "dearer")
VERDICTS = {
    "ship": ("Ship", "green", "The plan is better, and no guard rail is broken."),
    "no_ship": ("Do not ship", "red", "A guard rail is broken, or something got worse."),
    "inconclusive": ("Inconclusive", "orange", "The data do not decide: no clear effect."),
    "invalid": ("Invalid", "red", "A check failed, so no effect may be read from this."),
}
METRICS = {
    "latency_mean": "Mean latency",
    "latency_p50": "Median latency",
    "latency_p95": "p95 latency",
    "latency_p99": "p99 latency",
    "cost_per_1m": "Cost per million requests",
}
"""Names of metrics that read badly when their code is merely spelled out."""

STALE_AFTER_HOURS = 24.0
"""Advice older than this is marked stale; demo data say "synthetic, as of" instead."""


def is_missing(value: Any) -> bool:
    """Tell whether a cell holds no value: None, NaN, NaT or NA."""
    return bool(pd.isna(value))


def _digits(value: float, significant: int) -> str:
    """Round to significant digits, grouped by thousands, without an exponent."""
    if value == 0:
        return "0"
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    rounded = round(value, significant - 1 - math.floor(math.log10(abs(value))))
    text = f"{abs(rounded):,.{min(decimals, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text and decimals > 2 else text


def number(value: Any, *, signed: bool = False, significant: int = 3) -> str:
    """Write a number with a few significant digits.

    Example:
        >>> number(12345.6), number(-0.01234, signed=True), number(None)
        ('12,300', '−0.0123', '–')
    """
    if is_missing(value):
        return DASH
    amount = float(value)
    text = _digits(amount, significant)
    if amount < 0:
        return MINUS + text
    return f"+{text}" if signed and amount > 0 else text


def count(value: Any) -> str:
    """Write a whole number in full below a million, and in words of size above.

    Example:
        >>> count(1234), count(1_234_567), count(5.6e9)
        ('1,234', '1.23 million', '5.60 billion')
    """
    if is_missing(value):
        return DASH
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(float(value)) >= size:
            return f"{_digits(float(value) / size, 3)} {name}"
    return f"{round(float(value)):,}"


def usd(value: Any, *, signed: bool = False, significant: int = 3) -> str:
    """Write an amount of dollars.

    Example:
        >>> usd(-4123.4, signed=True), usd(4123.4), usd(0.0412)
        ('−$4,120', '$4,120', '$0.0412')
    """
    if is_missing(value):
        return DASH
    text = number(value, signed=signed, significant=significant)
    return f"{text[0]}${text[1:]}" if text[0] in f"+{MINUS}" else f"${text}"


def ms(value: Any, *, signed: bool = False) -> str:
    """Write milliseconds.

    Example:
        >>> ms(-12.345, signed=True), ms(None)
        ('−12.3 ms', '–')
    """
    return DASH if is_missing(value) else f"{number(value, signed=signed)} ms"


def share(value: Any, *, signed: bool = False) -> str:
    """Write a share between 0 and 1 as percent.

    Example:
        >>> share(0.12345), share(-0.05, signed=True), share(1.0), share(0.99996)
        ('12.3 %', '−5.00 %', '100 %', '99.996 %')
    """
    if is_missing(value):
        return DASH
    percent = float(value) * 100
    # Near 100 the distance to 100 is the news: "100 %" would hide a loss.
    if 99.95 <= percent < 100:
        return f"{percent:.4f}".rstrip("0") + " %"
    return f"{number(percent, signed=signed)} %"


def p_value(value: Any) -> str:
    """Write a p-value; a tiny one is never written as zero.

    Example:
        >>> p_value(0.0301), p_value(1e-9), p_value(None)
        ('0.030', '< 0.001', '–')
    """
    if is_missing(value):
        return DASH
    return "< 0.001" if float(value) < 0.001 else f"{float(value):.3f}"


def points(value: Any) -> str:
    """Write a difference of two shares as percentage points.

    Example:
        >>> points(-0.0002), points(0.015)
        ('−0.02 pp', '+1.50 pp')
    """
    return DASH if is_missing(value) else f"{number(float(value) * 100, signed=True)} pp"


def in_unit(value: Any, unit: str, *, signed: bool = False) -> str:
    """Write a value in the unit that a mart names.

    Example:
        >>> in_unit(0.5, "share"), in_unit(3, "ms"), in_unit(7, "regions"), in_unit(0.0001, "p")
        ('50.0 %', '3.00 ms', '7 regions', '< 0.001')
        >>> in_unit(292.54, "USD per million requests"), in_unit(24.0, "count")
        ('$293 per million requests', '24')
    """
    if is_missing(value):
        return DASH
    name = (unit or "").strip()
    lowered = name.lower()
    if lowered.startswith("usd"):
        return f"{usd(value, signed=signed)} {name[3:].replace('_', ' ').strip()}".strip()
    if lowered in ("share", "p", "ms"):
        if lowered == "p":
            return p_value(value)
        return share(value, signed=signed) if lowered == "share" else ms(value, signed=signed)
    if lowered in ("count", "requests", "t", "1"):
        name = "" if lowered != "requests" else name
    amount = float(value)
    if amount == round(amount):
        text = count(abs(amount))
        sign = MINUS if amount < 0 else "+" if signed and amount > 0 else ""
        return f"{sign}{text} {name}".strip()
    return f"{number(amount, signed=signed)} {name}".strip()


def level(value: Any) -> str:
    """Write an interval's level.

    Example:
        >>> level(0.8), level(0.95)
        ('80 %', '95 %')
    """
    return DASH if is_missing(value) else f"{float(value) * 100:g} %"


def interval(lo: Any, hi: Any, at: Any, unit: str, *, signed: bool = True) -> str:
    """Write an interval with its level; nothing if an end is unknown.

    Example:
        >>> interval(-5300, -2900, 0.8, "usd")
        '80 %: −$5,300 … −$2,900'
    """
    if is_missing(lo) or is_missing(hi):
        return "no interval"
    low, high = sorted((float(lo), float(hi)))
    ends = f"{in_unit(low, unit, signed=signed)} … {in_unit(high, unit, signed=signed)}"
    return ends if is_missing(at) else f"{level(at)}: {ends}"


def spans_zero(lo: Any, hi: Any) -> bool:
    """Tell whether an interval holds zero; an unknown end is not an answer.

    Example:
        >>> spans_zero(-1, 2), spans_zero(0.5, 2), spans_zero(None, 2)
        (True, False, False)
    """
    if is_missing(lo) or is_missing(hi):
        return False
    return min(float(lo), float(hi)) <= 0 <= max(float(lo), float(hi))


def change(value: Any, lo: Any, hi: Any, lower: str, higher: str) -> str:
    """Say which way something moved, or that no clear change was seen.

    Args:
        value: Point estimate, after minus before.
        lo: Lower end of its interval, or None.
        hi: Upper end of its interval, or None.
        lower: Word for a fall ("faster", "saved").
        higher: Word for a rise ("slower", "dearer").

    Example:
        >>> change(-5, -9, -1, "faster", "slower"), change(-5, -9, 1, "faster", "slower")
        ('▼ faster', '● no clear change')
    """
    if is_missing(value):
        return "not known"
    if float(value) == 0:
        return f"{LEVEL} no change"
    if spans_zero(lo, hi):
        return f"{LEVEL} no clear change"
    return f"{DOWN} {lower}" if float(value) < 0 else f"{UP} {higher}"


def plural(amount: Any, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    Example:
        >>> plural(1, "move"), plural(5, "move"), plural(0, "entry", "entries")
        ('1 move', '5 moves', '0 entries')
    """
    whole = 0 if is_missing(amount) else round(float(amount))
    return f"{whole:,} {one if whole == 1 else (many or one + 's')}"


def moment(value: Any) -> str:
    """Write a UTC moment to the minute, or a date alone.

    Example:
        >>> moment(datetime(2026, 8, 30, 0, 0)), moment(datetime(2026, 8, 30, 7, 5))
        ('2026-08-30', '2026-08-30 07:05 UTC')
    """
    if is_missing(value):
        return DASH
    if not hasattr(value, "hour") or (value.hour, value.minute) == (0, 0):
        return f"{value:%Y-%m-%d}"
    return f"{value:%Y-%m-%d %H:%M} UTC"


def hours_since(value: Any) -> float | None:
    """Return hours from a naive-UTC moment until now; only a page may ask the clock."""
    if is_missing(value):
        return None
    now = datetime.now(UTC).replace(tzinfo=None)
    return (now - datetime(*value.timetuple()[:6])).total_seconds() / 3600


def code(value: Any) -> str:
    """Write a code of the vocabulary as plain words.

    Example:
        >>> code("N1_LOSS"), code("USERS_CLOSER"), code(None)
        ('N1 loss', 'Users closer', '–')
    """
    if is_missing(value) or str(value) == "":
        return DASH
    words = str(value).replace("_", " ")
    keep = {"n1", "slo", "cpu", "usd", "p95", "p99", "rtt", "p50", "id"}
    lowered = " ".join(
        part.upper()
        if part.lower() in keep and part.lower() not in ("p95", "p99", "p50")
        else part.lower()
        for part in words.split()
    )
    return lowered[:1].upper() + lowered[1:]


def metric(value: Any) -> str:
    """Write the name of a metric of the experiment's catalogue.

    Example:
        >>> metric("latency_p95"), metric("error_rate")
        ('p95 latency', 'Error rate')
    """
    return METRICS.get(str(value), code(value))
