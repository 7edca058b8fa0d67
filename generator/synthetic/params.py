"""Reads ``params.yaml`` once into frozen dataclasses; an unknown or missing key is refused."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

ServiceClass = Literal["entry", "middle", "leaf"]


@dataclass(frozen=True)
class Template:
    """One kind of service: its class, layer of the call graph and median work in ms."""

    name: str
    service_class: ServiceClass
    layer: int
    cpu_ms: float
    io_ms: float


@dataclass(frozen=True)
class ServiceParams:
    """Shares of services of a kind, and the absolute days of births and retirements."""

    business_share: float
    direct_middle_share: float
    born_share: float
    born_days: tuple[int, int]
    retired_share: float
    retired_days: tuple[int, int]


@dataclass(frozen=True)
class DemandParams:
    """User demand: level, noise, growth and flash crowds."""

    scale_rps: float
    tail: float
    floor_rps: float
    phi: float
    noise_low: float
    noise_span: float
    growth_sd_per_day: float
    fleet_sd: float
    flash_rate_per_day: float
    flash_hours: int


@dataclass(frozen=True)
class PlacementParams:
    """How services were placed, routed and sized in the past."""

    regime_days: float
    ignore_share_rate: float
    region_count: dict[str, tuple[float, ...]]
    misroute_share: float
    sizing_noise: float
    max_instances: int


@dataclass(frozen=True)
class NetworkParams:
    """Round trips between regions and how they move."""

    same_region_ms: float
    drift_phi: float
    drift_sd: float
    minor_rate: float
    major_rate: float
    measurement_sd: float
    fibre_km_per_ms: float


@dataclass(frozen=True)
class LatencyParams:
    """Noise on what is observed of latency."""

    row_phi: float
    sampling_sd: float
    incident_rate: float
    deploy_rate: float
    deploy_sd: float


@dataclass(frozen=True)
class DirtParams:
    """Rates of each kind of damage done to the exported tables."""

    missing_latency: float
    missing_cpu: float
    duplicate: float
    conflict: float
    late: float
    unit_error: float
    zero_latency: float
    alias: float
    orphan: float
    faster_than_light: float
    shifted_days: int
    gap_hours: int


@dataclass(frozen=True)
class MoneyParams:
    """Prices that no fact of a region tells."""

    storage_usd_per_gb_month: float


@dataclass(frozen=True)
class Params:
    """Everything a modeller may tune."""

    start_on: date
    timeout_ms: float
    templates: tuple[Template, ...]
    noise_factor: dict[str, float]
    services: ServiceParams
    demand: DemandParams
    placement: PlacementParams
    network: NetworkParams
    latency: LatencyParams
    dirt: DirtParams
    money: MoneyParams


def _section(cls: type[Any], name: str, raw: dict[str, Any]) -> Any:
    known = {f.name for f in fields(cls)}
    if set(raw) != known:
        msg = f"params.yaml {name}: unknown or missing keys {sorted(set(raw) ^ known)}"
        raise ValueError(msg)
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()})


@cache
def load_params() -> Params:
    """Return the parameters of the synthetic world.

    Raises:
        ValueError: If the file has an unknown key or lacks one.
    """
    path = Path(__file__).parent / "params.yaml"
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    sections: dict[str, type[Any]] = {
        "services": ServiceParams,
        "demand": DemandParams,
        "placement": PlacementParams,
        "network": NetworkParams,
        "latency": LatencyParams,
        "dirt": DirtParams,
        "money": MoneyParams,
    }
    for name, cls in sections.items():
        if name in raw:
            raw[name] = _section(cls, name, raw[name])
    raw["templates"] = tuple(Template(n, *v) for n, v in raw["templates"].items())
    params: Params = _section(Params, "", raw)
    return params
