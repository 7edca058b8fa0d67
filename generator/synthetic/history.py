"""The past of the world: every service, region and day, true and as observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from generator.synthetic.demand import offered_requests, propagate, user_rates
from generator.synthetic.foundation import Foundation
from generator.synthetic.histogram import BINS, mean_ms, quantile, service_histograms
from generator.synthetic.network import daily_rtt_ms
from generator.synthetic.observe import (
    deploy_drift,
    load_errors,
    row_noise,
    sample_size,
    shed_share,
)
from generator.synthetic.physics import (
    Latency,
    Setting,
    compose,
    daily_network_ms,
    waits,
    weighted_daily,
)
from generator.synthetic.placement import region_sets
from generator.synthetic.rng import Floats, counter, normal
from generator.synthetic.setting import settle
from generator.synthetic.slo import objectives_ms

# Values of (service, day, region, hour) held at once; bounds memory at any size.
_CELLS = 6_000_000
_LEVELS = (0.50, 0.95, 0.99)
Progress = Callable[[str, float], None]

TRUE_COLUMNS = (
    "mu_ms",
    "mu_no_deploy_ms",
    "cold_mu_ms",
    "own_ms",
    "queue_ms",
    "dependency_ms",
    "network_ms",
    "rho",
    "rho_max",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "histogram_mean_ms",
    "load_rps",
    "error_rate",
    "incident",
)
SEEN_COLUMNS = ("avg_latency_ms", "p95_latency_ms", "p99_latency_ms", "error_rate", "cpu")


@dataclass(frozen=True)
class History:
    """The past, clean.

    Attributes:
        days: Number of days.
        rates: Expected requests per second after propagation, shape (S, O, 24 * days).
        offered: Requests, integer, same shape.
        rtt_ms: True round trips, shape (D, R, R).
        active: Where services ran, shape (S, D, R).
        instances, requests: Copies and requests served, shape (S, D, R).
        truth: True values by name of :data:`TRUE_COLUMNS`, shape (S, D, R).
        seen: Observed values by name of :data:`SEEN_COLUMNS`, shape (S, D, R).
        fleet_histogram: True requests by day and bin, shape (D, BINS).
        slo_ms: Objective of each service, shape (S,).
    """

    days: int
    rates: Floats
    offered: np.ndarray
    rtt_ms: Floats
    active: np.ndarray
    instances: np.ndarray
    requests: np.ndarray
    truth: dict[str, Floats]
    seen: dict[str, Floats]
    fleet_histogram: Floats
    slo_ms: Floats


def make_history(base: Foundation, days: int, progress: Progress | None = None) -> History:
    """Return the past of the first ``days`` days.

    Args:
        base: The fixed part of the world.
        days: Number of days; a longer past has a shorter one as its prefix.
        progress: Called with a step and the share of the work that is done.
    """
    say = progress or (lambda _step, _share: None)
    say("demand", 0.0)
    services, p = base.services, base.params
    offsets = base.geography.numbers("utc_offset_hours")
    users = user_rates(base.seed, services, base.users, offsets, days, p)
    count, regions = base.attributes.allowed.shape
    rtt = daily_rtt_ms(base.seed, base.geography, days, p.network)
    active = region_sets(
        base.seed, services, base.users, base.attributes.allowed, days, p.placement
    )
    shape = (count, days, regions)
    out = _Columns(
        truth={name: np.zeros(shape) for name in TRUE_COLUMNS},
        observed={level: np.full(shape, np.nan) for level in _LEVELS},
        cpu=np.zeros(shape),
        instances=np.zeros(shape, dtype=np.int64),
        fleet=np.zeros((days, BINS)),
    )
    deploy = deploy_drift(base.seed, services, days, p.latency)
    by_day = users.reshape(count, regions, days, 24)
    step = max(1, _CELLS // (count * regions * 24))
    peak = np.zeros((count, regions))
    for first in range(0, days, step):
        span = slice(first, min(first + step, days))
        setting, peak = settle(base, span, by_day[:, :, span], rtt[span], active[:, span], peak)
        out.instances[:, span] = setting.instances
        _measure(base, setting, deploy[:, span], span, out)
        say("latency", 0.05 + 0.75 * span.stop / days)
    rates = propagate(users, services, base.graph)
    offered = offered_requests(base.seed, rates)
    requests = _served(offered, out.truth["load_rps"])
    seen = _see(base, out, requests, active)
    slo = objectives_ms(base)
    say("observed", 0.85)
    return History(
        days,
        rates,
        offered,
        rtt,
        active,
        out.instances,
        requests,
        out.truth,
        seen,
        out.fleet,
        slo,
    )


@dataclass(frozen=True)
class _Columns:
    truth: dict[str, Floats]
    observed: dict[float, Floats]
    cpu: Floats
    instances: np.ndarray
    fleet: Floats


def _measure(
    base: Foundation, setting: Setting, deploy: Floats, span: slice, out: _Columns
) -> None:
    """Fill the true columns of some days."""
    law = waits(setting)
    latency = compose(setting, law, deploy)
    steady = compose(setting, law, np.zeros_like(deploy))
    load, services = setting.load, base.services
    network = daily_network_ms(setting)
    runs = setting.instances > 0
    served = load.sum(axis=3) > 0
    inside = weighted_daily(latency.inside_ms, load)
    plain = weighted_daily(steady.inside_ms, load) + network
    surprise = (services.io_ms - services.template_io_ms)[:, None, None]
    errors = weighted_daily(shed_share(law.rho) + load_errors(law, setting.timeout_ms), load)
    values = {
        "mu_ms": inside + network,
        "mu_no_deploy_ms": plain,
        "cold_mu_ms": plain - surprise,
        "own_ms": latency.own_ms[:, :, None] * runs,
        "queue_ms": weighted_daily(law.mean_ms, load),
        "dependency_ms": weighted_daily(latency.calls_ms, load),
        "network_ms": network,
        "rho": weighted_daily(law.rho, load),
        "rho_max": law.rho.max(axis=3),
        "load_rps": load.mean(axis=3),
        "error_rate": services.error_base[:, None, None] + errors,
    }
    for name, value in values.items():
        out.truth[name][:, span] = np.where(runs & served, value, np.nan)
    out.truth["load_rps"][:, span] = load.mean(axis=3)
    out.cpu[:, span] = weighted_daily(np.minimum(law.rho, 1.0), load)
    _percentiles(base, setting, latency, span, out)


def _percentiles(
    base: Foundation, setting: Setting, latency: Latency, span: slice, out: _Columns
) -> None:
    """Read true and observed percentiles from histograms, service by service."""
    first = np.arange(span.start, span.stop)
    regions = setting.instances.shape[2]
    for s in range(len(base.services)):
        counts = service_histograms(setting, latency, np.array([s])).requests[0]
        out.fleet[span] += counts.sum(axis=1)
        requests = counts.sum(axis=2)
        # One z for all levels, so that p50 <= p95 <= p99 holds in what is observed too.
        cells = counter(s, np.arange(regions), first[:, None])
        z = normal(base.seed, "percentile", cells)
        n = sample_size(requests)
        for name, level in zip(("p50_ms", "p95_ms", "p99_ms"), _LEVELS, strict=True):
            out.truth[name][s, span] = quantile(counts, np.full(requests.shape, level))
            seen = np.clip(level + z * np.sqrt(level * (1 - level) / n), 0.5, 0.9999)
            out.observed[level][s, span] = quantile(counts, seen)
        out.truth["histogram_mean_ms"][s, span] = mean_ms(counts)


def _served(offered: np.ndarray, load_rps: Floats) -> np.ndarray:
    """Return requests by service, day and region that add up to what was offered that day."""
    count, _, hours = offered.shape
    total = offered.reshape(count, -1, hours // 24, 24).sum(axis=(1, 3))
    weight = load_rps.sum(axis=2, keepdims=True)
    share = np.divide(load_rps, weight, out=np.zeros_like(load_rps), where=weight > 0)
    upto = np.rint(np.cumsum(share, axis=2) * total[:, :, None])
    requests: np.ndarray = np.diff(upto, axis=2, prepend=0.0).astype(np.int64)
    return requests


def _see(
    base: Foundation, out: _Columns, requests: np.ndarray, active: np.ndarray
) -> dict[str, Floats]:
    """Return what monitoring reports, nan where nothing was served."""
    count, days, regions = active.shape
    noise = row_noise(base.seed, base.services, regions, days, base.params.latency)
    factor = np.exp(noise.log_noise) * noise.incident
    out.truth["incident"][:] = noise.incident
    cells = counter(np.arange(count)[:, None, None], np.arange(regions), np.arange(days)[:, None])
    n = sample_size(requests.astype(np.float64))
    sampling = base.params.latency.sampling_sd / np.sqrt(n)
    xi = sampling * normal(base.seed, "sampling", cells)
    error = np.clip(out.truth["error_rate"] + noise.incident_errors, 0.0, 1.0)
    cpu = out.cpu * np.exp(0.04 * normal(base.seed, "cpu", cells))
    seen = {
        "avg_latency_ms": out.truth["mu_ms"] * factor * np.exp(xi),
        "p95_latency_ms": out.observed[0.95] * factor,
        "p99_latency_ms": out.observed[0.99] * factor,
        "error_rate": error,
        "cpu": np.minimum(cpu, 1.0),
    }
    served = active & (requests > 0)
    return {name: np.where(served, value, np.nan) for name, value in seen.items()}
