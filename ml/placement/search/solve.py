"""The best plan of the fleet that was found, and how far it can be from the best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.placement.errors import InfeasibleError
from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet, describe_today
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.problem.slots import Clients
from ml.placement.problem.subsets import SetSpace, build_space
from ml.placement.search.descent import End
from ml.placement.search.diagnose import explain_shortage
from ml.placement.search.ends import Found, Search, exact_values, is_small
from ml.placement.search.master import Master, overload, solve_master
from ml.placement.walk import open_walk
from ml.placement.walk.ranks import move_limit

_CLOSE_ENOUGH = 2e-5
_CLOSINGS = 5


@dataclass(frozen=True)
class Solution:
    """A plan, what every set of every service is worth beside it, and the certificate."""

    instance: Instance
    space: SetSpace
    today: Today
    today_fleet: Fleet
    fleet: Fleet
    table: PlanTable
    """Each set valued as if its service alone moved, on the whole fleet; closed where that breaks
    another's rule. In a large fleet to first order, calls and answers as this plan implies."""
    clients: Clients
    master: Master
    """Bounds over one set per service at those values."""
    rounds: int
    stop_reason: str

    @property
    def upper_micro(self) -> int:
        """Cost of the plan, micro-dollars per hour."""
        return int(self.fleet.cost_micro.sum())

    @property
    def lower_micro(self) -> int:
        """Certified lower bound, micro-dollars per hour."""
        return self.master.lower_micro

    @property
    def is_valued_exactly(self) -> bool:
        """Whether every set has its exact value; to first order in a large fleet."""
        return is_small(self.instance, self.space)

    @property
    def gap(self) -> float:
        """Relative distance between the bounds."""
        return (self.upper_micro - self.lower_micro) / max(1, abs(self.lower_micro))


def space_of(instance: Instance) -> SetSpace:
    """Return the region sets of an instance: all up to the cap, and those that run today."""
    today = {tuple(int(r) for r in np.flatnonzero(row)) for row in instance.current}
    cap = min(instance.policy.max_regions_cap, instance.n_regions)
    ties = instance.policy.near_tie_share, instance.policy.near_tie_is_split
    return build_space(instance.rtt_ms, instance.misroute, cap, today, *ties)


def solve(instance: Instance, *, quick: bool = False, start: Ints | None = None) -> Solution:
    """Return the best plan found, with its certificate.

    Args:
        instance: The problem.
        quick: Begin at one plan, and end where no change of one service helps.
        start: Begin at this plan, not at today's or at several; numbers of :func:`space_of` the
            instance.

    Raises:
        InfeasibleError: If no plan keeps the fleet's rules.
    """
    # One thread: a matrix product may differ in its last bits with more.
    with threadpool_limits(limits=1):
        space = space_of(instance)
        today, today_fleet = describe_today(instance, space)
        search = Search(instance, space, today, quick)
        if start is None and not quick:
            found = search.best()
        else:
            begin = today.home if start is None else start
            found = search.settled(begin, thorough=not quick)
        return _certified(search, today_fleet, found, thorough=not quick)


def _certified(search: Search, today_fleet: Fleet, found: Found, *, thorough: bool) -> Solution:
    """Return the solution at an end.

    Args:
        search: What found the end.
        today_fleet: Today's plan.
        found: The end.
        thorough: Value sets that break rules of their own service as well.

    Raises:
        InfeasibleError: If the plan overruns shared rows.
    """
    if found.shortage is not None:
        raise explain_shortage(search.instance, *found.shortage)
    if found.end.rank[0] > 0:
        _refuse(search, found.end)
    return _closed(search, today_fleet, found, thorough=thorough)


def _refuse(search: Search, end: End) -> None:
    shortage = search.shortage(end)
    if shortage is not None:
        raise explain_shortage(search.instance, *shortage)
    raise InfeasibleError(
        ("UNKNOWN",),
        "no plan found within the shared rows; this proves no contradiction, another move "
        "budget or capacity may help",
    )


def _closed(search: Search, today_fleet: Fleet, found: Found, *, thorough: bool) -> Solution:
    """Value the sets as if their service alone moved, and find prices of the shared rows."""
    one, end, today = search.instance, found.end, found.today
    table, fleet = end.table, end.fleet
    capacity, budget = row_limits(one), move_limit(one)
    walk = open_walk(one, search.space, today, table, fleet)
    if not search.is_large:
        table = exact_values(table, walk, table.is_open | thorough)
        master = solve_master(table, capacity, budget, fleet.chosen)
    else:
        for _ in range(_CLOSINGS):
            master = solve_master(table, capacity, budget, fleet.chosen, exact=False)
            closed = exact_values(table, walk, _tempting(table, master, fleet.chosen)).is_open
            if (closed == table.is_open).all():
                break
            table = replace(table, is_open=closed)
    solution = Solution(
        one, search.space, today, today_fleet, fleet, table, end.clients, master,
        end.rounds, end.stop_reason,
    )  # fmt: skip
    return replace(solution, stop_reason="gap") if solution.gap <= _CLOSE_ENOUGH else solution


def valued(solution: Solution, wanted: Flags) -> PlanTable:
    """Return the table of a solution with the exact cost of the ``wanted`` sets, ``(S, P)``."""
    one, space, today = solution.instance, solution.space, solution.today
    walk = open_walk(one, space, today, solution.table, solution.fleet)
    return exact_values(solution.table, walk, wanted)


def _tempting(table: PlanTable, master: Master, chosen: Ints) -> Flags:
    """Return plans that the prices hold to be cheaper than the chosen ones, ``(S, P)``."""
    n = len(chosen)
    reduced = table.reduced(master.capacity_dual, master.move_dual, 0, n)
    return np.asarray(table.is_open & (reduced < reduced[np.arange(n), chosen][:, None]))


def uses_of(solution: Solution) -> tuple[Floats, int]:
    """Return the vCPU that the plan uses of each region, and the regions it adds."""
    n = np.arange(solution.instance.n_services)
    use = solution.table.vcpu(n, solution.fleet.chosen).sum(axis=0)
    return use, int(solution.table.added[n, solution.fleet.chosen].sum())


__all__ = ["Solution", "move_limit", "overload", "solve", "space_of", "uses_of", "valued"]
