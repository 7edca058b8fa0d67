"""What the experiment must know about the fleet beside the plans: names, rules, prices, routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from ml.experiment.metrics import Floats

WAITING_USD_PER_REQUEST_MS = 2e-9


class FeatureReader(Protocol):
    """The part of :class:`ml.io.Features` that is used here."""

    def has(self, table: str) -> bool:
        """Say whether a feature table exists."""

    def read(self, table: str) -> pd.DataFrame:
        """Return a feature table."""


@dataclass(frozen=True)
class Fleet:
    """Facts by service and region, sorted by id; matrices follow that order.

    Attributes:
        services: Indexed by service_id: service_name, tier, is_latency_critical, min_regions,
            cpu_cores, memory_gb.
        regions: Indexed by region_id: vcpu_hour_usd, memory_gb_hour_usd, capacity_vcpu.
        allowed: Pairs that a service may use.
        demand: Mean requests per second, indexed by (service_id, origin_id).
        rtt_ms: Round trip, indexed by (origin, region).
    """

    services: pd.DataFrame
    regions: pd.DataFrame
    allowed: frozenset[tuple[str, str]]
    demand: pd.DataFrame
    rtt_ms: pd.DataFrame

    def min_regions(self) -> dict[str, int]:
        """Return how many regions each service's rule asks for, at least 1."""
        wanted = self.services["min_regions"].fillna(1).clip(lower=1).astype(int)
        return {str(service): int(count) for service, count in wanted.items()}

    def critical(self, service_ids: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which of ``service_ids`` are latency critical."""
        flags = self.services["is_latency_critical"].reindex(list(service_ids)).astype("boolean")
        return flags.fillna(False).to_numpy(dtype=bool)

    def text(self, service_id: str, column: str) -> str:
        """Return a text attribute, empty where unknown."""
        if service_id not in self.services.index or column not in self.services:
            return ""
        value = self.services.at[service_id, column]
        return str(value) if isinstance(value, str | int | np.integer) else ""


_SERVICE_COLUMNS: dict[str, str | float | bool | None] = {
    "service_name": None,
    "tier": None,
    "is_latency_critical": False,
    "min_regions": 1,
    "cpu_cores": 1.0,
    "memory_gb": 1.0,
}
_REGION_COLUMNS: dict[str, str | float | bool | None] = {
    "vcpu_hour_usd": np.nan,
    "memory_gb_hour_usd": np.nan,
    "capacity_vcpu": np.nan,
}


def _indexed(
    features: FeatureReader, table: str, key: str, columns: dict[str, str | float | bool | None]
) -> pd.DataFrame:
    frame = features.read(table) if features.has(table) else pd.DataFrame({key: []})
    for name, default in columns.items():
        if name not in frame:
            frame[name] = default
    return frame.set_index(key)[list(columns)].sort_index()


def read_fleet(features: FeatureReader) -> Fleet:
    """Read the facts; tables that are absent give empty facts, never an error."""
    services = _indexed(features, "feat_placement__services", "service_id", _SERVICE_COLUMNS)
    regions = _indexed(features, "feat_placement__regions", "region_id", _REGION_COLUMNS)
    allowed: frozenset[tuple[str, str]] = frozenset()
    if features.has("feat_placement__service_regions"):
        pairs = features.read("feat_placement__service_regions")
        pairs = pairs[pairs["is_allowed"].astype(bool)]
        allowed = frozenset(zip(pairs["service_id"], pairs["region_id"], strict=True))
    demand = pd.DataFrame()
    if features.has("feat_placement__service_origin_hours"):
        hours = features.read("feat_placement__service_origin_hours")
        demand = hours.pivot_table(
            index="service_id", columns="origin_id", values="mean_rps", aggfunc="mean"
        ).sort_index()
    rtt = pd.DataFrame()
    if features.has("feat_placement__region_pairs"):
        pairs = features.read("feat_placement__region_pairs")
        rtt = pairs.pivot_table(index="client_id", columns="region_id", values="rtt_ms")
    return Fleet(services, regions, allowed, demand.fillna(0.0), rtt)


def waiting_prices(
    service_ids: tuple[str, ...], placement_services: pd.DataFrame, plan_id: str
) -> Floats:
    """Return what the plan charges for one request waiting one millisecond, USD, per service.

    Read back from the plan's own account (priced waiting / requests / milliseconds), so that the
    objective scored here is the one that was optimised. Services without an account get the
    median; without any account a stated default of 2e-9 USD (2 USD per million requests and
    second).
    """
    rows = placement_services[placement_services["plan_id"] == plan_id].set_index("service_id")
    spent = rows["waiting_usd_per_hour"].astype("float64")
    waited = 3600.0 * rows["mean_rps"].astype("float64") * rows["mean_latency_ms"].astype("float64")
    price = (spent / waited.where(waited > 0)).dropna()
    default = float(price.median()) if len(price) else WAITING_USD_PER_REQUEST_MS
    return np.asarray(price.reindex(list(service_ids)).fillna(default), dtype=np.float64)
