"""The words of the summary: a cost is a cost, and what spans zero is no clear change."""

from __future__ import annotations

from typing import Any

import pytest

from regionwise import report


def _head(**values: float | None) -> dict[str, Any]:
    blank = {f"monthly_saving{part}_usd": None for part in ("", "_lo", "_hi")}
    blank |= {f"mean_latency_delta{part}_ms": None for part in ("", "_lo", "_hi")}
    return blank | {"interval_level": 0.8} | values


@pytest.mark.parametrize(
    ("saving", "said"),
    [
        ((1200.0, 1000.0, 1400.0), "saves $1,200 a month (80 %: $1,000 … $1,400)"),
        ((-684.0, -700.0, -650.0), "costs $684 a month (80 %: $650 … $700)"),
        ((None, None, None), "no plan to price"),
        ((5.0, None, None), "saves $5 a month"),
    ],
)
def test_money(saving: tuple[float | None, ...], said: str) -> None:
    names = ("monthly_saving_usd", "monthly_saving_lo_usd", "monthly_saving_hi_usd")
    assert report._money(_head(**dict(zip(names, saving, strict=True)))) == said


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ((-60.0, -80.0, -40.0), "users wait 60.0 ms less (80 %: -80.0 … -40.0)"),
        ((19.0, 3.0, 40.0), "users wait 19.0 ms longer (80 %: +3.0 … +40.0)"),
        ((19.0, -32.6, 81.2), "no clear change of latency, +19.0 ms (80 %: -32.6 … +81.2)"),
        ((None, None, None), "latency not predicted"),
    ],
)
def test_latency(delta: tuple[float | None, ...], said: str) -> None:
    names = ("mean_latency_delta_ms", "mean_latency_delta_lo_ms", "mean_latency_delta_hi_ms")
    assert report._latency(_head(**dict(zip(names, delta, strict=True)))) == said
