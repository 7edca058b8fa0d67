"""Compiled loops of the call graph at given prices of calls: every service by itself.

Plain functions of arrays, compiled where numba is installed; without it they run as they are,
slowly. The tests find the same by looking at every set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ml.placement.graph.kernel_set import STAMP, add_users, best_set, serving
from ml.placement.graph.kernel_types import Calls, Links, Rules, Users, Work
from ml.placement.kernel.jit import compiled
from ml.placement.problem.instance import Floats, Ints


class Answers(NamedTuple):
    """What a pass fills in."""

    sets: Ints
    """Size and regions of each service's best set, ``(S, DEPTH + 1)``."""
    values: Floats
    """Its cost, ``(S,)``."""
    load: Floats
    """Requests per second by region, ``(S, R)``."""
    served: Ints
    """Region of the set that answers each edge, ``(E,)``."""


def _dual(
    stamp: int,
) -> Callable[[int, int, Users, Floats, Floats, Links, Rules, Work, Answers], None]:
    def dual_pass(
        begin: int, end: int, users: Users, through: Floats, borrowed: Floats, links: Links,
        rules: Rules, work: Work, answers: Answers,
    ) -> None:  # fmt: skip
        """Find the best set at the prices of edges of services ``begin`` to ``end``.

        Args:
            begin: First service.
            end: One past the last.
            users: Demand.
            through: $ per hour of one request per second served in a region, ``(S, R)``.
            borrowed: $ per hour of one call per second, at best over callers' regions, ``(E, R)``.
            links: Who calls whom.
            rules: By service.
            work: Work space.
            answers: Filled.
        """
        # Never so: the stamp is here to tell compiled code of older sources apart.
        if stamp < 0:
            return
        regions = through.shape[1]
        for s in range(begin, end):
            first = add_users(s, users, through, work)
            clients = first
            for x in range(links.first[s], links.first[s + 1]):
                e = links.incoming[x]
                for r in range(regions):
                    work.cost[clients, r] = links.total[e] * (borrowed[e, r] + through[s, r])
                work.share[clients] = links.total[e]
                clients += 1
            answers.values[s] = best_set(
                work.cost, clients, rules.fixed[s], rules.allowed[s], rules.least[s],
                rules.most[s], work, answers.sets[s],
            )  # fmt: skip
            for r in range(regions):
                answers.load[s, r] = 0.0
            for c in range(clients):
                where = serving(c, work.cost, answers.sets[s])
                answers.load[s, where] += work.share[c]
                if c >= first:
                    answers.served[links.incoming[links.first[s] + c - first]] = where

    return compiled(dual_pass)


def _callers(stamp: int) -> Callable[[int, int, Calls, Floats, Floats, Ints], None]:
    def cheapest_callers(
        begin: int, end: int, calls: Calls, price: Floats, borrowed: Floats, caller_region: Ints
    ) -> None:
        """Fill min over q of a_e(q, r) - price[e, q], and which q that is, ``(E, R)`` each."""
        if stamp < 0:
            return
        regions = price.shape[1]
        for e in range(begin, end):
            for r in range(regions):
                borrowed[e, r] = np.inf
            for q in range(regions):
                for r in range(regions):
                    paid = calls.up[e] * calls.out[q, r] + calls.down[e] * calls.out[r, q]
                    paid += calls.ms[e] * calls.rtt[q, r] - price[e, q]
                    if paid < borrowed[e, r]:
                        borrowed[e, r] = paid
                        caller_region[e, r] = q

    return compiled(cheapest_callers)


dual_pass = _dual(STAMP)
cheapest_callers = _callers(STAMP)
