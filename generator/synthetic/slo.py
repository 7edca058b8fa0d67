"""Objectives: what teams once promised, from how their service first performed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from generator.synthetic.demand import user_rates
from generator.synthetic.foundation import Foundation
from generator.synthetic.histogram import quantile, service_histograms
from generator.synthetic.network import daily_rtt_ms
from generator.synthetic.observe import deploy_drift
from generator.synthetic.physics import Latency, Setting, compose, waits
from generator.synthetic.placement import region_sets
from generator.synthetic.queue import Wait
from generator.synthetic.rng import Floats, counter, uniform
from generator.synthetic.setting import settle


def objectives_ms(base: Foundation) -> Floats:
    """Return slo_p95_ms of every service, shape (S,): does not depend on the window.

    The true p95 of the first day of the first placement, over all its regions, times 1.1 to 1.6,
    rounded; nan for a service that nobody called on its first day.
    """
    services = base.services
    days = int(services.born_day.max()) + 1
    p = base.params
    offsets = base.geography.numbers("utc_offset_hours")
    users = user_rates(base.seed, services, base.users, offsets, days, p)
    count, regions = base.attributes.allowed.shape
    rtt = daily_rtt_ms(base.seed, base.geography, days, p.network)
    active = region_sets(
        base.seed, services, base.users, base.attributes.allowed, days, p.placement
    )
    setting, _ = settle(
        base,
        slice(0, days),
        users.reshape(count, regions, days, 24),
        rtt,
        active,
        np.zeros((count, regions)),
    )
    latency = compose(setting, waits(setting), deploy_drift(base.seed, services, days, p.latency))
    p95 = np.empty(count)
    for day in np.unique(services.born_day):
        one, its = _one_day(setting, latency, int(day))
        for s in np.flatnonzero(services.born_day == day):
            counts = service_histograms(one, its, np.array([s])).requests.sum(axis=(0, 1, 2))
            p95[s] = quantile(counts, np.array(0.95))
    slack = 1.1 + 0.5 * uniform(base.seed, "slo", counter(np.arange(count)))
    result: Floats = np.maximum(np.rint(p95 * slack), 1.0)
    return result


def _one_day(setting: Setting, latency: Latency, day: int) -> tuple[Setting, Latency]:
    """Return the same world with one of its days only."""
    d = slice(day, day + 1)
    law = latency.wait
    one = replace(
        setting,
        routes=setting.routes[:, d],
        rtt_ms=setting.rtt_ms[d],
        users=setting.users[:, d],
        calls=setting.calls[:, d],
        load=setting.load[:, d],
        instances=setting.instances[:, d],
    )
    its = Latency(
        latency.own_ms[:, d],
        latency.calls_ms[:, d],
        latency.inside_ms[:, d],
        latency.work_variance_ms2[:, d],
        Wait(
            law.rho[:, d],
            law.chance[:, d],
            law.scale_ms[:, d],
            law.mean_ms[:, d],
            law.variance_ms2[:, d],
        ),
    )
    return one, its
