"""Compiled: services answer and call one after another, and choose their regions if asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ml.placement.graph.kernel_set import STAMP, add_users, best_set, serving
from ml.placement.graph.kernel_types import Calls, Links, Rules, Users, Work
from ml.placement.kernel.jit import compiled, inner
from ml.placement.problem.instance import Floats, Ints


class State(NamedTuple):
    """What neighbours read from each other."""

    through: Floats
    """$ per hour of one request per second served in a region, ``(S, R)``."""
    reply: Floats
    """$ per hour of one call per second made in a region, ``(E, R)``."""
    flow: Floats
    """Calls per second made in a region, ``(E, R)``."""
    sets: Ints
    """Size and regions of each set, ``(S, DEPTH + 1)``."""
    paid: Floats
    """What the service's users cost, all calls onwards included, ``(S,)``."""
    load: Floats
    """Requests per second by region, ``(S, R)``."""


@inner
def way_usd(e: int, q: int, r: int, calls: Calls) -> float:
    """Return what one call per second from q to r costs on its way."""
    usd = calls.up[e] * calls.out[q, r] + calls.down[e] * calls.out[r, q]
    return float(usd + calls.ms[e] * calls.rtt[q, r])


@inner
def _ask_onward(s: int, unit: Floats, links: Links, state: State) -> None:
    """Find what a request costs in each region with the calls that it leads to."""
    for r in range(unit.shape[1]):
        state.through[s, r] = unit[s, r]
    for e in range(links.outgoing[s], links.outgoing[s + 1]):
        for r in range(unit.shape[1]):
            state.through[s, r] += links.calls[e] * state.reply[e, r]


@inner
def _add_callers(s: int, clients: int, calls: Calls, links: Links, state: State, work: Work) -> int:
    """Add each caller's regions as clients; return how many clients there are then."""
    regions = state.through.shape[1]
    for x in range(links.first[s], links.first[s + 1]):
        e = links.incoming[x]
        for q in range(regions):
            if state.flow[e, q] > 0.0:
                for r in range(regions):
                    usd = way_usd(e, q, r, calls) + state.through[s, r]
                    work.cost[clients, r] = state.flow[e, q] * usd
                work.share[clients] = state.flow[e, q]
                clients += 1
    return clients


@inner
def _serve(s: int, users: int, clients: int, links: Links, state: State, work: Work) -> None:
    """Send every client to the region that suits it, and its calls onwards from there."""
    for e in range(links.outgoing[s], links.outgoing[s + 1]):
        for r in range(state.flow.shape[1]):
            state.flow[e, r] = 0.0
    state.paid[s] = 0.0
    for r in range(state.load.shape[1]):
        state.load[s, r] = 0.0
    for c in range(clients):
        where = serving(c, work.cost, state.sets[s])
        if c < users:
            state.paid[s] += work.cost[c, where]
        state.load[s, where] += work.share[c]
        for e in range(links.outgoing[s], links.outgoing[s + 1]):
            state.flow[e, where] += links.calls[e] * work.share[c]


@inner
def _answer(s: int, calls: Calls, links: Links, state: State) -> None:
    """Tell callers in every region what a call costs them."""
    for x in range(links.first[s], links.first[s + 1]):
        e = links.incoming[x]
        for q in range(state.reply.shape[1]):
            lowest = np.inf
            for y in range(1, state.sets[s, 0] + 1):
                r = state.sets[s, y]
                lowest = min(lowest, way_usd(e, q, r, calls) + state.through[s, r])
            state.reply[e, q] = lowest


_Follow = Callable[[Ints, bool, bool, Users, Floats, Calls, Links, Rules, Work, State], None]


def _made(stamp: int) -> _Follow:
    def follow_pass(
        services: Ints, choose: bool, priced: bool, users: Users, unit: Floats, calls: Calls,
        links: Links, rules: Rules, work: Work, state: State,
    ) -> None:  # fmt: skip
        """Let services, one after another, answer and call; if asked, choose their sets anew.

        A service finds its calls in ``flow`` and what its own calls cost in ``reply``, and writes
        both for its neighbours. From callees to callers this keeps ``reply`` true, from callers to
        callees ``flow``.

        Args:
            services: In the order in which they are looked at.
            choose: Take the best set for the clients of now, not the present one.
            priced: What a request costs in a region is given in ``through``, not found in
                ``reply``.
            users: Demand.
            unit: $ per hour of one request per second inside the service, ``(S, R)``.
            calls: What calls cost.
            links: Who calls whom.
            rules: By service.
            work: Work space.
            state: Read and written.
        """
        # Never so: the stamp is here to tell compiled code of older sources apart.
        if stamp < 0:
            return
        for s in services:
            if not priced:
                _ask_onward(s, unit, links, state)
            first = add_users(s, users, state.through, work)
            clients = _add_callers(s, first, calls, links, state, work)
            if choose:
                best_set(
                    work.cost, clients, rules.fixed[s], rules.allowed[s], rules.least[s],
                    rules.most[s], work, state.sets[s],
                )  # fmt: skip
            _serve(s, first, clients, links, state, work)
            _answer(s, calls, links, state)

    return compiled(follow_pass)


follow_pass = _made(STAMP)
