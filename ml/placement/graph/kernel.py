"""Compiled loops of the call graph: the best region set of one service, and passes over all.

Plain functions of arrays, compiled where numba is installed; without it they run as they are,
slowly. The tests find the same by looking at every set.
"""

from __future__ import annotations

import numpy as np

from ml.placement.kernel.jit import compiled
from ml.placement.problem.instance import Flags, Floats, Ints

DEPTH = 8
"""Most regions of a set, plus one."""


@compiled
def best_set(
    cost: Floats,
    clients: int,
    fixed: float,
    allowed: Flags,
    least: int,
    most: int,
    near: Floats,
    value: Floats,
    gain: Floats,
    order: Ints,
    found: Ints,
) -> float:
    """Return the least cost of a set, and the set in ``found`` (its size first).

    cost(A) = fixed |A| + sum over clients of min over r in A of cost[c, r]. What a region saves
    shrinks as the set grows. So a region that saves less than it costs now is in no larger set
    worth having, and the largest savings bound what any larger set can reach: the search is exact.

    Args:
        cost: By client and region, ``(C, R)``.
        clients: Clients in use, the first rows of ``cost``.
        fixed: Cost of every region of the set.
        allowed: Regions that may be used, ``(R,)``.
        least: Fewest regions.
        most: Most regions, below :data:`DEPTH`.
        near: Work space, ``(DEPTH, C)``.
        value: Work space, ``(DEPTH, R)``.
        gain: Work space, ``(DEPTH + 1, R)``.
        order: Work space, ``(DEPTH + 3, max(R, DEPTH))``.
        found: Size and regions of the best set, ``(DEPTH + 1,)``.
    """
    regions = cost.shape[1]
    sums = gain[DEPTH]
    for r in range(regions):
        sums[r] = fixed
    for c in range(clients):
        for r in range(regions):
            sums[r] += cost[c, r]
    count, at, chosen = order[DEPTH], order[DEPTH + 1], order[DEPTH + 2]
    n = 0
    for r in range(regions):
        if allowed[r]:
            place = n
            while place > 0 and value[0, place - 1] > sums[r]:
                value[0, place] = value[0, place - 1]
                order[0, place] = order[0, place - 1]
                place -= 1
            value[0, place] = sums[r]
            order[0, place] = r
            n += 1
    for x in range(n):
        gain[0, x] = 0.0
    count[0], at[0] = n, 0
    best = np.inf
    depth = 0
    while depth >= 0:
        if at[depth] >= count[depth]:
            depth -= 1
            continue
        i = at[depth]
        at[depth] += 1
        here = value[depth, i]
        size = depth + 1
        chosen[depth] = order[depth, i]
        if size >= least and here < best:
            best = here
            found[0] = size
            for x in range(size):
                found[1 + x] = chosen[x]
        if size >= most:
            continue
        room = most - size
        if depth > 0 and size >= least:
            # Regions are sorted by what they saved one level up; deeper they save no more.
            reach = here
            for x in range(i + 1, min(count[depth], i + 1 + room)):
                reach -= max(0.0, gain[depth, x])
            if reach >= best:
                continue
        r = order[depth, i]
        if depth == 0:
            for c in range(clients):
                near[0, c] = cost[c, r]
        else:
            for c in range(clients):
                near[depth, c] = min(near[depth - 1, c], cost[c, r])
        for j in range(regions):
            sums[j] = -fixed
        for c in range(clients):
            here_c = near[depth, c]
            for j in range(regions):
                sums[j] += max(0.0, here_c - cost[c, j])
        n = 0
        for x in range(i + 1, count[depth]):
            j = order[depth, x]
            if size >= least and sums[j] <= 0.0:
                continue
            place = n
            while place > 0 and gain[size, place - 1] < sums[j]:
                gain[size, place] = gain[size, place - 1]
                order[size, place] = order[size, place - 1]
                place -= 1
            gain[size, place] = sums[j]
            order[size, place] = j
            n += 1
        need = max(0, least - size)
        if n < need:
            continue
        reach = here
        for x in range(min(room, n)):
            if x < need or gain[size, x] > 0.0:
                reach -= gain[size, x]
        if reach >= best:
            continue
        for x in range(n):
            value[size, x] = here - gain[size, x]
        count[size] = n
        at[size] = 0
        depth = size
    return best


@compiled
def dual_pass(
    demand: Floats,
    user_kb: Floats,
    user_in: Floats,
    user_ms: Floats,
    user_out: Floats,
    user_rtt: Floats,
    through: Floats,
    borrowed: Floats,
    weight: Floats,
    incoming: Ints,
    first: Ints,
    fixed: Floats,
    allowed: Flags,
    least: Ints,
    most: Ints,
    cost: Floats,
    share: Floats,
    near: Floats,
    value: Floats,
    gain: Floats,
    order: Ints,
    sets: Ints,
    values: Floats,
    load: Floats,
    served: Ints,
) -> None:
    """Find every service's best set at the prices of edges.

    Args:
        demand: Demand of users, ``(S, O)``.
        user_kb: $ per hour, request per second and $/GB to users, ``(S,)``.
        user_in: The same for what users send, already in $, ``(S,)``.
        user_ms: $ per hour, request per second and ms, ``(S, R)``.
        user_out: $ per GB to users, ``(R,)``.
        user_rtt: ms, ``(O, R)``.
        through: $ per hour of one request per second served in a region, ``(S, R)``.
        borrowed: $ per hour of one call per second, at best over callers' regions, ``(E, R)``.
        weight: Calls per second by edge, ``(E,)``.
        incoming: Edges sorted by callee, ``(E,)``.
        first: Where each service's edges begin in ``incoming``, ``(S + 1,)``.
        fixed: Cost of an open region, ``(S,)``.
        allowed: ``(S, R)``.
        least: Fewest regions, ``(S,)``.
        most: Most regions, ``(S,)``.
        cost: Work space, most clients of a service by region, like all down to ``order``.
        share: Work space.
        near: Work space.
        value: Work space.
        gain: Work space.
        order: Work space.
        sets: Filled: size and regions of the best set, ``(S, DEPTH + 1)``.
        values: Filled: its cost, ``(S,)``.
        load: Filled: requests per second by region, ``(S, R)``.
        served: Filled: region of the set that answers each edge, ``(E,)``.
    """
    n, origins = demand.shape
    regions = through.shape[1]
    for s in range(n):
        clients = 0
        for o in range(origins):
            d = demand[s, o]
            if d > 0.0:
                for r in range(regions):
                    own = user_kb[s] * user_out[r] + user_in[s] + user_ms[s, r] * user_rtt[o, r]
                    cost[clients, r] = d * (own + through[s, r])
                share[clients] = d
                clients += 1
        users = clients
        for x in range(first[s], first[s + 1]):
            e = incoming[x]
            for r in range(regions):
                cost[clients, r] = weight[e] * (borrowed[e, r] + through[s, r])
            share[clients] = weight[e]
            clients += 1
        values[s] = best_set(
            cost,
            clients,
            fixed[s],
            allowed[s],
            least[s],
            most[s],
            near,
            value,
            gain,
            order,
            sets[s],
        )
        for r in range(regions):
            load[s, r] = 0.0
        for c in range(clients):
            where = sets[s, 1]
            for x in range(2, sets[s, 0] + 1):
                r = sets[s, x]
                better = cost[c, r] < cost[c, where]
                if better or (cost[c, r] == cost[c, where] and r < where):
                    where = r
            load[s, where] += share[c]
            if c >= users:
                served[incoming[first[s] + c - users]] = where


@compiled
def cheapest_callers(
    call_up: Floats,
    call_down: Floats,
    call_ms: Floats,
    call_out: Floats,
    call_rtt: Floats,
    price: Floats,
    borrowed: Floats,
    caller_region: Ints,
) -> None:
    """Fill min over q of a_e(q, r) - price[e, q], and which q that is, ``(E, R)`` each."""
    edges, regions = price.shape
    for e in range(edges):
        for r in range(regions):
            borrowed[e, r] = np.inf
        for q in range(regions):
            for r in range(regions):
                paid = call_up[e] * call_out[q, r] + call_down[e] * call_out[r, q]
                paid += call_ms[e] * call_rtt[q, r] - price[e, q]
                if paid < borrowed[e, r]:
                    borrowed[e, r] = paid
                    caller_region[e, r] = q
