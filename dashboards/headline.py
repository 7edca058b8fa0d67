"""The one sentence that every page repeats in the same words, from one mart."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dashboards import words


def plan(totals: pd.DataFrame, kind: str) -> dict[str, Any] | None:
    """Return a plan's row of ``fct_plan_totals``, or None if the plan was not made."""
    rows = totals[totals["plan_kind"] == kind]
    return None if rows.empty else {str(k): v for k, v in rows.iloc[0].to_dict().items()}


def money(row: dict[str, Any]) -> str:
    """Say what the bill does, with its interval."""
    saving = row["monthly_saving_usd"]
    lo, hi = row["monthly_saving_lo_usd"], row["monthly_saving_hi_usd"]
    if words.is_missing(saving):
        return "the effect on the bill is not known"
    if words.spans_zero(lo, hi):
        how = f"no clear change of the bill ({words.usd(-saving, signed=True)} a month"
    else:
        how = f"{words.usd(-saving, signed=True)} a month ("
    ends = words.interval(_negative(hi), _negative(lo), row["interval_level"], "usd")
    return f"{how}{ends})" if how.endswith("(") else f"{how}; {ends})"


def speed(row: dict[str, Any]) -> str:
    """Say what users wait less or more, with its interval."""
    delta = row["mean_latency_delta_ms"]
    lo, hi = row["mean_latency_delta_lo_ms"], row["mean_latency_delta_hi_ms"]
    if words.is_missing(delta):
        return "the effect on latency is not known"
    ends = words.interval(lo, hi, row["interval_level"], "ms")
    if words.spans_zero(lo, hi):
        return f"no clear change of mean latency ({words.ms(delta, signed=True)}; {ends})"
    return f"{words.ms(delta, signed=True)} mean latency ({ends})"


def sentence(totals: pd.DataFrame) -> str:
    """Return the headline of the recommended plan.

    Args:
        totals: ``fct_plan_totals``.
    """
    row = plan(totals, "recommended")
    if row is None:
        return "No recommended plan was made."
    changed = row["services_changed"]
    if changed == 0:
        return "Keep everything where it is: no move is worth making."
    return f"{words.plural(changed, 'service')} to change: {money(row)}, {speed(row)}."


def _negative(value: Any) -> Any:
    return value if words.is_missing(value) else -value
