"""What simpler rules would do on a fleet without calls, judged like any plan.

A rule's cost means little alone: beside it stand the objectives it misses and the capacity it
overruns. The controls that count are today's plan and the greedy rule that minds capacity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml.placement.columns.fleet import FleetProblem
from ml.placement.columns.types import Batch, Prices
from ml.placement.fleet.evaluate import RULES
from ml.placement.kernel.today import home_sets, listed
from ml.placement.problem.instance import Flags, Floats, Instance, Ints

_GREEDY_PLANS = 8
_SLO_BIT = 1 << RULES.index("SLO_MISSED")
_SLACK = 1e-6


@dataclass(frozen=True)
class Measures:
    """A plan's cost and what it breaks."""

    cost_usd_per_hour: float
    slo_missed_services: int
    """Services whose objective is a rule and is missed."""
    critical_services: int
    services_breaking_a_rule: int
    vcpu_above_capacity: float


def measure(problem: FleetProblem, regions: Ints) -> Measures:
    """Judge one region set per service by the NumPy evaluation.

    Args:
        problem: The fleet.
        regions: Ascending, -1 where not filled, ``(S, K)``.
    """
    instance, found = problem.instance, problem.judge(regions)
    use = np.zeros(instance.n_regions)
    service, slot = np.nonzero(regions >= 0)
    vcpu = found.instances[service, slot] * instance.cpu_cores[service]
    np.add.at(use, regions[service, slot], vcpu)
    is_hard = ~np.isnan(instance.slo_ms)
    return Measures(
        float(found.cost_micro.sum()) / 1e6,
        int(((found.broken & _SLO_BIT) != 0).sum()),
        int(is_hard.sum()),
        int((found.broken != 0).sum()),
        float(np.maximum(0.0, use - instance.capacity_vcpu - _SLACK).sum()),
    )


def baselines(problem: FleetProblem, seed: int) -> Iterator[tuple[str, Ints]]:
    """Yield the name and the region sets of every rule.

    Args:
        problem: The fleet.
        seed: Of the random rule.
    """
    instance = problem.instance
    home = home_sets(instance)
    count = np.maximum(instance.min_regions, (home >= 0).sum(axis=1))
    width = home.shape[1]
    allowed = instance.blocker == 0
    rng = np.random.default_rng(seed)
    yield "current", home
    yield "random_allowed", _first(rng.random(allowed.shape), allowed, count, width)
    rtt = instance.rtt_ms[: instance.n_origins]
    yield "nearest", _first(instance.mean_rps @ rtt, allowed, count, width)
    price = np.outer(instance.cpu_cores, instance.vcpu_usd)
    price += np.outer(instance.memory_gb, instance.memory_usd)
    yield "cheapest", _first(price, allowed, count, width)
    free = Prices(np.zeros(instance.n_regions), np.zeros(instance.n_regions), 0.0)
    batch = problem.pricer.price(free, _GREEDY_PLANS)
    yield "alone_capacity_ignored", batch.regions[:, 0].astype(np.int64)
    yield "greedy_within_capacity", _greedy(instance, batch)


def _first(value: Floats, allowed: Flags, count: Ints, width: int) -> Ints:
    """Return each service's ``count`` allowed regions of least value."""
    rank = np.where(allowed, value, np.inf).argsort(axis=1, kind="stable").argsort(axis=1)
    return listed((rank < count[:, None]) & allowed, width)


def _greedy(instance: Instance, batch: Batch) -> Ints:
    """Take services by size, each with the best of its plans that fits; else its best."""
    vcpu = batch.instances * instance.cpu_cores[:, None, None]
    size = vcpu[:, 0].sum(axis=1)
    left = instance.capacity_vcpu.copy()
    chosen = np.zeros(instance.n_services, dtype=np.int64)
    for s in np.lexsort((np.arange(len(size)), -size)):
        for t in np.flatnonzero(np.isfinite(batch.value[s])):
            at = batch.regions[s, t]
            used = at >= 0
            if (vcpu[s, t][used] <= left[at[used]] + _SLACK).all():
                chosen[s] = t
                break
        at = batch.regions[s, chosen[s]]
        used = at >= 0
        left[at[used]] -= vcpu[s, chosen[s]][used]
    return batch.regions[np.arange(len(chosen)), chosen].astype(np.int64)
