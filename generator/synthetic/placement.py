"""Where services ran in the past: regimes of region sets, and instances sized by habit."""

from __future__ import annotations

import numpy as np

from generator.synthetic.demand import Users
from generator.synthetic.entities import Services
from generator.synthetic.params import PlacementParams
from generator.synthetic.rng import Floats, counter, gumbel, normal, uniform


def region_sets(
    seed: int,
    services: Services,
    users: Users,
    allowed: np.ndarray,
    days: int,
    params: PlacementParams,
) -> np.ndarray:
    """Return whether each service ran in each region on each day, shape (S, D, R).

    A service keeps its regions for a regime of geometric length; most regimes follow the users,
    some ignore them.

    Args:
        seed: Seed of the world.
        services: All services.
        users: Their users; origins are the regions.
        allowed: Regions that residency permits, shape (S, R).
        days: Days from day 0 on.
        params: Placement parameters.
    """
    count, regions = allowed.shape
    index, t = np.arange(count), np.arange(days)
    starts = uniform(seed, "regime", counter(index[:, None], 0, t)) < 1 / params.regime_days
    starts[:, 0] = True
    # Each day's regime is named by the day it began on: no draw depends on the window.
    began = np.maximum.accumulate(np.where(starts, t, 0), axis=1)
    out = np.zeros((count, days, regions), dtype=bool)
    for s in range(count):
        firsts, which = np.unique(began[s], return_inverse=True)
        out[s] = _sets_of(seed, services, users, allowed[s], s, firsts, params)[which]
    out &= services.alive(t)[:, :, None]
    return out


def _sets_of(
    seed: int,
    services: Services,
    users: Users,
    allowed: np.ndarray,
    s: int,
    firsts: np.ndarray,
    params: PlacementParams,
) -> np.ndarray:
    """Return the region set of each regime of service ``s``, shape (regimes, R)."""
    key = counter(s, 0, firsts)
    chances = params.region_count[services.templates[s].service_class]
    size = 1 + np.searchsorted(np.cumsum(chances)[:-1], uniform(seed, "region_count", key))
    size = np.minimum(size, allowed.sum())
    ignores = uniform(seed, "ignore_share", key) < params.ignore_share_rate
    pull = np.where(ignores[:, None], 0.0, 0.8 * np.log(users.origin_share[s]))
    cells = counter(s, np.arange(allowed.size), firsts[:, None])
    score = np.where(allowed, pull + gumbel(seed, "region_set", cells), -np.inf)
    rank = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1, kind="stable")
    chosen: np.ndarray = rank < size[:, None]
    return chosen


def instances_of(
    seed: int,
    services: Services,
    first_day: int,
    peak_rps: Floats,
    peak_before: Floats,
    active: np.ndarray,
    params: PlacementParams,
) -> np.ndarray:
    """Return running copies, shape (S, D, R), zero where a service did not run.

    Sized for yesterday's peak, or today's where yesterday's was below half of it: new regions
    are sized right, growing ones lag, so some days really saturate.

    Args:
        seed: Seed of the world.
        services: All services.
        first_day: Absolute day of the first of the D days.
        peak_rps: Highest hourly load of each day, shape (S, D, R).
        peak_before: That of the day before the first, shape (S, R).
        active: Where services ran, shape (S, D, R).
        params: Placement parameters.
    """
    count, days, regions = active.shape
    yesterday = np.concatenate([peak_before[:, None], peak_rps[:, :-1]], axis=1)
    peak = np.where(yesterday < peak_rps / 2, peak_rps, yesterday)
    t = first_day + np.arange(days)
    cells = counter(np.arange(count)[:, None, None], np.arange(regions), t[:, None])
    noise = np.exp(params.sizing_noise * normal(seed, "instances", cells))
    per_instance = 1000 * services.workers * services.target_utilisation / services.service_ms
    low = np.where(services.is_critical | services.is_leaf, 2, 1)
    wanted = np.ceil(peak / per_instance[:, None, None] * noise)
    sized = np.clip(wanted, low[:, None, None], params.max_instances)
    result: np.ndarray = np.where(active, sized, 0).astype(np.int64)
    return result
