"""Who calls whom from where: routes of users and callers, and the load they bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.synthetic.entities import Services
from generator.synthetic.graph import Graph
from generator.synthetic.physics import blocks
from generator.synthetic.rng import Floats


@dataclass(frozen=True)
class Flows:
    """Load of D days, requests per second.

    Attributes:
        load: Requests per second at a service and region, shape (S, D, R, 24).
        calls: Requests that callers in region q send to a service, (S, D, Q, K, 24), where K is
            the user origin they come from, or 1 when origins are not kept apart.
    """

    load: Floats
    calls: Floats


def make_routes(active: np.ndarray, rtt_ms: Floats, misroute_share: float) -> Floats:
    """Return the share of what leaves place q for a service that reaches its region r.

    Most of it goes to the active region with the smallest round trip from q, the rest evenly
    over the active regions: users and calling services are routed alike.

    Args:
        active: Where each service runs, shape (S, D, R).
        rtt_ms: Round trips of each day, shape (D, R, R); origins are the regions.
        misroute_share: Share spread evenly over the active regions (DNS and anycast error).

    Returns:
        Shape (S, D, Q, R); rows sum to 1, or to 0 when the service runs nowhere.
    """
    regions = active.shape[2]
    number = np.maximum(active.sum(axis=2), 1)
    spread = misroute_share * active / number[:, :, None]
    share = np.repeat(spread[:, :, None, :], regions, axis=2)
    runs: np.ndarray = np.any(active, axis=2)
    for q in range(regions):
        distance = np.where(active, rtt_ms[None, :, q, :], np.inf)
        nearest = np.argmin(distance, axis=2)
        hit = (nearest[:, :, None] == np.arange(regions)) & runs[:, :, None]
        share[:, :, q] += (1 - misroute_share) * hit
    return share


def make_flows(
    user_rps: Floats, routes: Floats, services: Services, graph: Graph, *, by_origin: bool
) -> Flows:
    """Return the load of every service and region, callers first.

    Args:
        user_rps: Direct user requests per second, shape (S, O, D, 24).
        routes: Routes of the same days, shape (S, D, Q, R).
        services: All services.
        graph: The call graph.
        by_origin: Keep the user origin of every call apart (needed to tell users' latency).
    """
    count, origins, days, _ = user_rps.shape
    regions = routes.shape[2]
    kept = origins if by_origin else 1
    load = np.zeros((count, days, regions, 24))
    calls = np.zeros((count, days, regions, kept, 24))
    incoming = edges_into(graph, count)
    anywhere: np.ndarray = np.any(routes, axis=(2, 3))
    runs = anywhere[:, :, None, None, None]
    flow: dict[int, Floats] = {}
    for some in blocks(services.layer, calls[0].size):
        for s in some:
            for e in incoming[s]:
                calls[s] += graph.calls[e] * flow[int(graph.caller[e])]
        calls[some] *= runs[some]
        arrive = routes[some].transpose(0, 1, 3, 2)
        rates = user_rps[some].transpose(0, 2, 1, 3)
        rates *= services.is_direct[some][:, None, None, None]
        own = np.zeros((some.size, days, regions, kept, 24))
        if by_origin:
            own += arrive[..., None] * rates[:, :, None]
        else:
            own[:, :, :, 0] += arrive @ rates
        own += (arrive @ calls[some].reshape(some.size, days, regions, -1)).reshape(own.shape)
        load[some] = own.sum(axis=3)
        flow |= {int(s): own[i] for i, s in enumerate(some) if not services.is_leaf[s]}
    return Flows(load, calls)


def edges_into(graph: Graph, count: int) -> list[np.ndarray]:
    """Return, per service, the edges into each service, in their fixed order."""
    order = np.argsort(graph.callee, kind="stable")
    splits = np.searchsorted(graph.callee[order], np.arange(count + 1))
    return [order[splits[s] : splits[s + 1]] for s in range(count)]
