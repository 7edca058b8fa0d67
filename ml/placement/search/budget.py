"""The master problem where capacity does not bind: one plan per service within the move budget.

With moves as the only shared row the choice is a multiple-choice knapsack with small whole
weights. Dynamic programming over the budget solves it exactly, over all plans of the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.fleet.fleet import MICRO
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Ints

_CLOSED = np.int64(2**60)
_LIMIT = np.int64(2**59)


@dataclass(frozen=True)
class Cheapest:
    """The cheapest open plan of every service by the number of regions it adds."""

    cost_micro: Ints
    """``(S, A)``; a very large number where no open plan adds so many."""
    plan: Ints

    @classmethod
    def of(cls, table: PlanTable, value_micro: Ints | None = None) -> Cheapest:
        """Look through all open plans; of equal ones the first counts.

        Args:
            table: All plans.
            value_micro: What a plan is worth, ``(S, P)``; its cost by default.
        """
        worth = table.cost_micro if value_micro is None else value_micro
        most = int(table.added.max(initial=0))
        cost = np.full((len(table.cpu_cores), most + 1), _CLOSED)
        plan = np.zeros_like(cost)
        for added in range(most + 1):
            usable = table.is_open & (table.added == added)
            value = np.where(usable, worth, _CLOSED)
            plan[:, added] = value.argmin(axis=1)
            cost[:, added] = value.min(axis=1)
        return cls(cost, plan)


def choose_within(cheapest: Cheapest, moves: float) -> Ints | None:
    """Return the plan numbers of least total cost within the budget, ``None`` if none fits.

    Args:
        cheapest: Plans worth looking at.
        moves: Added regions allowed; infinite without a budget.
    """
    n, width = cheapest.cost_micro.shape
    most = n * (width - 1)
    budget = most if np.isinf(moves) else int(min(moves, most))
    if budget == most:
        return np.asarray(cheapest.plan[np.arange(n), cheapest.cost_micro.argmin(axis=1)])
    total = np.zeros(budget + 1, dtype=np.int64)
    taken = np.zeros((n, budget + 1), dtype=np.int8)
    for s in range(n):
        # A service that adds fewer regions leaves more: total[m] is the best within m moves.
        offers = np.full((width, budget + 1), _CLOSED)
        for added in range(min(width, budget + 1)):
            offers[added, added:] = total[: budget + 1 - added] + cheapest.cost_micro[s, added]
        taken[s] = offers.argmin(axis=0)
        total = np.minimum(offers.min(axis=0), _CLOSED)
    if total[budget] >= _LIMIT:
        return None
    chosen, left = np.zeros(n, dtype=np.int64), budget
    for s in range(n - 1, -1, -1):
        added = int(taken[s, left])
        chosen[s], left = cheapest.plan[s, added], left - added
    return chosen


def price_of_moves(cheapest: Cheapest, moves: float) -> float:
    """Return the price per added region that makes the bound largest, $ per hour.

    The bound is concave in the price; it bends where a service would take fewer regions, at the
    slopes of the lower hull of its costs.
    """
    if np.isinf(moves):
        return 0.0
    slopes: list[float] = []
    needed = 0
    for cost in cheapest.cost_micro:
        at = int(np.flatnonzero(cost < _LIMIT)[0]) if (cost < _LIMIT).any() else 0
        needed += at
        while True:
            later = np.arange(at + 1, len(cost))
            gain = (cost[at] - cost[later]) / (later - at)
            if not later.size or gain.max() <= 0:
                break
            # Of equal slopes the longest step, so that the hull has no corner left out.
            step = int(np.flatnonzero(gain == gain.max())[-1])
            slopes += [float(gain[step])] * (step + 1)
            at += step + 1
    room = int(moves) - needed
    ordered = sorted(slopes, reverse=True)
    return ordered[room] / MICRO if 0 <= room < len(ordered) else 0.0
