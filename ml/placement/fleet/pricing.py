"""The cost of every region set of every service at a given plan, and the cheapest at any prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.placement.fleet.evaluate import Today, assess
from ml.placement.fleet.fleet import MICRO, Fleet
from ml.placement.fleet.links import priced_clients
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.slots import Clients, all_sets
from ml.placement.problem.subsets import SetSpace

Small = NDArray[np.int32]
_CLOSED = np.int64(2**60)
_CELLS_PER_CHUNK = 400_000


@dataclass(frozen=True)
class PlanTable:
    """All S x P plans: a plan is a service with a region set. Costs are whole micro-dollars."""

    space: SetSpace
    cost_micro: Ints
    """``(S, P)``; meaningful for closed plans too."""
    is_open: Flags
    """Plans that may be chosen; a fixed or infeasible service has its present set alone."""
    instances: Small
    cpu_cores: Floats
    added: Ints
    broken: Ints
    bill_usd: Floats
    """Compute, open regions and egress, $ per hour."""
    waiting_usd: Floats
    mean_ms: Floats
    slo_share: Floats
    is_stuck: Flags
    """Services without any plan that keeps their rules, ``(S,)``."""
    memory_gb: Floats | None = None
    """Size of an instance, ``(S,)``, where memory is limited: :mod:`ml.placement.problem.rows`."""
    is_bill_capped: bool = False

    @property
    def n_open(self) -> int:
        """Number of plans priced that may be chosen."""
        return int(self.is_open.sum())

    def vcpu(self, services: Ints, plans: Ints) -> Floats:
        """Return what plans use of each region, ``(n, R)`` vCPU."""
        use = np.zeros((len(services), self.space.member.shape[1]))
        taken = self.instances[services, plans] * self.cpu_cores[services][:, None]
        np.add.at(use, (np.arange(len(services))[:, None], self.space.slot_region[plans]), taken)
        return use

    def uses(self, services: Ints, plans: Ints) -> Floats:
        """Return what plans use of every shared row, in the order of ``rows.row_limits``."""
        parts = [self.vcpu(services, plans)]
        if self.memory_gb is not None:
            use = np.zeros_like(parts[0])
            taken = self.instances[services, plans] * self.memory_gb[services][:, None]
            rows = np.arange(len(services))[:, None]
            np.add.at(use, (rows, self.space.slot_region[plans]), taken)
            parts.append(use)
        if self.is_bill_capped:
            parts.append(self.bill_usd[services, plans][:, None])
        return np.concatenate(parts, axis=1)

    def reduced(self, capacity_dual: Floats, move_dual: float, first: int, last: int) -> Floats:
        """Return micro-dollars of services ``first`` to ``last`` at prices for the shared rows.

        Args:
            capacity_dual: $ per unit of each shared row, the first R per vCPU-hour.
            move_dual: $ per hour and added region.
            first: First service.
            last: One past the last service.
        """
        found = np.where(self.is_open[first:last], self.cost_micro[first:last], _CLOSED)
        value = found + self.added[first:last] * (move_dual * MICRO)
        sizes = [self.cpu_cores] if self.memory_gb is None else [self.cpu_cores, self.memory_gb]
        n = self.space.member.shape[1]
        for i, size in enumerate(sizes if capacity_dual.any() else ()):
            price = capacity_dual[i * n : (i + 1) * n]
            rent = price[self.space.slot_region] * MICRO * self.space.slot_used
            use = (self.instances[first:last] * rent).sum(axis=2)
            value = value + use * size[first:last, None]
        if self.is_bill_capped:
            value = value + self.bill_usd[first:last] * (capacity_dual[-1] * MICRO)
        return np.asarray(value, dtype=np.float64)


def chunk_size(space: SetSpace) -> int:
    """Return how many services are priced at once within the memory budget."""
    return max(1, _CELLS_PER_CHUNK // max(1, len(space.sets)))


def price_all(
    instance: Instance, space: SetSpace, fleet: Fleet, today: Today
) -> tuple[PlanTable, Clients]:
    """Price every set of every service, all other services staying where ``fleet`` has them.

    Raises:
        MemoryError: If the table would exceed the policy's ``memory_cells_max``.
    """
    cells = instance.n_services * len(space.sets)
    if cells > instance.policy.memory_cells_max:
        raise MemoryError(
            f"{cells} plans exceed memory_cells_max == {instance.policy.memory_cells_max}; "
            "lower max_regions_cap or ban regions"
        )
    clients = priced_clients(instance, space, fleet)
    return table_of(instance, space, clients, today, fleet.chosen, fleet.clients.dependency_ms), (
        clients
    )


def table_of(
    instance: Instance,
    space: SetSpace,
    clients: Clients,
    today: Today,
    chosen: Ints,
    dependency_ms: Floats,
) -> PlanTable:
    """Return the table for given clients; indirect costs count against those of ``chosen``."""
    n, n_sets = instance.n_services, len(space.sets)
    width = space.slot_region.shape[1]
    cost = np.zeros((n, n_sets), dtype=np.int64)
    instances = np.zeros((n, n_sets, width), dtype=np.int32)
    added, broken = np.zeros((n, n_sets), dtype=np.int64), np.zeros((n, n_sets), dtype=np.int64)
    bill, waiting, mean, slo = (np.zeros((n, n_sets)) for _ in range(4))
    step = chunk_size(space)
    for first in range(0, n, step):
        services = np.arange(first, min(n, first + step))
        slots = all_sets(instance, space, clients, services)
        found = assess(instance, slots, today, dependency_ms, clients.onward_usd)
        base = found.indirect[np.arange(len(services)), chosen[services]]
        cost[services] = np.rint((found.total + found.indirect - base[:, None]) * MICRO)
        instances[services], added[services] = found.instances, found.added
        broken[services] = found.broken
        bill[services] = found.compute + found.open + found.egress
        waiting[services], mean[services] = found.waiting, found.mean_ms
        slo[services] = found.slo_share
    is_open = broken == 0
    is_stuck = ~is_open.any(axis=1) | today.pinned
    stay = is_stuck | instance.is_fixed
    is_open[stay] = False
    is_open[stay, today.home[stay]] = True
    return PlanTable(
        space,
        cost,
        is_open,
        instances,
        instance.cpu_cores,
        added,
        broken,
        bill,
        waiting,
        mean,
        slo,
        is_stuck & ~instance.is_fixed,
        None if instance.memory_capacity_gb is None else instance.memory_gb,
        bool(np.isfinite(instance.bill_cap_usd)),
    )
