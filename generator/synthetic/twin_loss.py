"""What a plan still serves when a region is lost, with the instances it has."""

from __future__ import annotations

import numpy as np

from generator.synthetic.foundation import Foundation
from generator.synthetic.observe import shed_share
from generator.synthetic.rng import Floats
from generator.synthetic.routing import make_flows, make_routes
from generator.synthetic.twin import Demand


def served_share_after_loss(
    base: Foundation, demand: Demand, instances: np.ndarray, most_days: int
) -> Floats:
    """Return the served share of each service after its worst loss of one region, shape (S,).

    The region is lost to all services at once; users and callers go to the nearest of the
    others, which serve up to 97 % utilisation. A service that ran only there serves nothing.

    Args:
        base: The fixed part of the world.
        demand: What users ask.
        instances: The plan, shape (S, R).
        most_days: How many of the first days to look at; one week holds a whole weekly cycle.
    """
    days = slice(0, min(most_days, demand.days.size))
    users = demand.users[:, :, days]
    fleet = base.services
    alive = fleet.alive(demand.days[days])
    worst = np.ones(len(fleet))
    for lost in np.flatnonzero((instances > 0).any(axis=0)):
        left = instances.copy()
        left[:, lost] = 0
        active = (left > 0)[:, None, :] & alive[:, :, None]
        routes = make_routes(active, demand.rtt_ms[days], base.params.placement.misroute_share)
        load = make_flows(users, routes, fleet, base.graph, by_origin=False).load
        workers = (left * fleet.workers[:, None])[:, None, :, None]
        busy = load * fleet.service_ms[:, None, None, None] / 1000
        rho = np.divide(busy, workers, out=np.zeros_like(busy), where=workers > 0)
        # Of what still arrives: a callee does not answer for callers that are gone themselves.
        arrived = load.sum(axis=(1, 2, 3))
        served = (load * (1 - shed_share(rho))).sum(axis=(1, 2, 3))
        share = np.divide(served, arrived, out=np.ones_like(served), where=arrived > 0)
        share = np.where((left > 0).any(axis=1), share, 0.0)
        worst = np.where(instances[:, lost] > 0, np.minimum(worst, share), worst)
    return worst
