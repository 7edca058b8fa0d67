"""Which changes of a plan are worth an exact look; the likeliest first.

The table prices a change of one service to first order, as if all others stayed. That is enough to
order changes, and no more: each is followed through all calls before it counts.
"""

from __future__ import annotations

import numpy as np

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.pricing import PlanTable
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.walk.moves import Moves

_NEVER = np.int64(2**60)
# Groups of a first look and of a thorough one.
_SETS, _EXCHANGES, _PAIRS, _SINGLES = (4, 40), (300, 1_600), 4_000, 20_000
_ENDS, _PAIR_SETS, _WAYS_BACK = 60, 6, 2_000


def parts_of(table: PlanTable, chosen: Ints, proposed: Ints) -> Moves:
    """Return a proposal as a whole, then its halves, quarters and single moves.

    Moves are ordered by gain, so that a part that does not help is parted from those that do.
    """
    n = np.arange(len(chosen))
    services = np.flatnonzero(chosen != proposed)
    gain = (table.cost_micro[n, chosen] - table.cost_micro[n, proposed])[services]
    services = services[np.lexsort((services, -gain))]
    parts = [services[first:last] for first, last in _halves(0, len(services))]
    return Moves.of([(part, proposed[part]) for part in parts])


def single_moves(
    table: PlanTable, chosen: Ints, refused: Ints | None = None, *, thorough: bool = False
) -> Moves:
    """Return changes of one service to one of its best sets.

    Args:
        table: All plans.
        chosen: The present ones.
        refused: What each change was worth by the table when it last did not help, ``(S, P)``
            micro-dollars: it is not looked at again before the table holds it to be better. Filled.
        thorough: Look at more sets.
    """
    n = len(chosen)
    value = np.where(table.is_open, table.cost_micro, _NEVER)
    value[np.arange(n), chosen] = _NEVER
    width = min(_SETS[thorough], value.shape[1])
    plans = np.argsort(value, axis=1, kind="stable")[:, :width].ravel()
    services = np.repeat(np.arange(n), width)
    gain = value[services, plans] - table.cost_micro[services, chosen[services]]
    fresh = value[services, plans] < _NEVER
    if refused is not None:
        fresh &= gain < refused[services, plans]
        refused[services[fresh], plans[fresh]] = gain[fresh]
    kept = np.flatnonzero(fresh)
    kept = kept[np.argsort(gain[kept], kind="stable")][:_SINGLES]
    return Moves.alike(services[kept, None], plans[kept, None])


def exchanges(table: PlanTable, chosen: Ints, budget: float, *, thorough: bool = False) -> Moves:
    """Return pairs of which one adds regions that the other gives up.

    Where the move budget is used up, one service can only gain what another loses.
    """
    n = np.arange(len(chosen))
    now = table.added[n, chosen]
    if not np.isfinite(budget) or int(now.sum()) + int(table.added.max(initial=0)) <= budget:
        return Moves.of([])
    more = table.added - now[:, None]
    gain = table.cost_micro - table.cost_micro[n, chosen][:, None]
    up = _best(gain / np.maximum(1, more), table.is_open & (more > 0) & (gain < 0))
    down = _best(gain / np.maximum(1, -more), table.is_open & (more < 0))
    i, j = (grid.ravel() for grid in np.meshgrid(up, down, indexing="ij"))
    width = gain.shape[1]
    (s, p), (t, q) = divmod(i, width), divmod(j, width)
    kept = np.flatnonzero((s != t) & (-more[t, q] >= more[s, p]))
    kept = kept[np.argsort((gain[s, p] + gain[t, q])[kept], kind="stable")]
    kept = kept[: _EXCHANGES[thorough]]
    services = np.stack((s[kept], t[kept]), axis=1)
    return Moves.alike(services, np.stack((p[kept], q[kept]), axis=1))


def _best(value: np.ndarray, wanted: Flags) -> Ints:
    at = np.flatnonzero(wanted)
    return np.asarray(at[np.argsort(value.ravel()[at], kind="stable")][:_ENDS])


def neighbours(instance: Instance, table: PlanTable, today: Today, chosen: Ints) -> Moves:
    """Return changes of a caller and its callee at once, where neither gains by moving alone.

    The two sit together because each would pay for leaving: its calls would cross regions. So both
    are tried on one set, any, and each on one of its best.
    """
    edges, cost = instance.edges, table.cost_micro
    may = ~(table.is_stuck | instance.is_fixed | today.pinned)
    links = np.unique(np.stack((edges.caller, edges.callee), axis=1), axis=0)
    v, t = links[may[links[:, 0]] & may[links[:, 1]]].T
    n_sets = cost.shape[1]
    width = min(_PAIR_SETS, n_sets)
    open_cost = np.where(table.is_open, cost, _NEVER)
    best = np.argsort(open_cost, axis=1, kind="stable")[:, :width]
    same = np.broadcast_to(np.arange(n_sets), (len(v), n_sets))
    first = np.concatenate((same, np.repeat(best[v], width, axis=1)), axis=1)
    second = np.concatenate((same, np.tile(best[t], (1, width))), axis=1)
    a, b = np.repeat(v, first.shape[1]), np.repeat(t, first.shape[1])
    p, q = first.ravel(), second.ravel()
    moved = (p != chosen[a]) | (q != chosen[b])
    value = cost[a, p] - cost[a, chosen[a]] + cost[b, q] - cost[b, chosen[b]]
    kept = np.flatnonzero(moved)
    kept = kept[np.argsort(value[kept], kind="stable")][:_PAIRS]
    services = np.stack((a[kept], b[kept]), axis=1)
    return Moves.alike(services, np.stack((p[kept], q[kept]), axis=1))


def homeward(instance: Instance, chosen: Ints, home: Ints, broken: Flags) -> Moves:
    """Return ways back for services that break a rule: callers, callees, both, their kin.

    A service is slowed down by whom it calls or by where it is called from.
    """
    edges = instance.edges
    found: list[tuple[Ints, Ints]] = []
    for s in np.flatnonzero(broken):
        above = _reached(int(s), edges.callee, edges.caller)
        below = _reached(int(s), edges.caller, edges.callee)
        one = np.array([s])
        groups = [one, *(np.array([t]) for t in (*above, *below))]
        groups += [np.array([s, t]) for t in (*above, *below)]
        groups += [np.array([s, *above]), np.array([s, *below]), np.array([s, *above, *below])]
        for group in groups:
            away = group[chosen[group] != home[group]].astype(np.int64)
            if away.size:
                found.append((away, home[away]))
    return Moves.of(found[:_WAYS_BACK])


def _reached(s: int, come_from: Ints, lead_to: Ints) -> list[int]:
    """Return all services that links lead to from ``s``, sorted."""
    found: set[int] = set()
    todo = [s]
    while todo:
        fresh = {int(t) for t in lead_to[come_from == todo.pop()]} - found
        found |= fresh
        todo.extend(fresh)
    return sorted(found)


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    """Return a range, its halves, their halves and so on, each before its own parts."""
    if last <= first:
        return []
    middle = first + (last - first + 1) // 2
    parts = _halves(first, middle) + _halves(middle, last) if last - first > 1 else []
    return [(first, last), *parts]
