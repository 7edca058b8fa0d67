"""Two published problems: which warehouses to open, and where to put p medians."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PROOF_TOLERANCE = 1e-9
"""Relative: a bound this near to a plan's cost proves the plan, where costs are not whole."""


@dataclass(frozen=True)
class Warehouses:
    """Open sites and serve every customer, whose demand may be split, at least cost."""

    capacity: Floats
    """Demand a site can serve, ``(m,)``."""
    fixed_cost: Floats
    """Cost of opening, ``(m,)``."""
    demand: Floats
    """``(n,)``."""
    cost: Floats
    """Cost of serving **all** of a customer's demand from a site, ``(m, n)``."""
    family: str = "capacitated facility location"

    @property
    def is_whole(self) -> bool:
        """Whether every plan's cost is a whole number; split demand makes it not so."""
        return False


@dataclass(frozen=True)
class Medians:
    """Choose p of n nodes; every node pays the distance to the nearest chosen one."""

    distance: Floats
    """Shortest paths, symmetric, ``(n, n)``."""
    p: int
    family: str = "p-median"

    @cached_property
    def is_whole(self) -> bool:
        """Whether every plan's cost is a whole number."""
        return bool((self.distance == np.rint(self.distance)).all())


@dataclass(frozen=True)
class Plan:
    """A choice of sites and who is served from where."""

    sites: Ints
    """Chosen sites, ascending."""
    served: Floats
    """Share of every customer's demand that a chosen site serves, ``(len(sites), n)``."""
    cost: float


@dataclass(frozen=True)
class Solved:
    """The best plan found and what is proved about it."""

    plan: Plan
    lower_bound: float
    nodes: int
    steps: int
    """Evaluations of the relaxation, over all nodes."""
    is_proved: bool
    """No plan costs less: exactly, or within ``PROOF_TOLERANCE`` where costs are not whole."""
    stop_reason: str
    """``proved``, ``nodes`` or ``time``."""


class NoPlanError(ValueError):
    """No choice of sites serves everybody."""
