"""Changes of a caller and its callee at once, where neither gains by moving alone.

The two sit together because each would pay for leaving: its calls would cross regions. So pairs of
neighbours in the call graph are tried on one set of regions.
"""

from __future__ import annotations

import numpy as np

from ml.placement.fleet.changes import Change
from ml.placement.problem.instance import Flags, Ints
from ml.placement.search.solve import Solution
from ml.placement.search.trial_ranks import Ranker

_PASSES, _PAIRS = 2, 1_300
_AT_ONCE = 12


def moved_in_pairs(solution: Solution) -> Ints | None:
    """Return the sets after callers and callees moved in pairs, ``None`` where no pair helps.

    A search from there may find more. Meant for fleets of up to a few hundred services: only so
    many pairs are tried.
    """
    one, table, today = solution.instance, solution.table, solution.today
    here = Ranker(one, solution.space, today, table, solution.fleet)
    following = together(here, ~(table.is_stuck | one.is_fixed | today.pinned))
    return None if following is here else following.base.chosen


def together(here: Ranker, may_move: Flags) -> Ranker:
    """Return the plan after pairs of caller and callee moved to one set, where that helps.

    Args:
        here: The plan.
        may_move: Services that may leave their set, ``(S,)``.
    """
    for _ in range(_PASSES):
        before, hopeful = here, _pairs(here, may_move)
        while hopeful:
            here, hopeful = _step(here, hopeful)
        if here is before:
            break
    return here


def _pairs(here: Ranker, may_move: Flags) -> list[Change]:
    """Return neighbours on a set of either, now or today, or on one region; the likeliest.

    What both moves cost by the table, each as if the other stayed, says which are worth a look:
    going together can save no more than the call between them.
    """
    edges, chosen, cost = here.instance.edges, here.base.chosen, here.table.cost_micro
    home = here.today.home
    links = {(int(v), int(t)) for v, t in zip(edges.caller, edges.callee, strict=True)}
    found: list[tuple[int, int, int, int]] = []
    for v, t in sorted(links):
        if not (may_move[v] and may_move[t]):
            continue
        present = {int(chosen[v]), int(chosen[t]), int(home[v]), int(home[t])}
        for p in sorted(present | set(range(here.instance.n_regions))):
            if chosen[v] != p or chosen[t] != p:
                more = cost[v, p] - cost[v, chosen[v]] + cost[t, p] - cost[t, chosen[t]]
                found.append((int(more), v, t, p))
    return [(np.array([v, t]), np.array([p, p])) for _, v, t, p in sorted(found)[:_PAIRS]]


def _step(here: Ranker, changes: list[Change]) -> tuple[Ranker, list[Change]]:
    """Return the plan after the best changes, each confirmed, and those that helped as well."""
    ranks = here.ranks(changes)
    order = sorted((i for i, r in enumerate(ranks) if r < here.rank), key=lambda i: (ranks[i], i))
    touched: set[int] = set()
    left: list[Change] = []
    for count, i in enumerate(order):
        services = set(changes[i][0].tolist())
        if touched & services or count >= _AT_ONCE:
            left.append(changes[i])
        else:
            following = here.after(*changes[i])
            if following.rank < here.rank:
                here, touched = following, touched | services
    return here, left if touched else []
