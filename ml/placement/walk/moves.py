"""Groups of moves, in the order in which they are to be tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.placement.fleet.changes import Change
from ml.placement.problem.instance import Ints


@dataclass(frozen=True)
class Moves:
    """G groups; the moves of a group are made together or not at all."""

    services: Ints
    plans: Ints
    """Number of the set that each service moves to."""
    starts: Ints
    """First move of each group, then how many moves there are, ``(G + 1,)``."""

    @property
    def n(self) -> int:
        """Number of groups."""
        return len(self.starts) - 1

    def group(self, g: int) -> Change:
        """Return the moves of one group."""
        part = slice(int(self.starts[g]), int(self.starts[g + 1]))
        return self.services[part], self.plans[part]

    @classmethod
    def of(cls, changes: Sequence[Change]) -> Moves:
        """Return groups given one by one."""
        starts = np.zeros(len(changes) + 1, dtype=np.int64)
        np.cumsum([len(services) for services, _ in changes], out=starts[1:])
        nobody = [np.zeros(0, dtype=np.int64)]
        services = np.concatenate(nobody + [services for services, _ in changes])
        return cls(services, np.concatenate(nobody + [plans for _, plans in changes]), starts)

    @classmethod
    def alike(cls, services: Ints, plans: Ints) -> Moves:
        """Return groups of the same size k, given as ``(G, k)``."""
        count, size = services.shape
        starts = np.arange(count + 1, dtype=np.int64) * size
        return cls(services.ravel(), plans.ravel(), starts)
