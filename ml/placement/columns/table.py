"""Pricing from tables of all plans: exact like the compiled search, for fleets of usual size."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.placement.bench.calls import no_calls
from ml.placement.columns.types import Batch, Prices, floor_of_dearer
from ml.placement.fleet.fleet import MICRO, describe_today
from ml.placement.fleet.pricing import PlanTable, chunk_size, price_all
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.subsets import SetSpace, build_space

_BY_SERVICE = [
    "peak_rps",
    "mean_rps",
    "cpu_cores",
    "memory_gb",
    "demand_ms",
    "usd_per_request_ms",
    "replica_usd",
    "request_kb",
    "response_kb",
    "state_gb",
    "tier",
    "loss_proof",
    "min_regions",
    "max_regions",
    "slo_ms",
    "slo_stated_ms",
    "blocker",
    "current",
    "is_fixed",
]


@dataclass(frozen=True)
class TablePricer:
    """Prices plans of one table."""

    table: PlanTable
    memory_gb: Floats

    @property
    def n_services(self) -> int:
        """Number of services."""
        return len(self.table.cpu_cores)

    @property
    def cpu_cores(self) -> Floats:
        """vCPU of one instance, ``(S,)``."""
        return self.table.cpu_cores

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
        wanted = np.arange(self.n_services) if services is None else services
        step = chunk_size(self.table.space)
        parts = [
            self._some(prices, best, wanted[first : first + step])
            for first in range(0, len(wanted), step)
        ]
        found = joined(parts)
        if limit is not None:
            found.value[found.value > limit[:, None]] = np.inf
        return found

    def floor_at(self, value: Floats, services: Ints, old: Prices, new: Prices) -> Floats:
        """Return the least at new prices of plans that are worth ``value`` or more at old ones."""
        return floor_of_dearer(value, old, new)

    def _some(self, prices: Prices, best: int, services: Ints) -> Batch:
        table, space = self.table, self.table.space
        weight = prices.cost_weight
        value = np.where(table.is_open[services], weight * table.cost_micro[services], np.inf)
        rent = table.cpu_cores[services][:, None] * prices.vcpu
        rent = rent + self.memory_gb[services][:, None] * prices.memory
        value += table.added[services] * (prices.move * MICRO)
        if rent.any():
            by_slot = rent[:, space.slot_region] * space.slot_used
            value += (table.instances[services] * by_slot).sum(axis=2) * MICRO
        # Sets are sorted by size and regions, so a stable order breaks ties the same way.
        order = np.argsort(value, axis=1, kind="stable")[:, :best]
        rows = services[:, None]
        used = space.slot_used[order]
        found = np.full((len(services), best), np.inf)
        found[:, : order.shape[1]] = np.take_along_axis(value, order, axis=1)
        return Batch(
            services,
            found,
            _wide(table.cost_micro[rows, order], best),
            _wide(np.where(used, space.slot_region[order], -1), best).astype(np.int16),
            _wide(table.instances[rows, order], best).astype(np.int32),
            _wide(table.added[rows, order], best),
            int(table.is_open[services].sum()),
        )


def _wide(values: NDArray[Any], best: int) -> NDArray[Any]:
    """Pad the second axis where there are fewer plans than asked for."""
    missing = best - values.shape[1]
    pad = [(0, 0), (0, missing)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, pad)


def joined(parts: list[Batch]) -> Batch:
    """Return batches of different services as one."""
    names = [field.name for field in fields(Batch) if field.name != "evaluated"]
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    return Batch(**columns, evaluated=sum(p.evaluated for p in parts))


@dataclass(frozen=True)
class NumpyPricer:
    """Prices services that do not call each other, without compiled code, a chunk at a time.

    The oracle of the compiled search, and what runs where the compiler is not installed. Tables
    are kept while they fit the policy's ``memory_cells_max``, else made anew for each pricing.
    """

    instance: Instance

    @property
    def n_services(self) -> int:
        """Number of services."""
        return self.instance.n_services

    @property
    def cpu_cores(self) -> Floats:
        """vCPU of one instance, ``(S,)``."""
        return self.instance.cpu_cores

    @property
    def memory_gb(self) -> Floats:
        """Memory of one instance, ``(S,)``."""
        return self.instance.memory_gb

    @cached_property
    def _space(self) -> SetSpace:
        one = self.instance
        today = {tuple(int(r) for r in np.flatnonzero(row)) for row in one.current}
        cap = min(one.policy.max_regions_cap, one.n_regions)
        return build_space(one.rtt_ms, one.misroute, cap, today, one.policy.near_tie_share)

    @cached_property
    def _tables(self) -> dict[int, PlanTable]:
        return {}

    @cached_property
    def is_stuck(self) -> Flags:
        """Services without any plan that keeps their rules; complete after the first pricing."""
        return np.zeros(self.n_services, dtype=bool)

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
        wanted = np.arange(self.n_services) if services is None else services
        step, parts = chunk_size(self._space), []
        for chunk in np.unique(wanted // step):
            some = wanted[wanted // step == chunk]
            table, first = self._table(int(chunk), step), int(chunk) * step
            memory = self.memory_gb[first : first + step]
            batch = TablePricer(table, memory).price(prices, best, some - first)
            parts.append(replace(batch, services=some))
        found = joined(parts)
        if limit is not None:
            found.value[found.value > limit[:, None]] = np.inf
        return found

    def floor_at(self, value: Floats, services: Ints, old: Prices, new: Prices) -> Floats:
        """Return the least at new prices of plans that are worth ``value`` or more at old ones."""
        return floor_of_dearer(value, old, new)

    def _table(self, chunk: int, step: int) -> PlanTable:
        if chunk in self._tables:
            return self._tables[chunk]
        services = np.arange(chunk * step, min(self.n_services, (chunk + 1) * step))
        part = part_of(self.instance, services)
        today, fleet = describe_today(part, self._space)
        table, _ = price_all(part, self._space, fleet, today)
        self.is_stuck[services] = table.is_stuck
        cells = self.n_services * len(self._space.sets)
        if cells <= self.instance.policy.memory_cells_max:
            self._tables[chunk] = table
        return table


def part_of(instance: Instance, services: Ints) -> Instance:
    """Return the problem of some services alone; they must not call each other."""
    values = {name: getattr(instance, name)[services] for name in _BY_SERVICE}
    parts = instance.latency
    by_cell = {f.name: getattr(parts, f.name) for f in fields(parts) if f.name != "buckets"}
    return replace(
        instance,
        service_ids=tuple(instance.service_ids[s] for s in services),
        blocker_evidence=tuple(instance.blocker_evidence[s] for s in services),
        edges=no_calls(),
        latency=replace(parts, **{name: cell[services] for name, cell in by_cell.items()}),
        **values,
    )
