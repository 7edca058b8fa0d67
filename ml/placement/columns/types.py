"""Plans of single services as columns of the master problem, whoever priced them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.placement.problem.instance import Floats, Ints

Small = NDArray[np.int16]
Counts = NDArray[np.int32]


@dataclass(frozen=True)
class Prices:
    """Prices of the shared rows, $ per unit, none negative."""

    vcpu: Floats
    """$ per vCPU and hour, ``(R,)``; 0 where capacity is not limited."""
    memory: Floats
    move: float
    """$ per hour and added region."""
    cost_weight: float = 1.0
    """0 asks what a plan takes of the rows, whatever it costs."""


@dataclass(frozen=True)
class Batch:
    """The best plans of some services at given prices, best first, ``(n, T)``."""

    services: Ints
    value: Floats
    """Micro-dollars per hour at the prices; infinite where a service has fewer plans."""
    cost_micro: Ints
    regions: Small
    """Ascending, -1 where not filled, ``(n, T, K)``."""
    instances: Counts
    added: Ints
    evaluated: int
    """Plans looked at in full."""


class Pricer(Protocol):
    """Finds the best plans of single services at prices of the shared rows."""

    @property
    def n_services(self) -> int:
        """Number of services."""
        ...

    @property
    def cpu_cores(self) -> Floats:
        """vCPU of one instance, ``(S,)``."""
        ...

    @property
    def memory_gb(self) -> Floats:
        """Memory of one instance, ``(S,)``."""
        ...

    def price(
        self, prices: Prices, best: int, services: Ints | None = None, limit: Floats | None = None
    ) -> Batch:
        """Return the ``best`` best plans of each service, exactly, over all its plans.

        Args:
            prices: Of the shared rows.
            best: Plans per service.
            services: Which; all by default.
            limit: Values above which plans are of no interest, ``(n,)`` micro-dollars.
        """
        ...

    def floor_at(self, value: Floats, services: Ints, old: Prices, new: Prices) -> Floats:
        """Return the least at new prices of plans that are worth ``value`` or more at old ones.

        Args:
            value: Micro-dollars at the old prices, one per service, ``(n,)``.
            services: Which.
            old: Prices.
            new: Prices.
        """
        ...


def floor_of_dearer(value: Floats, old: Prices, new: Prices) -> Floats:
    """Return the same values where no price fell, and nothing known where one did."""
    fell = (new.vcpu < old.vcpu).any() or (new.memory < old.memory).any() or new.move < old.move
    return np.full_like(value, -np.inf) if fell else value
