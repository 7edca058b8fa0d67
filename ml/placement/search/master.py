"""One plan per service within shared rows: prices, a certified lower bound, the best whole plan.

The bound holds for any non-negative prices: it is the sum of each service's cheapest plan over
*all* plans at those prices, minus what the rows' limits are worth. No solver is trusted for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ml.placement.columns.master import solve_table
from ml.placement.fleet.fleet import MICRO
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Floats, Ints
from ml.placement.search.budget import Cheapest, choose_within, price_of_moves
from ml.placement.search.programme import Columns, solve_relaxed, solve_whole

_MAX_ROUNDS = 200
_START_COLUMNS = 4
_NEW_COLUMNS = 3
_DUAL_DECIMALS = 9
_ROW_SLACK = 1e-6
_WHOLE_COLUMNS_MAX = 60_000
# Above this, the engine for fleets of any size is faster, and its gap falls with the number.
_SMALL_SERVICES = 400
# Where the exact choice is not asked for: services left open after the prices have spoken, plans of
# each, and what may be left of the cost.
_ROUGH_SERVICES = (30, 100, 400)
_ROUGH_PLANS = 6
_ROUGH_GAP = 1e-5
# A choice by prices alone is taken as it is where it is this near to the bound.
_ROUGH_ENOUGH = 1e-3


@dataclass(frozen=True)
class Master:
    """Result of the master problem; money in micro-dollars per hour."""

    chosen: Ints
    upper_micro: int
    lower_micro: int
    capacity_dual: Floats
    move_dual: float
    rounds: int
    columns: int
    is_feasible: bool
    shortage: Floats
    """vCPU missing by region, then moves missing, at any price the relaxation saw."""

    @property
    def gap(self) -> float:
        """Relative distance between the two bounds."""
        return (self.upper_micro - self.lower_micro) / max(1, abs(self.lower_micro))


def lower_bound(
    table: PlanTable, capacity: Floats, moves: float, capacity_dual: Floats, move_dual: float
) -> tuple[int, Ints, Floats]:
    """Return the Lagrangian bound, each service's cheapest plan and its value at the prices.

    Args:
        table: All plans.
        capacity: vCPU by region; infinite where there is no row.
        moves: Budget of added regions; infinite where there is none.
        capacity_dual: Price per vCPU-hour, not negative, 0 where there is no row.
        move_dual: Price per added region, not negative.

    Returns:
        Micro-dollars rounded down, plan numbers ``(S,)``, values ``(S,)`` in micro-dollars.
    """
    n = len(table.cpu_cores)
    best, value = np.zeros(n, dtype=np.int64), np.zeros(n)
    step = max(1, 2_000_000 // table.is_open.shape[1])
    for first in range(0, n, step):
        reduced = table.reduced(capacity_dual, move_dual, first, min(n, first + step))
        at = reduced.argmin(axis=1)
        best[first : first + step] = at
        value[first : first + step] = np.take_along_axis(reduced, at[:, None], axis=1)[:, 0]
    rows = capacity_dual > 0
    rent = math.fsum(capacity_dual[rows] * capacity[rows] * MICRO)
    rent += move_dual * moves * MICRO if move_dual > 0 else 0.0
    return math.floor(math.fsum(value) - rent), best, value


def overload(table: PlanTable, chosen: Ints, capacity: Floats, moves: float) -> float:
    """Return vCPU above the limits plus added regions above the budget."""
    services = np.arange(len(chosen))
    use = table.uses(services, chosen).sum(axis=0)
    over = np.maximum(0.0, use - capacity - _ROW_SLACK).sum()
    added = int(table.added[services, chosen].sum())
    return float(over + max(0.0, added - moves))


def solve_master(
    table: PlanTable,
    capacity: Floats,
    moves: float,
    incumbent: Ints | None = None,
    *,
    exact: bool = True,
) -> Master:
    """Choose one plan per service at least cost within capacity and the move budget.

    Args:
        table: All plans with their costs.
        capacity: vCPU by region, infinite where there is no limit.
        moves: Added regions allowed, infinite without a budget.
        incumbent: A choice to start from, when it keeps the rows.
        exact: End at the optimum of the whole table; else at a good choice, whose distance from
            the bound says how good. A search that asks a hundred times can do with that.
    """
    easy = _without_capacity(table, capacity, moves)
    if easy is not None:
        return easy
    if len(table.cpu_cores) > _SMALL_SERVICES and not table.is_bill_capped:
        kept = incumbent is not None and _keeps(table, incumbent, capacity, moves)
        return Master(*solve_table(table, capacity, moves, incumbent if kept else None))
    columns = _start(table, incumbent)
    lower, duals = -(2**62), np.zeros(len(capacity) + 1)
    shortage = np.zeros(len(capacity) + 1)
    rounds = 0
    for rounds in range(1, _MAX_ROUNDS + 1):
        relaxed = solve_relaxed(columns, capacity, moves)
        found = np.maximum(0.0, np.round(relaxed.row_prices, _DUAL_DECIMALS))
        bound, _, _ = lower_bound(table, capacity, moves, found[:-1], found[-1])
        if bound > lower or rounds == 1:
            lower, duals = bound, found
        shortage = relaxed.shortage
        grown = _improving(table, columns, found, relaxed.service_prices)
        if grown is None:
            break
        columns = grown
    if shortage.max() > _ROW_SLACK:
        chosen = columns.cheapest(len(table.cpu_cores))
        return Master(
            chosen, 0, lower, duals[:-1], float(duals[-1]), rounds, columns.n, False, shortage
        )
    chosen = _whole(table, columns, capacity, moves, duals, lower, incumbent, exact=exact)
    feasible = overload(table, chosen, capacity, moves) == 0
    upper = int(table.cost_micro[np.arange(len(chosen)), chosen].sum())
    return Master(
        chosen, upper, lower, duals[:-1], float(duals[-1]), rounds, columns.n, feasible, shortage
    )


def _without_capacity(table: PlanTable, capacity: Floats, moves: float) -> Master | None:
    """Solve exactly where the best plans within the move budget fit the capacity anyway."""
    cheapest = Cheapest.of(table)
    chosen = choose_within(cheapest, moves)
    if chosen is None or overload(table, chosen, capacity, moves) > 0:
        return None
    free = np.zeros(len(capacity))
    price = round(price_of_moves(cheapest, moves), _DUAL_DECIMALS)
    lower, _, _ = lower_bound(table, capacity, moves, free, price)
    upper = int(table.cost_micro[np.arange(len(chosen)), chosen].sum())
    short = np.zeros(len(capacity) + 1)
    return Master(chosen, upper, lower, free, price, 1, cheapest.plan.size, True, short)


def _start(table: PlanTable, incumbent: Ints | None) -> Columns:
    """Begin with each service's cheapest plans, the one that adds least, and the incumbent."""
    n = len(table.cpu_cores)
    nothing = np.zeros(table.space.member.shape[1] * 2 + 1)
    picked: list[tuple[int, int]] = []
    for s in range(n):
        value = table.reduced(nothing, 0.0, s, s + 1)[0]
        opened = np.flatnonzero(table.is_open[s])
        order = opened[np.argsort(value[opened], kind="stable")]
        fewest = order[np.argmin(table.added[s, order])]
        wanted = {*order[:_START_COLUMNS].tolist(), int(fewest)}
        if incumbent is not None and table.is_open[s, incumbent[s]]:
            wanted.add(int(incumbent[s]))
        picked.extend((s, p) for p in sorted(wanted))
    return Columns.of(table, np.array(picked, dtype=np.int64))


def _improving(
    table: PlanTable, columns: Columns, duals: Floats, service_prices: Floats
) -> Columns | None:
    """Add each service's best plans that the relaxation's prices do not know yet."""
    n = len(table.cpu_cores)
    fresh: list[tuple[int, int]] = []
    have = columns.known()
    step = max(1, 2_000_000 // table.is_open.shape[1])
    for first in range(0, n, step):
        reduced = table.reduced(duals[:-1], float(duals[-1]), first, min(n, first + step))
        width = min(_NEW_COLUMNS, reduced.shape[1])
        near = np.argpartition(reduced, width - 1, axis=1)[:, :width]
        for i, candidates in enumerate(near):
            s = first + i
            limit = service_prices[s] * MICRO - 0.5
            fresh.extend(
                (s, int(p))
                for p in np.sort(candidates)
                if reduced[i, p] < limit and (s, int(p)) not in have
            )
    if not fresh:
        return None
    return Columns.of(table, np.concatenate([columns.pairs, np.array(fresh, dtype=np.int64)]))


def _whole(
    table: PlanTable,
    columns: Columns,
    capacity: Floats,
    moves: float,
    duals: Floats,
    lower: int,
    incumbent: Ints | None,
    *,
    exact: bool,
) -> Ints:
    """Round: first over the known columns, then over all plans that can still be better.

    A plan whose value at the prices exceeds its service's best by more than the gap is in no
    better solution, so the second programme finds the optimum of the whole table.
    """
    n = len(table.cpu_cores)
    known = [c for c in (_priced(table, duals, moves), incumbent) if c is not None]
    candidates = [c for c in known if _keeps(table, c, capacity, moves)]
    known_cost = [int(table.cost_micro[np.arange(n), c].sum()) for c in candidates]
    if not exact and min(known_cost, default=2**62) - lower > _ROUGH_ENOUGH * abs(lower):
        rounded = _rounded(table, capacity, moves, duals)
        if rounded is not None:
            candidates.append(rounded)
    if not candidates:
        first = solve_whole(columns, capacity, moves, n, 0.0 if exact else _ROUGH_GAP)
        if first is None or not _keeps(table, first, capacity, moves):
            return columns.cheapest(n)
        candidates = [first]
    costs = [int(table.cost_micro[np.arange(n), c].sum()) for c in candidates]
    best = candidates[int(np.argmin(costs))]
    window = min(costs) - lower
    if not exact:
        return best
    near = _near(table, duals, window)
    if len(near) > _WHOLE_COLUMNS_MAX:
        return best
    again = solve_whole(Columns.of(table, near), capacity, moves, n)
    if again is None or overload(table, again, capacity, moves) > 0:
        return best
    cost = int(table.cost_micro[np.arange(n), again].sum())
    return again if cost <= min(costs) else best


def _rounded(table: PlanTable, capacity: Floats, moves: float, duals: Floats) -> Ints | None:
    """Let the prices decide, and a small programme for the services they hardly tell apart.

    A basic solution of the relaxation has at most as many undecided services as binding rows, so
    the few with the smallest differences are mostly enough to make the choice fit.
    """
    n = len(table.cpu_cores)
    width = min(_ROUGH_PLANS, table.is_open.shape[1])
    reduced = table.reduced(duals[:-1], float(duals[-1]), 0, n)
    plans = np.argsort(reduced, axis=1, kind="stable")[:, :width]
    regret = np.take_along_axis(reduced, plans[:, [min(1, width - 1)]], axis=1)[:, 0]
    order = np.lexsort((np.arange(n), regret - reduced.min(axis=1)))
    firm = np.stack((np.arange(n), plans[:, 0]), axis=1)
    for count in _ROUGH_SERVICES:
        some = np.sort(order[:count])
        more = np.stack((np.repeat(some, width), plans[some].ravel()), axis=1)
        more = more[table.is_open[more[:, 0], more[:, 1]]]
        pairs = np.concatenate((firm, more))
        found = solve_whole(Columns.of(table, pairs), capacity, moves, n, _ROUGH_GAP)
        if found is not None and _keeps(table, found, capacity, moves):
            return found
    return None


def _priced(table: PlanTable, duals: Floats, moves: float) -> Ints | None:
    """Return the best plans within the move budget when capacity costs its price."""
    if not duals[:-1].any():
        return choose_within(Cheapest.of(table), moves)
    n = len(table.cpu_cores)
    value = np.rint(table.reduced(duals[:-1], 0.0, 0, n)).astype(np.int64)
    return choose_within(Cheapest.of(table, value), moves)


def _keeps(table: PlanTable, chosen: Ints, capacity: Floats, moves: float) -> bool:
    is_open = bool(table.is_open[np.arange(len(chosen)), chosen].all())
    return is_open and overload(table, chosen, capacity, moves) == 0


def _near(table: PlanTable, duals: Floats, window: int) -> Ints:
    n = len(table.cpu_cores)
    pairs = []
    step = max(1, 2_000_000 // table.is_open.shape[1])
    for first in range(0, n, step):
        reduced = table.reduced(duals[:-1], float(duals[-1]), first, min(n, first + step))
        close = reduced <= reduced.min(axis=1, keepdims=True) + window + 1
        service, plan = np.nonzero(close)
        pairs.append(np.stack((service + first, plan), axis=1))
    return np.concatenate(pairs)
