"""Compiled: the best region set of one service whose clients go where they cost least."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ml.placement.graph.kernel_types import DEPTH, Users, Work
from ml.placement.kernel.jit import compiled, inner, source_stamp
from ml.placement.problem.instance import Flags, Floats, Ints

# All loops of the call graph: a change in one must not leave another's compiled code in use.
STAMP = source_stamp(Path(__file__).parent.glob("kernel*.py"))


@inner
def add_users(s: int, users: Users, through: Floats, work: Work) -> int:
    """Fill the first clients of a service, its users; return how many have any demand."""
    origins, regions, clients = users.demand.shape[1], through.shape[1], 0
    for o in range(origins):
        d = users.demand[s, o]
        if d > 0.0:
            for r in range(regions):
                own = (
                    users.kb[s] * users.out[r]
                    + users.incoming[s]
                    + users.ms[s, r] * users.rtt[o, r]
                )
                work.cost[clients, r] = d * (own + through[s, r])
            work.share[clients] = d
            clients += 1
    return clients


@inner
def serving(c: int, cost: Floats, chosen: Ints) -> int:
    """Return the region of a set that answers a client at least cost; ties go to the smaller."""
    where = chosen[1]
    for x in range(2, chosen[0] + 1):
        r = chosen[x]
        if cost[c, r] < cost[c, where] or (cost[c, r] == cost[c, where] and r < where):
            where = r
    return int(where)


@inner
def _list_alone(cost: Floats, clients: int, fixed: float, allowed: Flags, work: Work) -> int:
    """List the allowed regions, the best alone first; return how many."""
    regions, sums = cost.shape[1], work.gain[DEPTH]
    for r in range(regions):
        sums[r] = fixed
    for c in range(clients):
        for r in range(regions):
            sums[r] += cost[c, r]
    n = 0
    for r in range(regions):
        if allowed[r]:
            place = n
            while place > 0 and work.value[0, place - 1] > sums[r]:
                work.value[0, place] = work.value[0, place - 1]
                work.order[0, place] = work.order[0, place - 1]
                place -= 1
            work.value[0, place] = sums[r]
            work.order[0, place] = r
            n += 1
    for x in range(n):
        work.gain[0, x] = 0.0
    return n


@inner
def _save_more(depth: int, r: int, cost: Floats, clients: int, fixed: float, work: Work) -> None:
    """Add a region to the set of ``depth`` regions, and find what each further one would save."""
    regions, sums = cost.shape[1], work.gain[DEPTH]
    for c in range(clients):
        work.near[depth, c] = cost[c, r] if depth == 0 else min(work.near[depth - 1, c], cost[c, r])
    for j in range(regions):
        sums[j] = -fixed
    for c in range(clients):
        here = work.near[depth, c]
        for j in range(regions):
            sums[j] += max(0.0, here - cost[c, j])


@inner
def _list_further(depth: int, i: int, count: int, is_enough: bool, work: Work) -> int:
    """List what may still be added, the largest saving first; return how many.

    A region that saves less than it costs now is in no larger set worth having, unless the set is
    still too small.
    """
    sums, size, n = work.gain[DEPTH], depth + 1, 0
    for x in range(i + 1, count):
        j = work.order[depth, x]
        if is_enough and sums[j] <= 0.0:
            continue
        place = n
        while place > 0 and work.gain[size, place - 1] < sums[j]:
            work.gain[size, place] = work.gain[size, place - 1]
            work.order[size, place] = work.order[size, place - 1]
            place -= 1
        work.gain[size, place] = sums[j]
        work.order[size, place] = j
        n += 1
    return n


@inner
def _reach(here: float, depth: int, first: int, last: int, need: int, work: Work) -> float:
    """Return what a set can reach at best with the savings listed at places ``first`` on."""
    for x in range(first, last):
        if x - first < need or work.gain[depth, x] > 0.0:
            here -= work.gain[depth, x]
    return here


def _made(stamp: int) -> Callable[[Floats, int, float, Flags, int, int, Work, Ints], float]:
    def best_set(
        cost: Floats, clients: int, fixed: float, allowed: Flags, least: int, most: int,
        work: Work, found: Ints,
    ) -> float:  # fmt: skip
        """Return the least cost of a set, and the set in ``found`` (its size first).

        cost(A) = fixed |A| + sum over clients of min over r in A of cost[c, r]. What a region
        saves shrinks as the set grows. So a region that saves less than it costs now is in no
        larger set worth having, and the largest savings bound what any larger set can reach: the
        search is exact.

        Args:
            cost: By client and region, ``(C, R)``.
            clients: Clients in use, the first rows of ``cost``.
            fixed: Cost of every region of the set.
            allowed: Regions that may be used, ``(R,)``.
            least: Fewest regions.
            most: Most regions, below :data:`DEPTH`.
            work: Work space.
            found: Size and regions of the best set, ``(DEPTH + 1,)``.
        """
        best = np.inf
        # Never so: the stamp is here to tell compiled code of older sources apart.
        if stamp < 0:
            return best
        count, at, chosen = work.order[DEPTH], work.order[DEPTH + 1], work.order[DEPTH + 2]
        count[0], at[0] = _list_alone(cost, clients, fixed, allowed, work), 0
        depth = 0
        while depth >= 0:
            if at[depth] >= count[depth]:
                depth -= 1
                continue
            i, size = at[depth], depth + 1
            at[depth] += 1
            here = work.value[depth, i]
            chosen[depth] = work.order[depth, i]
            if size >= least and here < best:
                best = here
                found[0] = size
                for x in range(size):
                    found[1 + x] = chosen[x]
            if size >= most:
                continue
            # Regions are sorted by what they saved one level up; deeper they save no more.
            last = min(count[depth], i + 1 + most - size)
            if depth > 0 and size >= least and _reach(here, depth, i + 1, last, 0, work) >= best:
                continue
            _save_more(depth, work.order[depth, i], cost, clients, fixed, work)
            n, need = _list_further(depth, i, count[depth], size >= least, work), least - size
            if n < need or _reach(here, size, 0, min(most - size, n), need, work) >= best:
                continue
            for x in range(n):
                work.value[size, x] = here - work.gain[size, x]
            count[size], at[size] = n, 0
            depth = size
        return best

    return compiled(best_set)


best_set = _made(STAMP)
