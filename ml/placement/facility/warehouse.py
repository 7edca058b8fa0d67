"""Capacitated warehouse location, where a customer's demand may be split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ml.placement.facility import kernels
from ml.placement.facility.dual import bound_at
from ml.placement.facility.problem import Flags, Floats, Ints, Plan, Warehouses
from ml.placement.facility.transport import transport

# Sums of capacities are compared with demand a hair apart: files give both as decimals.
_SLACK = 1e-9


@dataclass(frozen=True)
class WarehouseRelaxation:
    """Sites not closed, with what they may serve and cost."""

    problem: Warehouses
    sites: Ints
    is_open: Flags

    @cached_property
    def cost(self) -> Floats:
        """Cost of serving every customer from every site, ``(sites, n)``."""
        return np.ascontiguousarray(self.problem.cost[self.sites])

    @cached_property
    def capacity(self) -> Floats:
        """Demand each site can serve."""
        return self.problem.capacity[self.sites]

    @cached_property
    def least(self) -> int:
        """Fewest sites that can hold all demand; one more than there are where none can."""
        needed = float(self.problem.demand.sum()) * (1 - _SLACK)
        rest = np.sort(self.capacity[~self.is_open])[::-1]
        held = self.capacity[self.is_open].sum() + np.concatenate(([0.0], np.cumsum(rest)))
        enough = np.flatnonzero(held >= needed)
        more = int(enough[0]) if len(enough) else len(rest) + 1
        # One at least: customers without demand are served too.
        return max(1, int(np.count_nonzero(self.is_open)) + more)

    @property
    def most(self) -> int:
        """Most sites a plan chooses: all."""
        return len(self.sites)

    def values(self, price: Floats) -> Floats:
        """Return each site's opening cost less what it saves at the prices."""
        found = np.empty(len(self.sites))
        fixed = self.problem.fixed_cost[self.sites]
        kernels.warehouse_values(self.cost, fixed, self.capacity, self.problem.demand, price, found)
        return found

    def served(self, price: Floats, weight: Floats) -> Floats:
        """Return how much of each customer the weighted sites serve."""
        found = np.empty(len(price))
        kernels.warehouse_served(
            self.cost, self.capacity, self.problem.demand, price, weight, found
        )
        return found

    def restricted(self, sites: Ints, is_open: Flags) -> Self:
        """Return the relaxation over some of these sites."""
        return type(self)(self.problem, sites, is_open)


@dataclass(frozen=True)
class WarehouseTask:
    """A warehouse problem as the search sees it."""

    problem: Warehouses

    @property
    def is_whole(self) -> bool:
        """Costs are not whole numbers."""
        return self.problem.is_whole

    def root(self) -> WarehouseRelaxation:
        """Return the relaxation over all sites."""
        m = len(self.problem.capacity)
        return WarehouseRelaxation(self.problem, np.arange(m), np.zeros(m, dtype=bool))

    def first_price(self) -> Floats:
        """Return the least cost of serving each customer from a site that is paid by its use."""
        use = np.minimum(self.problem.capacity, self.problem.demand.sum())
        rent = self.problem.fixed_cost / np.maximum(use, 1e-300)
        return np.asarray((self.problem.cost + rent[:, None] * self.problem.demand).min(axis=0))

    def plan_near(self, sites: Ints) -> Plan | None:
        """Return the plan with these sites, more if they are too small, unused ones closed."""
        flows = transport(self.problem, self._enough(sites))
        return None if flows is None else flows.plan

    def settle(self, sites: Ints) -> tuple[Plan | None, float]:
        """Return the best plan with these sites, and its bound from the prices alone."""
        flows = transport(self.problem, sites, keep_unused=True)
        if flows is None:
            return None, math.inf
        decided = WarehouseRelaxation(self.problem, sites, np.ones(len(sites), dtype=bool))
        return flows.plan, bound_at(decided, flows.price)

    def _enough(self, sites: Ints) -> Ints:
        """Add the sites with the cheapest room until all demand fits."""
        short = self.problem.demand.sum() - self.problem.capacity[sites].sum()
        if short <= 0:
            return sites
        others = np.setdiff1d(np.arange(len(self.problem.capacity)), sites)
        rent = self.problem.fixed_cost / np.maximum(self.problem.capacity, 1e-300)
        others = others[np.argsort(rent[others], kind="stable")]
        room = np.cumsum(self.problem.capacity[others])
        added = others[: int(np.searchsorted(room, short)) + 1]
        return np.sort(np.concatenate((sites, added)))
