"""Puts some days of the past together: routes, load and instances."""

from __future__ import annotations

import numpy as np

from generator.synthetic.foundation import Foundation
from generator.synthetic.physics import Setting
from generator.synthetic.placement import instances_of
from generator.synthetic.rng import Floats
from generator.synthetic.routing import make_flows, make_routes


def settle(
    base: Foundation,
    span: slice,
    users: Floats,
    rtt_ms: Floats,
    active: np.ndarray,
    peak_before: Floats,
) -> tuple[Setting, Floats]:
    """Return the setting of some days of the past, and the peaks of the last of them.

    Args:
        base: The fixed part of the world.
        span: Absolute days.
        users: Direct user requests per second of these days, shape (S, O, D, 24).
        rtt_ms: Round trips of these days, shape (D, R, R).
        active: Where services ran on these days, shape (S, D, R).
        peak_before: Peak load of the day before, shape (S, R).
    """
    p, services = base.params, base.services
    routes = make_routes(active, rtt_ms, p.placement.misroute_share)
    flows = make_flows(users, routes, services, base.graph, by_origin=False)
    peak = flows.load.max(axis=3)
    instances = instances_of(
        base.seed, services, span.start, peak, peak_before, active, p.placement
    )
    setting = Setting(
        services,
        base.graph,
        routes,
        rtt_ms,
        base.geography.numbers("last_mile_ms"),
        users.transpose(0, 2, 1, 3),
        flows.calls[:, :, :, 0],
        flows.load,
        instances,
        p.timeout_ms,
    )
    return setting, peak[:, -1]
