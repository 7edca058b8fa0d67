"""What a plan still serves when a region is lost, with the instances it has."""

from __future__ import annotations

import numpy as np

from generator.synthetic.foundation import Foundation
from generator.synthetic.observe import shed_share
from generator.synthetic.rng import Floats
from generator.synthetic.routing import make_flows, make_routes
from generator.synthetic.twin import Demand

_BLOCK = 400_000
"""Numbers of one kind that are worked on at once."""


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
    days = min(most_days, demand.days.size)
    used = np.flatnonzero((instances > 0).any(axis=0))
    worst = np.ones(len(base.services))
    step = max(1, _BLOCK // (instances.size * days * 24))
    for first in range(0, used.size, step):
        lost = used[first : first + step]
        left = np.repeat(instances[:, None], lost.size, axis=1)
        left[:, np.arange(lost.size), lost] = 0
        share = _served_share(base, demand, left, days)
        share = np.where((left > 0).any(axis=2), share, 0.0)
        share = np.where(instances[:, lost] > 0, share, 1.0)
        worst = np.minimum(worst, share.min(axis=1))
    return worst


def _served_share(base: Foundation, demand: Demand, left: np.ndarray, days: int) -> Floats:
    """Return the served share of plans, shape (S, L); ``left`` is (S, L, R).

    The plans stand side by side on the axis of days, so that all are worked on at once.
    """
    count, plans, regions = left.shape
    fleet = base.services
    alive = fleet.alive(demand.days[:days])
    active = (left > 0)[:, :, None, :] & alive[:, None, :, None]
    rtt = np.tile(demand.rtt_ms[:days], (plans, 1, 1))
    routes = make_routes(
        active.reshape(count, -1, regions), rtt, base.params.placement.misroute_share
    )
    users = np.tile(demand.users[:, :, :days], (1, 1, plans, 1))
    load = make_flows(users, routes, fleet, base.graph, by_origin=False).load
    load = load.reshape(count, plans, days, regions, 24)
    workers = (left * fleet.workers[:, None, None])[:, :, None, :, None]
    busy = load * fleet.service_ms[:, None, None, None, None] / 1000
    rho = np.divide(busy, workers, out=np.zeros_like(busy), where=workers > 0)
    # Of what still arrives: a callee does not answer for callers that are gone themselves.
    arrived = load.sum(axis=(2, 3, 4))
    served = (load * (1 - shed_share(rho))).sum(axis=(2, 3, 4))
    share: Floats = np.divide(served, arrived, out=np.ones_like(served), where=arrived > 0)
    return share
