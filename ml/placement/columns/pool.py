"""The columns known so far: plans of single services, each once, sorted by service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ml.placement.columns.types import Batch, Counts, Prices, Small
from ml.placement.fleet.fleet import MICRO
from ml.placement.problem.instance import Floats, Ints

_CHUNK = 50_000
_Kind = TypeVar("_Kind", np.int16, np.int32)


@dataclass(frozen=True)
class Rows:
    """Limits of the shared rows: vCPU by region, memory by region, added regions."""

    vcpu: Floats
    memory: Floats
    moves: float

    @classmethod
    def of(cls, vcpu: Floats, moves: float = np.inf, memory: Floats | None = None) -> Rows:
        """Return the rows; a missing limit is infinite."""
        return cls(vcpu, np.full(len(vcpu), np.inf) if memory is None else memory, moves)

    @property
    def limits(self) -> Floats:
        """All limits, ``(2 R + 1,)``."""
        return np.concatenate((self.vcpu, self.memory, [self.moves]))

    def prices(self, duals: Floats, cost_weight: float = 1.0) -> Prices:
        """Split prices of all rows, ``(2 R + 1,)``, by kind."""
        n = len(self.vcpu)
        return Prices(duals[:n], duals[n : 2 * n], float(duals[-1]), cost_weight)


@dataclass(frozen=True)
class Pool:
    """Columns sorted by (service, region set); a set is a bit mask, so regions are at most 62."""

    service: Ints
    mask: Ints
    cost_micro: Ints
    regions: Small
    instances: Counts
    added: Ints
    cpu_cores: Floats
    """Of one instance by service, ``(S,)``."""
    memory_gb: Floats
    n_regions: int

    @classmethod
    def empty(cls, cpu_cores: Floats, memory_gb: Floats, n_regions: int) -> Pool:
        """Return a pool without columns."""
        none = np.zeros(0, dtype=np.int64)
        slots = np.zeros((0, 1))
        return cls(
            none, none, none, slots.astype(np.int16), slots.astype(np.int32), none,
            cpu_cores, memory_gb, n_regions,
        )  # fmt: skip

    @property
    def n(self) -> int:
        """Number of columns."""
        return len(self.service)

    def with_batch(self, batch: Batch) -> Pool:
        """Return the pool with the plans of a pricing; plans known already count once."""
        real = np.isfinite(batch.value)
        service = np.broadcast_to(batch.services[:, None], real.shape)[real]
        regions = batch.regions[real]
        return self._joined(
            service, regions, batch.instances[real], batch.cost_micro[real], batch.added[real]
        )

    def _joined(
        self, service: Ints, regions: Small, instances: Counts, cost: Ints, added: Ints
    ) -> Pool:
        bits = np.where(regions >= 0, np.int64(1) << np.maximum(regions, 0).astype(np.int64), 0)
        service = np.concatenate((self.service, service))
        mask = np.concatenate((self.mask, bits.sum(axis=1)))
        wide = max(self.regions.shape[1], regions.shape[1])
        order = np.lexsort((mask, service))
        is_new = np.ones(len(order), dtype=bool)
        is_new[1:] = (np.diff(service[order]) != 0) | (np.diff(mask[order]) != 0)
        kept = order[is_new]
        return Pool(
            service[kept],
            mask[kept],
            np.concatenate((self.cost_micro, cost))[kept],
            np.concatenate((_wide(self.regions, wide, -1), _wide(regions, wide, -1)))[kept],
            np.concatenate((_wide(self.instances, wide, 0), _wide(instances, wide, 0)))[kept],
            np.concatenate((self.added, added))[kept],
            self.cpu_cores,
            self.memory_gb,
            self.n_regions,
        )

    def take(self, kept: Ints) -> Pool:
        """Return the columns with the given numbers, ascending."""
        return Pool(
            self.service[kept], self.mask[kept], self.cost_micro[kept], self.regions[kept],
            self.instances[kept], self.added[kept], self.cpu_cores, self.memory_gb, self.n_regions,
        )  # fmt: skip

    @property
    def starts(self) -> Ints:
        """First column of every service that has one, and one past the last."""
        new = np.flatnonzero(np.diff(self.service, prepend=-1))
        return np.append(new, self.n)

    def value(self, duals: Floats, cost_weight: float = 1.0) -> Floats:
        """Return micro-dollars of every column at prices of the rows, ``(n,)``."""
        n = self.n_regions
        at = np.maximum(self.regions, 0)
        cores, memory = self.cpu_cores[self.service], self.memory_gb[self.service]
        rent = (self.instances * duals[:n][at]).sum(axis=1) * cores
        if duals[n : 2 * n].any():
            rent += (self.instances * duals[n : 2 * n][at]).sum(axis=1) * memory
        rent += self.added * duals[-1]
        return np.asarray(cost_weight * self.cost_micro + rent * MICRO)

    def use(self, columns: Ints) -> Floats:
        """Return what columns take of all rows, ``(n, 2 R + 1)``."""
        n = self.n_regions
        out = np.zeros((len(columns), 2 * n + 1))
        regions = self.regions[columns]
        j, k = np.nonzero(regions >= 0)
        counts = self.instances[columns][j, k].astype(np.float64)
        service, region = self.service[columns][j], regions[j, k].astype(np.int64)
        out[j, region] = counts * self.cpu_cores[service]
        out[j, n + region] = counts * self.memory_gb[service]
        out[:, -1] = self.added[columns]
        return out

    def total_use(self, columns: Ints) -> Floats:
        """Return the sum of what columns take of all rows, ``(2 R + 1,)``."""
        parts = [
            self.use(columns[first : first + _CHUNK]).sum(axis=0)
            for first in range(0, len(columns), _CHUNK)
        ]
        return np.asarray(np.sum(parts, axis=0)) if parts else np.zeros(2 * self.n_regions + 1)

    def cheapest(self, value: Floats) -> Ints:
        """Return the best column of every service; of equal ones the smaller set."""
        size = (self.regions >= 0).sum(axis=1)
        order = np.lexsort((self.mask, size, value, self.service))
        return np.asarray(order[self.starts[:-1]])


def _wide(values: NDArray[_Kind], width: int, fill: int) -> NDArray[_Kind]:
    missing = width - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=fill) if missing else values
