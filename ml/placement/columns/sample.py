"""Prices of the shared rows as a sample of the services sees them: where a large fleet begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.placement.columns.dual import Plan, Stop, ascend
from ml.placement.columns.ledger import Ledger
from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.types import Batch, Pricer, Prices
from ml.placement.problem.instance import Floats, Instance, Ints

_BOX_MAX = 2.0
"""A sample may ask for more than there is: no price above twice the usual one is believed."""


@dataclass(frozen=True)
class Sampled:
    """Some services, each standing for several of its kind."""

    pricer: Pricer
    services: Ints
    weight: Ints

    @property
    def n_services(self) -> int:
        """Number of services in the sample."""
        return len(self.services)

    @property
    def cpu_cores(self) -> Floats:
        """vCPU of one instance of all that a service stands for."""
        return np.asarray(self.pricer.cpu_cores[self.services] * self.weight)

    @property
    def memory_gb(self) -> Floats:
        """Memory likewise."""
        return np.asarray(self.pricer.memory_gb[self.services] * self.weight)

    def price(
        self, prices: Prices, best: int, services: Ints | None = None, limit: Floats | None = None
    ) -> Batch:
        """Return the ``best`` best plans of each, for all that it stands for."""
        wanted = np.arange(self.n_services) if services is None else services
        times = self.weight[wanted]
        one = None if limit is None else limit / times
        found = self.pricer.price(prices, best, self.services[wanted], one)
        times = times[:, None]
        return replace(
            found,
            services=wanted,
            value=found.value * times,
            cost_micro=found.cost_micro * times,
            added=found.added * times,
        )

    def floor_at(self, value: Floats, services: Ints, old: Prices, new: Prices) -> Floats:
        """Return the least at new prices of plans that are worth ``value`` or more at old ones."""
        times = self.weight[services]
        return self.pricer.floor_at(value / times, self.services[services], old, new) * times


def sample_of(instance: Instance, largest: int, every: int) -> tuple[Ints, Ints]:
    """Return services and how many each stands for: the largest, and every n-th of the rest.

    The rest is taken in order of the region nearest to its demand, then of size, so that each
    region and size is there in its true share.

    Args:
        instance: The fleet.
        largest: Services that stand for themselves alone.
        every: How many services one of the rest stands for.

    Example:
        >>> from ml.placement.bench.fleet import bench_fleet
        >>> services, weight = sample_of(bench_fleet(100, 4), 10, 9)
        >>> len(services), int(weight.sum())
        (20, 100)
    """
    n = instance.n_services
    size = instance.peak_rps.sum(axis=1).max(axis=1) / instance.full_rate * instance.cpu_cores
    by_size = np.lexsort((np.arange(n), -size))
    rest = by_size[largest:]
    way = instance.mean_rps[rest] @ instance.rtt_ms[: instance.n_origins]
    near = np.where(instance.blocker[rest] == 0, way, np.inf).argmin(axis=1)
    rest = rest[np.argsort(near, kind="stable")]
    starts = np.arange(0, len(rest), every)
    weight = np.diff(np.append(starts, len(rest)))
    services = np.concatenate((by_size[:largest], rest[starts + weight // 2]))
    weight = np.concatenate((np.ones(min(largest, n), dtype=np.int64), weight))
    order = np.argsort(services)
    return services[order], weight[order]


def sampled_prices(
    sample: Sampled, rows: Rows, scale: Floats, plan: Plan, stop: Stop | None = None
) -> Floats:
    """Return prices that suit the sample, $ per unit of every row, ``(2 R + 1,)``.

    Args:
        sample: Whom to ask.
        rows: Limits of the whole fleet.
        scale: A usual price of each row.
        plan: Tolerances.
        stop: Asked after every round.
    """
    pool = Pool.empty(sample.cpu_cores, sample.memory_gb, len(rows.vcpu))
    plan = replace(plan, box_max=min(_BOX_MAX, plan.box_max))
    found = ascend(
        Ledger(sample, rows), rows, pool, 0.0 * scale, 0.3 * scale, scale, plan, stop=stop
    )
    return found.duals
