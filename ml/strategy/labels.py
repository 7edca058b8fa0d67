"""The honest label: how many regions the optimiser gives a service on demand that did happen.

Every region set of every service is priced on the observed demand of the days after a cut date,
each service alone: no calls, no shared capacity, no cost of moving. What was known on the cut date
never enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.io import Features
from ml.placement.fleet.fleet import MICRO, describe_today
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import Edges, Instance
from ml.placement.problem.policy import Policy
from ml.placement.problem.reading import read_instance
from ml.placement.problem.subsets import build_space
from ml.placement.search.solve import space_of
from ml.strategy.settings import StrategySettings

CLASSES = ("single", "dual", "multi")
_DAYPARTS = 6
_NEVER = np.inf


@dataclass(frozen=True)
class Market:
    """What a label needs beside demand: prices, round trips, latency, rules; no calls, no history.

    Attributes:
        instance: The optimiser's problem with every service alone.
        kmin: Fewest regions that each service's own rules allow, shape (S,).
    """

    instance: Instance
    kmin: NDArray[np.int64]


def read_market(
    features: Features, candidates: pd.DataFrame, calls: pd.DataFrame, policy: Policy
) -> Market:
    """Return the optimiser's problem, stripped of everything that ties services together.

    Calls take the time that they take under today's plan, as if it were the service's own.
    """
    instance = read_instance(features, candidates, calls, policy)
    held = describe_today(instance, space_of(instance))[1].clients
    latency = replace(
        instance.latency,
        own_ms=instance.latency.own_ms + held.dependency_ms[..., None],
        own_variance=instance.latency.own_variance + held.dependency_variance[..., None],
    )
    nothing = np.zeros(0, dtype=np.int64)
    no_float = np.zeros(0)
    no_calls = Edges(
        nothing, nothing, no_float, no_float, nothing, nothing.astype(bool), no_float, no_float
    )
    shape = (instance.n_services, instance.n_regions)
    alone = replace(
        instance,
        edges=no_calls,
        latency=latency,
        current=np.zeros(shape, dtype=bool),
        is_fixed=np.zeros(instance.n_services, dtype=bool),
        capacity_vcpu=np.full(instance.n_regions, np.inf),
    )
    kmin = np.maximum(instance.min_regions, np.where(instance.loss_proof, 2, 1))
    return Market(alone, np.minimum(kmin, instance.max_regions).astype(np.int64))


def price_classes(
    market: Market, demand: pd.DataFrame, cuts: Sequence[pd.Timestamp], settings: StrategySettings
) -> pd.DataFrame:
    """Return the cost of the best plan of every class, for every service and cut date.

    Args:
        market: From :func:`read_market`.
        demand: ``feat_demand__service_origin_dayparts``.
        cuts: Last days the features may know; labels look at the days after them.
        settings: Days of the label, limits of the enumeration.

    Returns:
        ``service_id, cut_on, single_usd, dual_usd, multi_usd`` ($ per hour, infinite where no
        plan of the class keeps the rules), ``optimal_class`` (None without any plan), ``kmin``.
    """
    observed = pd.to_datetime(demand["observed_on"])
    frames = []
    for cut in cuts:
        last = cut + pd.Timedelta(days=settings.label_days)
        window = demand[(observed > cut) & (observed <= last)]
        frames.append(_price_window(market, window, settings).assign(cut_on=cut))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _price_window(market: Market, window: pd.DataFrame, settings: StrategySettings) -> pd.DataFrame:
    mean, peak = _observed(market.instance, window)
    instance = replace(market.instance, mean_rps=mean, peak_rps=peak)
    regions, cap = instance.n_regions, instance.policy.max_regions_cap
    sets = sum(_choose(regions, k) for k in range(1, cap + 1))
    if sets * instance.n_services > settings.label_cells:
        cap = min(cap, 3)
    space = build_space(instance.rtt_ms, instance.misroute, cap)
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    cost = np.where(table.is_open, table.cost_micro / MICRO, _NEVER)
    cost[table.is_stuck] = _NEVER
    cost[mean.sum(axis=1) <= 0] = _NEVER
    groups = [table.space.size == 1, table.space.size == 2, table.space.size >= 3]
    best = np.column_stack(
        [cost[:, g].min(axis=1) if g.any() else np.full(len(cost), _NEVER) for g in groups]
    )
    out = pd.DataFrame(best, columns=[f"{name}_usd" for name in CLASSES])
    out.insert(0, "service_id", list(instance.service_ids))
    known = np.isfinite(best).any(axis=1)
    names = [
        CLASSES[k] if is_known else None
        for k, is_known in zip(best.argmin(axis=1), known, strict=True)
    ]
    return out.assign(optimal_class=pd.Series(names, dtype=object), kmin=market.kmin)


def _choose(n: int, k: int) -> int:
    total = 1
    for i in range(k):
        total = total * (n - i) // (i + 1)
    return total


def _observed(
    instance: Instance, window: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean (S, O) and peak by part of the day (S, O, 6) of the demand that happened."""
    service = pd.Index(instance.service_ids).get_indexer(pd.Index(window["service_id"]))
    origin = pd.Index(instance.origin_ids).get_indexer(pd.Index(window["origin_id"]))
    keep = (service >= 0) & (origin >= 0)
    shape = (instance.n_services, instance.n_origins, _DAYPARTS)
    total, peak = np.zeros(shape), np.zeros(shape)
    at = (service[keep], origin[keep], window["daypart"].to_numpy(np.int64)[keep])
    np.add.at(total, at, window["mean_rps"].to_numpy(np.float64)[keep])
    np.maximum.at(peak, at, window["max_rps"].to_numpy(np.float64)[keep])
    days = max(1, window["observed_on"].nunique())
    return total.mean(axis=2) / days, peak
