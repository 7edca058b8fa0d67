"""Compiled: services answer and call one after another, and choose their regions if asked."""

from __future__ import annotations

import numpy as np

from ml.placement.graph.kernel import best_set
from ml.placement.kernel.jit import compiled
from ml.placement.problem.instance import Flags, Floats, Ints


@compiled
def follow_pass(
    services: Ints,
    choose: bool,
    priced: bool,
    demand: Floats,
    user_kb: Floats,
    user_in: Floats,
    user_ms: Floats,
    user_out: Floats,
    user_rtt: Floats,
    unit: Floats,
    calls: Floats,
    call_up: Floats,
    call_down: Floats,
    call_ms: Floats,
    call_out: Floats,
    call_rtt: Floats,
    incoming: Ints,
    first: Ints,
    outgoing: Ints,
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
    through: Floats,
    reply: Floats,
    flow: Floats,
    sets: Ints,
    paid: Floats,
    load: Floats,
) -> None:
    """Let services, one after another, answer and call; if asked, choose their sets anew.

    A service finds its calls in ``flow`` and what its own calls cost in ``reply``, and writes both
    for its neighbours. From callees to callers this keeps ``reply`` true, from callers to callees
    ``flow``.

    Args:
        services: In the order in which they are looked at.
        choose: Take the best set for the clients of now, not the present one.
        priced: What a request costs in a region is given in ``through``, not found in ``reply``.
        demand: As all others down to ``order``, see :class:`~ml.placement.graph.problem`.
        user_kb: See above.
        user_in: See above.
        user_ms: See above.
        user_out: See above.
        user_rtt: See above.
        unit: See above.
        calls: See above.
        call_up: See above.
        call_down: See above.
        call_ms: See above.
        call_out: See above.
        call_rtt: See above.
        incoming: See above.
        first: See above.
        outgoing: See above.
        fixed: See above.
        allowed: See above.
        least: See above.
        most: See above.
        cost: Work space, like all down to ``order``.
        share: Work space.
        near: Work space.
        value: Work space.
        gain: Work space.
        order: Work space.
        through: $ per hour of one request per second served in a region, ``(S, R)``.
        reply: $ per hour of one call per second made in a region, ``(E, R)``.
        flow: Calls per second made in a region, ``(E, R)``.
        sets: Size and regions of each set, ``(S, DEPTH + 1)``.
        paid: Filled: what the service's users cost, all calls onwards included, ``(S,)``.
        load: Filled: requests per second by region, ``(S, R)``.
    """
    origins, regions = demand.shape[1], unit.shape[1]
    for s in services:
        if not priced:
            for r in range(regions):
                through[s, r] = unit[s, r]
            for e in range(outgoing[s], outgoing[s + 1]):
                for r in range(regions):
                    through[s, r] += calls[e] * reply[e, r]
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
            for q in range(regions):
                if flow[e, q] > 0.0:
                    for r in range(regions):
                        usd = call_up[e] * call_out[q, r] + call_down[e] * call_out[r, q]
                        usd += call_ms[e] * call_rtt[q, r] + through[s, r]
                        cost[clients, r] = flow[e, q] * usd
                    share[clients] = flow[e, q]
                    clients += 1
        if choose:
            best_set(
                cost, clients, fixed[s], allowed[s], least[s], most[s],
                near, value, gain, order, sets[s],
            )  # fmt: skip
        for e in range(outgoing[s], outgoing[s + 1]):
            for r in range(regions):
                flow[e, r] = 0.0
        paid[s] = 0.0
        for r in range(regions):
            load[s, r] = 0.0
        for c in range(clients):
            where = sets[s, 1]
            for x in range(2, sets[s, 0] + 1):
                r = sets[s, x]
                if cost[c, r] < cost[c, where] or (cost[c, r] == cost[c, where] and r < where):
                    where = r
            if c < users:
                paid[s] += cost[c, where]
            load[s, where] += share[c]
            for e in range(outgoing[s], outgoing[s + 1]):
                flow[e, where] += calls[e] * share[c]
        for x in range(first[s], first[s + 1]):
            e = incoming[x]
            for q in range(regions):
                lowest = np.inf
                for y in range(1, sets[s, 0] + 1):
                    r = sets[s, y]
                    usd = call_up[e] * call_out[q, r] + call_down[e] * call_out[r, q]
                    usd += call_ms[e] * call_rtt[q, r] + through[s, r]
                    lowest = min(lowest, usd)
                reply[e, q] = lowest
