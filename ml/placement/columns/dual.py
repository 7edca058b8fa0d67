"""Prices of the shared rows that make the certified bound large.

The bound is concave in the prices. Each round prices all services exactly at one point, adds the
plans found, and moves to the best point of a box around the best point so far, as the known plans
see it. In a small box most services have a single plan that can be best; only the others enter
the linear programme, so it stays small at any number of services.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ml.placement.columns.ledger import Ledger
from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.solver import Programme
from ml.placement.fleet.fleet import MICRO
from ml.placement.problem.instance import Flags, Floats, Ints

DUAL_DECIMALS = 9
_CHUNK = 50_000
_MOST_COLUMNS, _FEW = 80_000, 3
# Floating-point error of a value summed over a service's regions, micro-dollars, far above it.
_VALUE_ERROR = 1e-6


@dataclass(frozen=True)
class Progress:
    """Where a solve stands after a round."""

    round: int
    lower_micro: int
    model_micro: float
    """What the known plans alone would allow the bound to reach."""
    columns: int
    evaluated: int


@dataclass(frozen=True)
class Ascent:
    """Best prices found, and the plans met on the way."""

    pool: Pool
    duals: Floats
    """``(2 R + 1,)``, rounded."""
    lower_micro: int
    model_micro: float
    rounds: int
    stop_reason: str
    shortage: Floats
    """What the known plans lack of every row at the edge of the box."""
    last: Floats
    """Best prices as the known plans see it: where whole plans are looked for, ``(2 R + 1,)``."""
    best_value: Floats
    """Value of every service's best plan at ``duals``, micro-dollars."""


@dataclass(frozen=True)
class Plan:
    """How an ascent is to be run."""

    best: int = 4
    """Plans per service and pricing."""
    tolerance: float = 1e-5
    max_rounds: int = 40
    cost_weight: float = 1.0
    box_max: float = np.inf
    """Largest price, as a multiple of the scale."""


Stop = Callable[[], bool]
Report = Callable[[Progress], None]


def certified(value: Floats, duals: Floats, limits: Floats, cost_weight: float = 1.0) -> int:
    """Return the bound from each service's least value, micro-dollars rounded down.

    Args:
        value: Least value over all plans of each service at the prices, ``(S,)`` micro-dollars.
        duals: Prices of the rows, none negative, ``(2 R + 1,)``.
        limits: Of the rows; a row with a price has a finite limit.
        cost_weight: As the plans were priced.
    """
    rows = duals > 0
    rent = math.fsum((duals[rows] * limits[rows] * MICRO).tolist())
    # Without costs, plans that are better by less than this are not looked for.
    error = (_VALUE_ERROR if cost_weight else 2e-3) * len(value) + 1e-12 * abs(rent)
    return math.floor(math.fsum(value.tolist()) - rent - error)


def ascend(
    ledger: Ledger,
    rows: Rows,
    pool: Pool,
    start: Floats,
    radius: Floats,
    scale: Floats,
    plan: Plan,
    *,
    stop: Stop | None = None,
    report: Report | None = None,
) -> Ascent:
    """Raise the bound until the known plans allow little more.

    Args:
        ledger: Prices services that need it.
        rows: Limits.
        pool: Plans known before.
        start: First prices, ``(2 R + 1,)``.
        radius: First half-width of the box.
        scale: A usual price of each row; steps and limits are measured by it.
        plan: Tolerances.
        stop: Asked after every round; true ends the ascent.
        report: Told after every round.
    """
    limits = rows.limits
    kept: Floats = np.where(np.isfinite(limits), np.round(start, DUAL_DECIMALS), 0.0)
    trial, best = kept, None
    reason, rounds = "rounds", 0
    for rounds in range(1, plan.max_rounds + 1):
        value, pool, evaluated = ledger.price(pool, trial, plan.best, plan.cost_weight)
        lower = certified(value, trial, limits, plan.cost_weight)
        if best is None or lower > best.lower_micro:
            best = Ascent(pool, trial, lower, 0.0, rounds, "", np.zeros_like(limits), trial, value)
            kept = trial
        else:
            radius = radius * 0.5
        box = _box(kept, radius, scale, plan, limits)
        model, trial, short = best_in_box(pool, rows, *box, plan.cost_weight)
        best = replace(
            best, pool=pool, rounds=rounds, model_micro=model, shortage=short, last=trial
        )
        if report is not None:
            report(Progress(rounds, best.lower_micro, model, pool.n, evaluated))
        at_edge = _at_edge(trial, box)
        slack = plan.tolerance * max(1.0, abs(best.lower_micro))
        if model - best.lower_micro <= slack and not at_edge.any():
            reason = "gap"
            break
        if plan.cost_weight == 0 and (best.lower_micro > 0 or model <= 1.0):
            reason = "shortage" if best.lower_micro > 0 else "fits"
            break
        if stop is not None and stop():
            reason = "time"
            break
        moved = np.abs(trial - kept)
        radius = np.where(at_edge, 2.0 * radius, np.maximum(1.5 * moved, 0.25 * radius))
    assert best is not None
    return replace(best, stop_reason=reason)


def _box(
    kept: Floats, radius: Floats, scale: Floats, plan: Plan, limits: Floats
) -> tuple[Floats, Floats]:
    width = np.maximum(radius, 10.0**-DUAL_DECIMALS)
    low = np.maximum(0.0, kept - width)
    high = np.minimum(kept + width, np.maximum(plan.box_max * scale, 10.0**-DUAL_DECIMALS))
    none = ~np.isfinite(limits)
    return np.where(none, 0.0, low), np.where(none, 0.0, np.maximum(low, high))


def _at_edge(found: Floats, box: tuple[Floats, Floats]) -> Flags:
    low, high = box
    tiny = 10.0**-DUAL_DECIMALS
    return np.asarray(((found >= high - tiny) & (high > 0)) | ((found <= low + tiny) & (low > 0)))


def best_in_box(
    pool: Pool, rows: Rows, low: Floats, high: Floats, cost_weight: float
) -> tuple[float, Floats, Floats]:
    """Return the largest bound that known plans allow in a box of prices, where, and shortages.

    Returns:
        Micro-dollars, rounded prices ``(2 R + 1,)``, units missing of each row at the box's edge.
    """
    limits = rows.limits
    active = np.flatnonzero(np.isfinite(limits))
    if not active.size:
        nothing = np.zeros_like(limits)
        value = pool.value(nothing, cost_weight)
        return float(value[pool.cheapest(value)].sum()), nothing, nothing
    base, open_columns = competitive(pool, low, high, cost_weight)
    if len(open_columns) > _MOST_COLUMNS:
        open_columns = _best_few(pool, open_columns, 0.5 * (low + high), cost_weight)
    sub = pool.take(open_columns)
    alone = np.setdiff1d(base, open_columns, assume_unique=True)
    alone = alone[~np.isin(pool.service[alone], np.unique(sub.service))]
    left = limits - np.where(np.isfinite(limits), pool.total_use(alone), 0.0)
    programme = Programme(sub, active, left, low[active], high[active], cost_weight=cost_weight)
    _, price, short = programme.relax()
    duals, shortage = np.zeros_like(limits), np.zeros_like(limits)
    duals[active] = np.clip(price, low[active], high[active])
    shortage[active] = short
    fixed = cost_weight * float(pool.cost_micro[alone].sum())
    return (
        fixed + programme.objective() * MICRO,
        np.maximum(0.0, np.round(duals, DUAL_DECIMALS)),
        shortage,
    )


def _best_few(pool: Pool, columns: Ints, duals: Floats, cost_weight: float) -> Ints:
    """Keep few columns of each service: the first boxes are wide, and only point the way.

    Fewer plans make the model promise more, never less, so an ascent does not stop too early.
    """
    some = pool.take(columns)
    order = np.lexsort((some.value(duals, cost_weight), some.service))
    first = np.repeat(some.starts[:-1], np.diff(some.starts))
    return np.sort(columns[order[np.arange(len(columns)) - first < _FEW]])


def competitive(pool: Pool, low: Floats, high: Floats, cost_weight: float) -> tuple[Ints, Ints]:
    """Return each service's best column amid the box, and all columns of services with a choice.

    A column is out when it is worse than the best one at every price of the box.
    """
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    value = pool.value(middle, cost_weight)
    base = pool.cheapest(value)
    of = np.repeat(base, np.diff(pool.starts))
    worse = value - value[of]
    swing = pool.value(half, 0.0)
    near = np.flatnonzero(worse <= swing + swing[of] + 1.0)
    kept = []
    for first in range(0, len(near), _CHUNK):
        some = near[first : first + _CHUNK]
        other = np.abs(pool.use(some) - pool.use(of[some])) @ half * MICRO
        kept.append(some[worse[some] <= other + 1.0])
    found = np.concatenate(kept) if kept else near
    count = np.bincount(pool.service[found], minlength=1)
    return base, found[count[pool.service[found]] > 1]
