"""From shares of plans to whole plans: fix the largest service first, and let the rest give way."""

from __future__ import annotations

import numpy as np

from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.solver import Programme
from ml.placement.problem.instance import Flags, Floats, Ints

_WHOLE = 1.0 - 1e-6
_TINY = 1e-7


def near_ties(pool: Pool, duals: Floats, most: int, forced: Flags | None = None) -> Ints:
    """Return columns of the services whose choice is closest, and the best of all others.

    Args:
        pool: All columns.
        duals: Prices of the rows.
        most: Services that keep a choice.
        forced: Services that keep one in any case, ``(S,)``.

    Returns:
        Numbers of columns, ascending; every service has at least one.
    """
    base, worse, margin, order = _margins(pool, duals)
    free = np.zeros(len(base), dtype=bool)
    free[order[:most]] = True
    limit = 4.0 * float(margin[order[min(most, len(order)) - 1]]) + 1.0
    open_ = np.repeat(free, np.diff(pool.starts)) & (worse <= limit)
    if forced is not None:
        open_ |= forced[pool.service]
    open_[base] = True
    return np.flatnonzero(open_)


def closest(pool: Pool, duals: Floats, most: int) -> Ints:
    """Return the services whose choice is closest, ascending."""
    base, _, _, order = _margins(pool, duals)
    return np.sort(pool.service[base[order[:most]]])


def _margins(pool: Pool, duals: Floats) -> tuple[Ints, Floats, Floats, Ints]:
    """Return best columns, how much worse each column is, by service the next, and their order."""
    value = pool.value(duals)
    base = pool.cheapest(value)
    of = np.repeat(base, np.diff(pool.starts))
    worse = value - value[of]
    second = np.where(np.arange(pool.n) == of, np.inf, worse)
    margin = np.minimum.reduceat(second, pool.starts[:-1])
    return base, worse, margin, np.lexsort((pool.service[base], margin))


def dive(pool: Pool, columns: Ints, rows: Rows, dear: Floats) -> tuple[Ints, Floats]:
    """Choose one column per service by fixing shares, the largest services first.

    Args:
        pool: All columns.
        columns: Numbers of those to choose from, every service at least once.
        rows: Limits.
        dear: What a unit missing of each row costs, $, ``(2 R + 1,)``.

    Returns:
        Chosen columns by service, and what is missing of each row, ``(2 R + 1,)``.
    """
    limits = rows.limits
    active = np.flatnonzero(np.isfinite(limits))
    sub = pool.take(columns)
    counts = np.diff(sub.starts)
    alone = np.repeat(counts == 1, counts)
    left = limits - np.where(np.isfinite(limits), sub.total_use(np.flatnonzero(alone)), 0.0)
    chosen = columns[alone]
    free = columns[~alone]
    missing = np.zeros_like(limits)
    if free.size:
        choice = pool.take(free)
        taken, short = _fixed(choice, active, left, dear)
        chosen = np.sort(np.concatenate((chosen, free[taken])))
        missing[active] = short
    else:
        missing[active] = np.maximum(0.0, -left[active])
    return chosen, missing


def _fixed(choice: Pool, rows: Ints, left: Floats, dear: Floats) -> tuple[Ints, Floats]:
    programme = Programme(choice, rows, left, np.zeros(len(rows)), dear[rows])
    starts = choice.starts
    of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    size = (choice.instances.sum(axis=1) * choice.cpu_cores[choice.service]).astype(np.float64)
    largest = np.maximum.reduceat(size, starts[:-1])
    is_fixed = np.zeros(len(starts) - 1, dtype=bool)
    share, _, short = programme.relax()
    while True:
        most = np.maximum.reduceat(share, starts[:-1])
        broken = np.flatnonzero((most < _WHOLE) & ~is_fixed)
        if not broken.size:
            break
        s = int(broken[np.argmax(largest[broken])])
        # Whole services that are larger stay: only smaller ones may still give way.
        settled = (most >= _WHOLE) & (largest > largest[s]) & ~is_fixed
        is_fixed |= settled
        programme.keep_only(np.flatnonzero(settled[of] & (share < 0.5)))
        share, short = _fix_one(programme, share, short, np.arange(starts[s], starts[s + 1]))
        is_fixed[s] = True
    return np.flatnonzero(share > 0.5), short


def _fix_one(
    programme: Programme, share: Floats, short: Floats, options: Ints
) -> tuple[Floats, Floats]:
    """Fix one service to the column with the largest share that leaves nothing missing."""
    order = options[np.lexsort((options, -share[options]))]
    before, best = float(short.sum()), None
    for column in order[:3]:
        programme.keep_only(options[options != column])
        programme.reopen(np.array([column]))
        found, _, missing = programme.relax()
        worse = float(missing.sum())
        if best is None or worse < best[0] - _TINY:
            best = (worse, column, found, missing)
        if worse <= before + _TINY:
            break
    assert best is not None
    if best[1] != column:
        programme.keep_only(options[options != best[1]])
        programme.reopen(np.array([best[1]]))
        found, _, missing = programme.relax()
        return found, missing
    return best[2], best[3]
