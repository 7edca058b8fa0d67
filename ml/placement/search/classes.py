"""The best plan of each service by number of regions: the honest label of the strategy model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ml.placement.fleet.fleet import (
    GB_PER_KB,
    MICRO,
    SECONDS_PER_HOUR,
    describe_today,
    nothing_to_compare,
)
from ml.placement.fleet.pricing import table_of
from ml.placement.problem.instance import Floats, Instance
from ml.placement.problem.slots import Clients
from ml.placement.search.solve import space_of

CLASSES = ("single", "dual", "multi")


def price_service_sets(instance: Instance, demand: pd.DataFrame) -> pd.DataFrame:
    """Return each service's best cost within one, two, and three or more regions.

    Services are independent here: no capacity, no moves, no call graph. Demand is what reaches
    the service from its users' origins, directly or through callers.

    Args:
        instance: The problem; its demand is not used.
        demand: Rows of service_id, origin_id, mean_rps, peak_rps (highest hour), of the window
            the label is about.

    Returns:
        One row per service of the instance with demand: service_id, single_usd_per_hour,
        dual_usd_per_hour, multi_usd_per_hour (NaN where no set of the class keeps the service's
        rules), optimal_class (None where no set at all does), best_region_set.
    """
    mean, peak = _window(instance, demand)
    free = replace(
        instance,
        policy=replace(instance.policy, keep_loss_survival=False),
        current=np.zeros_like(instance.current),
        is_fixed=np.zeros_like(instance.is_fixed),
        capacity_vcpu=np.full(instance.n_regions, np.inf),
    )
    space = space_of(free)
    home, _ = describe_today(free, space)
    clients = _user_clients(free, mean, peak)
    nothing = nothing_to_compare(free, home.home)
    table = table_of(free, space, clients, nothing, home.home, nothing.dependency_ms)
    cost = np.where(table.broken == 0, table.cost_micro / MICRO, np.inf)
    groups = (space.size == 1, space.size == 2, space.size >= 3)
    best = np.stack(
        [cost[:, g].min(axis=1) if g.any() else np.full(len(cost), np.inf) for g in groups], axis=1
    )
    found = np.isfinite(best).any(axis=1)
    frame = pd.DataFrame({"service_id": instance.service_ids})
    for i, name in enumerate(CLASSES):
        frame[f"{name}_usd_per_hour"] = np.where(np.isfinite(best[:, i]), best[:, i], np.nan)
    frame["optimal_class"] = [
        CLASSES[int(np.argmin(row))] if ok else None for row, ok in zip(best, found, strict=True)
    ]
    frame["best_region_set"] = [
        ", ".join(instance.region_ids[r] for r in space.sets[int(np.argmin(row))]) if ok else None
        for row, ok in zip(cost, found, strict=True)
    ]
    asked: pd.DataFrame = frame[mean.sum(axis=1) > 0].reset_index(drop=True)
    return asked


def _window(instance: Instance, demand: pd.DataFrame) -> tuple[Floats, Floats]:
    services = {name: i for i, name in enumerate(instance.service_ids)}
    origins = {name: i for i, name in enumerate(instance.origin_ids)}
    known = demand[demand["service_id"].isin(services) & demand["origin_id"].isin(origins)]
    at = (known["service_id"].map(services).to_numpy(), known["origin_id"].map(origins).to_numpy())
    shape = (instance.n_services, instance.n_origins)
    mean, peak = np.zeros(shape), np.zeros(shape)
    np.add.at(mean, at, known["mean_rps"].to_numpy(dtype=np.float64))
    np.add.at(peak, at, known["peak_rps"].to_numpy(dtype=np.float64))
    return mean, peak


def _user_clients(instance: Instance, mean: Floats, peak: Floats) -> Clients:
    n, origins, regions = instance.n_services, instance.n_origins, instance.n_regions
    wide = np.zeros((n, origins + regions))
    rps, hourly = wide.copy(), np.zeros((n, origins + regions, 1))
    rps[:, :origins], hourly[:, :origins, 0] = mean, peak
    per_gb = (
        instance.response_kb[:, None] * np.nan_to_num(instance.user_egress_usd)
        + instance.request_kb[:, None] * instance.policy.ingress_usd_per_gb
    )
    egress = SECONDS_PER_HOUR * GB_PER_KB * rps[:, :, None] * per_gb[:, None, :]
    nothing = np.zeros((n, regions))
    worth = SECONDS_PER_HOUR * instance.usd_per_request_ms[:, None]
    return Clients(hourly, rps, worth * rps, wide, egress, nothing, nothing)
