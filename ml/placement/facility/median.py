"""The p-median problem: choose p nodes so that all are near to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml.placement.facility import kernels
from ml.placement.facility.problem import Flags, Floats, Ints, Medians, Plan


@dataclass(frozen=True)
class MedianRelaxation:
    """Sites from near to far for every customer, closed ones left out."""

    sites: Ints
    is_open: Flags
    p: int
    order: NDArray[np.int32]
    """Positions in ``sites``, ``(n, sites)``."""
    near: Floats
    """Distances in that order."""

    @property
    def least(self) -> int:
        """Fewest sites a plan chooses."""
        return self.p

    @property
    def most(self) -> int:
        """Most sites a plan chooses."""
        return self.p

    def values(self, price: Floats) -> Floats:
        """Return what each site saves at the prices."""
        found = np.empty(len(self.sites))
        kernels.median_values(self.order, self.near, price, found)
        return found

    def served(self, price: Floats, weight: Floats) -> Floats:
        """Return how often the weighted sites serve each customer."""
        found = np.empty(len(price))
        kernels.median_served(self.order, self.near, price, weight, found)
        return found

    def restricted(self, sites: Ints, is_open: Flags) -> Self:
        """Return the relaxation over some of these sites."""
        if len(sites) == len(self.sites):
            return type(self)(sites, is_open, self.p, self.order, self.near)
        position = np.full(len(self.sites), -1, dtype=np.int32)
        position[np.searchsorted(self.sites, sites)] = np.arange(len(sites), dtype=np.int32)
        shape = (len(self.order), len(sites))
        order, near = np.empty(shape, dtype=np.int32), np.empty(shape)
        kernels.median_restricted(self.order, self.near, position, order, near)
        return type(self)(sites, is_open, self.p, order, near)


@dataclass(frozen=True)
class MedianTask:
    """A p-median problem as the search sees it."""

    problem: Medians

    @property
    def is_whole(self) -> bool:
        """Whether every plan's cost is a whole number."""
        return self.problem.is_whole

    def root(self) -> MedianRelaxation:
        """Return the relaxation over all nodes."""
        distance = self.problem.distance
        order = np.argsort(distance, axis=1, kind="stable").astype(np.int32)
        near = np.take_along_axis(distance, order, axis=1)
        n = len(distance)
        return MedianRelaxation(np.arange(n), np.zeros(n, dtype=bool), self.problem.p, order, near)

    def first_price(self) -> Floats:
        """Return, for a spread of sites made better by exchanges, the way to the nearest two."""
        n, p = len(self.problem.distance), self.problem.p
        spread = np.arange(p) * n // p
        sites = self._exchanged(spread)
        nearest = np.sort(self.problem.distance[:, sites], axis=1)
        return np.rint(nearest[:, 0] + nearest[:, min(1, p - 1)]) / 2

    def plan_near(self, sites: Ints) -> Plan:
        """Return the plan where no exchange of a site for another helps."""
        return self._plan(self._exchanged(sites))

    def settle(self, sites: Ints) -> tuple[Plan, float]:
        """Return the plan with these sites: everybody goes to the nearest, nothing to choose."""
        plan = self._plan(sites)
        return plan, plan.cost

    def _exchanged(self, sites: Ints) -> Ints:
        found = sites.astype(np.int64)
        kernels.exchange(self.problem.distance, found)
        return np.sort(found)

    def _plan(self, sites: Ints) -> Plan:
        distance = self.problem.distance[:, sites]
        home = distance.argmin(axis=1)
        served = np.zeros((len(sites), len(distance)))
        served[home, np.arange(len(distance))] = 1.0
        return Plan(sites, served, float(distance.min(axis=1).sum()))
