"""Plans by simple rules: starts for the search, and baselines to compare with."""

from __future__ import annotations

import numpy as np

from ml.placement.fleet.fleet import Fleet
from ml.placement.problem.instance import Floats, Instance, Ints
from ml.placement.problem.subsets import SetSpace


def _best(instance: Instance, space: SetSpace, value: Floats, counts: Ints, keep: Ints) -> Ints:
    """Return, per service, the set of the ``counts`` allowed regions with the least value."""
    chosen = keep.copy()
    for s in range(instance.n_services):
        if instance.is_fixed[s]:
            continue
        allowed = np.flatnonzero(instance.blocker[s] == 0)
        if len(allowed) < counts[s]:
            continue
        order = allowed[np.lexsort((allowed, value[s, allowed]))]
        regions = tuple(sorted(int(r) for r in order[: counts[s]]))
        chosen[s] = space.index.get(regions, keep[s])
    return chosen


def _way_ms(instance: Instance, fleet: Fleet) -> Floats:
    """Return the request-weighted round trip of each service to each single region, ``(S, R)``."""
    return np.asarray((fleet.clients.mean_rps[:, :, None] * instance.rtt_ms[None]).sum(axis=1))


def nearest_sets(instance: Instance, space: SetSpace, fleet: Fleet, like: Ints) -> Ints:
    """Return as many regions as ``like`` per service, those nearest to its demand in ``fleet``."""
    return _best(instance, space, _way_ms(instance, fleet), space.size[like], like)


def cheapest_sets(instance: Instance, space: SetSpace, like: Ints) -> Ints:
    """Return as many regions as ``like`` per service, those with the lowest instance price."""
    price = np.nan_to_num(instance.instance_usd, nan=np.inf)
    return _best(instance, space, price, space.size[like], like)


def spread_instances(load: Floats, total: int) -> Ints:
    """Spread a total over regions by load: at least one each, largest remainder, first on a tie.

    Args:
        load: Peak load by region, ``(k,)``.
        total: Instances to spread; raised to k where smaller.

    Returns:
        Instances by region, ``(k,)``.

    Example:
        >>> spread_instances(np.array([3.0, 1.0]), 4).tolist()
        [3, 1]
    """
    k = len(load)
    total = max(total, k)
    share = load / load.sum() if load.sum() > 0 else np.full(k, 1.0 / k)
    ideal = share * total
    given: Ints = np.maximum(1, np.floor(ideal)).astype(np.int64)
    while given.sum() > total:
        given[int(np.argmax(np.where(given > 1, given - ideal, -np.inf)))] -= 1
    while given.sum() < total:
        given[int(np.argmax(ideal - given))] += 1
    return given
