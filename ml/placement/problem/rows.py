"""The limits that services share beside the move budget: vCPU and memory by region, the bill.

A row is a column of numbers that plans use up. Capacity rows always come first, one a region;
memory rows and the cap on the bill follow only where the policy states them.
"""

from __future__ import annotations

import numpy as np

from ml.placement.fleet.fleet import Fleet
from ml.placement.problem.instance import Floats, Instance
from ml.placement.problem.subsets import SetSpace

ROW_SLACK = 1e-6


def row_limits(instance: Instance) -> Floats:
    """Return the right-hand sides: capacity by region, then memory by region, then the bill."""
    parts = [instance.hard_capacity_vcpu]
    if instance.memory_capacity_gb is not None:
        parts.append(instance.memory_capacity_gb)
    if np.isfinite(instance.bill_cap_usd):
        parts.append(np.array([instance.bill_cap_usd]))
    return np.concatenate(parts)


def row_names(instance: Instance) -> list[tuple[str, str]]:
    """Return kind and region of every row; the region of the bill is ``*``."""
    names = [("capacity_vcpu", region) for region in instance.region_ids]
    if instance.memory_capacity_gb is not None:
        names += [("capacity_memory_gb", region) for region in instance.region_ids]
    if np.isfinite(instance.bill_cap_usd):
        names.append(("bill", "*"))
    return names


def used_by(instance: Instance, space: SetSpace, fleet: Fleet) -> Floats:
    """Return what an evaluated plan uses of every row, in the order of :func:`row_limits`."""
    region, found = space.slot_region[fleet.chosen], fleet.assessed
    parts = []
    sizes = [instance.cpu_cores]
    if instance.memory_capacity_gb is not None:
        sizes.append(instance.memory_gb)
    for size in sizes:
        use = np.zeros(instance.n_regions)
        np.add.at(use, region, found.instances[:, 0] * size[:, None])
        parts.append(use)
    if np.isfinite(instance.bill_cap_usd):
        parts.append(np.array([bill_usd(fleet)]))
    return np.concatenate(parts)


def overrun(instance: Instance, space: SetSpace, fleet: Fleet) -> float:
    """Return by how much a plan exceeds the rows, in units of each, all added up."""
    over = used_by(instance, space, fleet) - row_limits(instance) - ROW_SLACK
    return float(np.maximum(0.0, over).sum())


def bill_usd(fleet: Fleet) -> float:
    """Return compute, open regions and transfer of an evaluated plan, $ per hour."""
    found = fleet.assessed
    return float((found.compute + found.open + found.egress).sum())
