"""Demand: where users are and what they ask, hour by hour; never depends on placement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import pdtrik

from generator.synthetic.entities import Services
from generator.synthetic.graph import Graph
from generator.synthetic.params import DemandParams, Params
from generator.synthetic.rng import Floats, ar1, counter, normal, uniform

HOURS_PER_DAY = 24
# Above this mean a Poisson count is normal enough; below it the exact inverse is used.
_NORMAL_ABOVE = 50.0


@dataclass(frozen=True)
class Users:
    """What decides the demand of each service, before noise.

    Attributes:
        base_rps: Level b of every service; only direct services use it, shape (S,).
        origin_share: Mix of user origins of every service, rows sum to 1, shape (S, O).
        weekend: Weekend factor, shape (S,).
        noise_sd: Stationary sd of the log demand noise, shape (S,).
        growth_per_day: Growth of the log demand, shape (S,).
    """

    base_rps: Floats
    origin_share: Floats
    weekend: Floats
    noise_sd: Floats
    growth_per_day: Floats


def make_users(seed: int, services: Services, weights: Floats, params: DemandParams) -> Users:
    """Return the users of every service.

    Args:
        seed: Seed of the world.
        services: All services.
        weights: Demand weight of each origin, shape (O,).
        params: Demand parameters.
    """
    index = np.arange(len(services))
    key = counter(index)
    base = params.scale_rps * np.exp(0.6 * normal(seed, "base", key))
    base = base / (1 + params.tail * uniform(seed, "popularity", key)) + params.floor_rps
    taste = np.exp(
        0.6 * normal(seed, "origin_mix", counter(index[:, None], np.arange(len(weights))))
    )
    mix = weights * taste
    u = uniform(seed, "weekend", key)
    return Users(
        base_rps=base,
        origin_share=mix / mix.sum(axis=1, keepdims=True),
        weekend=np.where(services.is_business, 0.45 + 0.25 * u, 1.05 + 0.07 * u),
        noise_sd=params.noise_low
        + params.noise_span * np.sqrt(uniform(seed, "demand_noise_sd", key)),
        growth_per_day=params.growth_sd_per_day * normal(seed, "growth", key),
    )


def _shape(is_business: bool, local_hour: Floats) -> Floats:
    """Return the daily curve over the local hour, divided by its own mean over 24 hours."""

    def curve(t: Floats) -> Floats:
        day, half = 2 * np.pi / 24, 4 * np.pi / 24
        if is_business:
            return np.exp(0.95 * np.cos(day * (t - 14)) + 0.15 * np.cos(half * (t - 11)))
        return np.exp(0.55 * np.cos(day * (t - 20)) + 0.25 * np.cos(half * (t - 13)))

    shaped: Floats = curve(local_hour) / curve(np.arange(24.0)).mean()
    return shaped


def profile(is_business: bool, weekend: float, utc_offset_hours: float, hours: int) -> Floats:
    """Return the hourly factor of one service at one origin, shape (hours,), from day 0 on.

    Day 0 is a Monday, so local hours 120 to 167 of each week are the weekend.
    """
    local: Floats = np.arange(hours, dtype=np.float64) + utc_offset_hours
    is_weekend = (np.floor(local / 24) % 7) >= 5
    result: Floats = _shape(is_business, local % 24) * np.where(is_weekend, weekend, 1.0)
    return result


def _flash(seed: int, services: np.ndarray, days: int, params: DemandParams) -> Floats:
    """Return the factor of flash crowds, shape (len(services), 24 * days)."""
    cells = counter(services[:, None], 0, np.arange(days))
    happens = uniform(seed, "flash", cells) < params.flash_rate_per_day
    factor = 2 + 3 * uniform(seed, "flash_size", cells)
    start = (uniform(seed, "flash_hour", cells) * 24).astype(int)
    out = np.ones((len(services), days * HOURS_PER_DAY))
    for s, day in np.argwhere(happens):
        first = day * HOURS_PER_DAY + start[s, day]
        out[s, first : first + params.flash_hours] *= factor[s, day]
    return out


def user_rates(
    seed: int, services: Services, users: Users, offsets: Floats, days: int, params: Params
) -> Floats:
    """Return user requests per second sent directly to each service.

    Args:
        seed: Seed of the world.
        services: All services.
        users: Their users.
        offsets: UTC offset of each origin in hours, shape (O,).
        days: Days from day 0 on; a longer window has the shorter one as its prefix.
        params: Parameters.

    Returns:
        Array of shape (S, O, 24 * days), zero for services that users do not call.
    """
    p = params.demand
    hours = days * HOURS_PER_DAY
    t = np.arange(hours)
    fleet = p.fleet_sd * normal(seed, "fleet_day", counter(0, 0, np.arange(days)))
    rates = np.zeros((len(services), len(offsets), hours))
    direct = np.flatnonzero(services.is_direct)
    trend = np.repeat(users.growth_per_day[direct, None] * np.arange(days) + fleet, 24, axis=1)
    common = np.exp(trend) * _flash(seed, direct, days, p)
    common *= np.repeat(services.alive(np.arange(days))[direct], 24, axis=1)
    for o, offset in enumerate(offsets):
        waves = ar1(normal(seed, "demand", counter(direct[:, None], o, t)), p.phi)
        for i, s in enumerate(direct):
            sd = users.noise_sd[s]
            noise = sd * waves[i] - sd * sd / 2
            curve = profile(bool(services.is_business[s]), users.weekend[s], offset, hours)
            level = users.base_rps[s] * users.origin_share[s, o]
            rates[s, o] = level * curve * np.exp(noise) * common[i]
    return rates


def propagate(
    rates: Floats, services: Services, graph: Graph, days: np.ndarray | None = None
) -> Floats:
    """Return the requests per second that reach each service, per user origin, in place.

    Callers come before callees by layer; a call to a service outside its life carries nothing.

    Args:
        rates: Direct user requests, shape (S, O, H); overwritten with the total.
        services: All services.
        graph: The call graph.
        days: Absolute days of the columns; from day 0 on when not given.
    """
    when = np.arange(rates.shape[-1] // HOURS_PER_DAY) if days is None else days
    alive = np.repeat(services.alive(when), HOURS_PER_DAY, axis=1)
    order = np.argsort(services.layer[graph.caller], kind="stable")
    for e in order:
        caller, callee = graph.caller[e], graph.callee[e]
        rates[callee] += graph.calls[e] * rates[caller] * alive[callee]
    return rates


def nominal_rps(users: Users, services: Services, graph: Graph) -> Floats:
    """Return the level of demand that reaches each service, without noise or season, (S,)."""
    total = np.where(services.is_direct, users.base_rps, 0.0)
    for e in np.argsort(services.layer[graph.caller], kind="stable"):
        total[graph.callee[e]] += graph.calls[e] * total[graph.caller[e]]
    return total


def poisson(mean: Floats, u: Floats, z: Floats) -> np.ndarray:
    """Return Poisson counts from hashed draws: exact inverse below a mean of 50, normal above.

    Args:
        mean: Expected counts.
        u: Uniforms, same shape.
        z: The normals of the same uniforms.
    """
    counts = np.maximum(0.0, np.rint(mean + np.sqrt(mean) * z))
    few = (mean > 0) & (mean < _NORMAL_ABOVE)
    if few.any():
        m, v = mean[few], u[few]
        # pdtrik is -1 < k for the smallest quantiles; counts start at zero.
        exact = np.ceil(pdtrik(v, m))
        counts[few] = np.where(v <= np.exp(-m), 0.0, np.maximum(exact, 0.0))
    counts[mean <= 0] = 0.0
    return counts.astype(np.int64)


def offered_requests(seed: int, rates: Floats, hours: np.ndarray | None = None) -> np.ndarray:
    """Return integer requests of every service, user origin and hour, shape (S, O, H).

    Args:
        seed: Seed of the world.
        rates: Expected requests per second, shape (S, O, H).
        hours: Absolute hours of the columns; from hour 0 on when not given.
    """
    services, origins, columns = rates.shape
    out = np.empty(rates.shape, dtype=np.int64)
    t = np.arange(columns) if hours is None else hours
    for s in range(services):
        cells = counter(s, np.arange(origins)[:, None], t)
        u = uniform(seed, "poisson", cells)
        out[s] = poisson(rates[s] * 3600.0, u, normal(seed, "poisson", cells))
    return out
