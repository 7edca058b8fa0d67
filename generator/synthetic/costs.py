"""What a plan costs per service and day: instances, bytes, stored state."""

from __future__ import annotations

import numpy as np

from generator.synthetic.foundation import Foundation
from generator.synthetic.physics import Setting
from generator.synthetic.rng import Floats

HOURS_PER_MONTH = 730
_GB_PER_KB = 1e-6


def compute_usd(base: Foundation, instances: np.ndarray) -> Floats:
    """Return the daily price of running instances, shape (S,); instances has shape (S, R)."""
    fleet, money = base.services, base.geography
    hourly = fleet.cores[:, None] * money.numbers("vcpu_hour_usd") + fleet.memory_mb[
        :, None
    ] / 1024 * money.numbers("memory_gb_hour_usd")
    usd: Floats = 24 * (instances * hourly).sum(axis=1)
    return usd


def storage_usd(base: Foundation, instances: np.ndarray) -> Floats:
    """Return the daily price of keeping state in every region of the plan, shape (S,)."""
    monthly = base.params.money.storage_usd_per_gb_month * base.attributes.state_gb
    usd: Floats = monthly * (instances > 0).sum(axis=1) * 24 / HOURS_PER_MONTH
    return usd


def egress_usd(base: Foundation, setting: Setting) -> Floats:
    """Return the price of bytes that leave regions, shape (S, D).

    Responses to users pay the internet price of the region; a call pays both directions at the
    price between the two regions and is charged to the service that calls.

    Args:
        base: The fixed part of the world.
        setting: Routes and load of D days.
    """
    money, graph = base.geography, base.graph
    to_users = money.numbers("egress_internet_usd_per_gb")
    between = money.egress_usd_per_gb
    routes = setting.routes
    users = setting.users.sum(axis=3) * 3600
    served = np.einsum("sdq,sdqr->sdr", users, routes)
    usd: Floats = (served @ to_users) * base.attributes.response_kb[:, None] * _GB_PER_KB
    asked = setting.load.sum(axis=3) * 3600
    # Price of one kB each way per place of the caller, before sizes: there and back.
    there = np.einsum("sdqr,qr->sdq", routes, between)
    back = np.einsum("sdqr,rq->sdq", routes, between)
    caller, callee = graph.caller, graph.callee
    sent, received = (kb[:, None, None] for kb in (graph.request_kb, graph.response_kb))
    per_call = sent * there[callee] + received * back[callee]
    spent = graph.calls[:, None] * (asked[caller] * per_call).sum(axis=2) * _GB_PER_KB
    np.add.at(usd, caller, spent)
    return usd
