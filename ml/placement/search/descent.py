"""From a plan downhill: price everything, choose together, follow exactly, look again.

Where callers run decides where callees are called from, so the price of a plan of one service
depends on all others. Each round prices every plan of every service at the present one, lets the
master problem choose within the shared rows, and keeps what bears an exact look; where nothing of
that does, other changes are looked at, from one service to a caller with its callee.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet, evaluate_fleet
from ml.placement.fleet.pricing import PlanTable, price_all
from ml.placement.problem.instance import Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.problem.slots import Clients
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.master import solve_master
from ml.placement.search.proposals import (
    exchanges,
    homeward,
    neighbours,
    parts_of,
    single_moves,
)
from ml.placement.walk import Moves, Walk, open_walk
from ml.placement.walk.ranks import Rank, move_limit


@dataclass(frozen=True)
class End:
    """Where a descent ended."""

    fleet: Fleet
    table: PlanTable
    clients: Clients
    rank: Rank
    rounds: int
    stop_reason: str


def descend(
    instance: Instance,
    space: SetSpace,
    today: Today,
    start: Ints,
    most: int,
    *,
    thorough: bool = True,
    together_first: bool = True,
) -> End:
    """Return where changes that each help lead to.

    Args:
        instance: The problem.
        space: Its region sets.
        today: What to compare with.
        start: Number of each service's set.
        most: Rounds.
        thorough: End only where no exchange and no pair of caller and callee helps either.
        together_first: Ask in every round what all services would choose together; else only
            where no small change helps. The two end in different places.
    """
    chosen, rounds, stop = start, 0, "rounds"
    refused = np.full((instance.n_services, len(space.sets)), 2**60, dtype=np.int64)
    while True:
        fleet = evaluate_fleet(instance, space, chosen, today)
        table, clients = price_all(instance, space, fleet, today)
        walk = open_walk(instance, space, today, table, fleet)
        if rounds == most:
            break
        rounds += 1
        helped = walk.take(_proposed(instance, table, walk.chosen)) if together_first else None
        if not _better(instance, today, table, walk, refused, helped=helped, thorough=thorough):
            stop = "no_improvement"
            break
        chosen = walk.chosen
    return End(fleet, table, clients, walk.rank, rounds, stop)


def _better(
    instance: Instance,
    today: Today,
    table: PlanTable,
    walk: Walk,
    refused: Ints,
    *,
    helped: bool | None,
    thorough: bool,
) -> bool:
    """Take what helps of the likely changes, else of rarer ones; say if any did."""
    budget = move_limit(instance)
    # Each of the first looks is worth its while even where the one before it helped.
    firsts = [
        helped,
        walk.take(single_moves(table, walk.chosen, refused)),
        walk.take(exchanges(table, walk.chosen, budget)),
    ]
    if any(firsts):
        return True
    chosen = walk.chosen
    if helped is None and walk.take(_proposed(instance, table, chosen)):
        return True
    if walk.take(homeward(instance, chosen, today.home, walk.broken)):
        return True
    if walk.take(single_moves(table, chosen, thorough=True)):
        return True
    return thorough and (
        walk.take(exchanges(table, chosen, budget, thorough=True))
        or walk.take(neighbours(instance, table, today, chosen))
    )


def _proposed(instance: Instance, table: PlanTable, chosen: Ints) -> Moves:
    """Return what the master problem chooses at these prices within the shared rows."""
    found = solve_master(table, row_limits(instance), move_limit(instance), exact=False)
    return parts_of(table, chosen, found.chosen if found.is_feasible else chosen)
