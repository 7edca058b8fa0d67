"""Weights, rules and limits of the optimiser: read once, checked at the door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

_PARAMS = Path(__file__).with_name("params.yaml")
_SHARES = (
    "utilisation_target",
    "utilisation_after_loss",
    "saturation",
    "slo_demand_share",
    "misroute_share",
    "misroute_share_calls",
    "near_tie_share",
    "slowdown_error_share",
    "interval_level",
)


@dataclass(frozen=True)
class Policy:
    """What the optimiser may decide freely, and at what price; units are in ``params.yaml``."""

    utilisation_target: float
    utilisation_after_loss: float
    saturation: float
    min_instances: int
    usd_per_request_ms_critical: float
    usd_per_request_ms_other: float
    open_region_usd_per_hour: float
    replica_usd_per_gb_hour: float
    migration_amortisation_hours: float
    stickiness_share: float
    move_budget: int | None
    max_regions_cap: int
    loss_proof_tiers: tuple[int, ...]
    keep_loss_survival: bool
    slowdown_limit_share: float | None
    slowdown_error_share: float
    default_tier: int
    slo_tiers_hard: tuple[int, ...]
    slo_critical_is_hard: bool
    slo_demand_share: float
    misroute_share: float
    misroute_share_calls: float | None
    near_tie_share: float
    ingress_usd_per_gb: float
    banned_regions: tuple[str, ...]
    frozen_services: tuple[str, ...]
    hour_bins_max: int
    memory_cells_max: int
    interval_level: float
    best_response_rounds: int

    def __post_init__(self) -> None:
        """Refuse values outside their range; the message gives name, value and rule."""
        for name in _SHARES:
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} == {value}, must lie in [0, 1]")
        if not 0 < self.utilisation_target <= self.utilisation_after_loss <= self.saturation:
            raise ValueError(
                f"utilisation_target == {self.utilisation_target}, must be positive and at most "
                f"utilisation_after_loss == {self.utilisation_after_loss}, and that at most "
                f"saturation == {self.saturation}"
            )
        for name in ("min_instances", "max_regions_cap", "hour_bins_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} == {getattr(self, name)}, must be at least 1")
        if self.move_budget is not None and self.move_budget < 0:
            raise ValueError(f"move_budget == {self.move_budget}, must be null or at least 0")
        for name, value in asdict(self).items():
            if isinstance(value, float) and not 0 <= value < float("inf"):
                raise ValueError(f"{name} == {value}, must be finite and not negative")

    @property
    def slowdown_factor(self) -> float:
        """Predicted mean latency allowed, as a multiple of today's; infinite without the rule."""
        if self.slowdown_limit_share is None:
            return float("inf")
        return max(1.0, (1.0 + self.slowdown_limit_share) / (1.0 + self.slowdown_error_share))

    def digest(self) -> str:
        """Return the SHA-256 of all values, the ``config_hash`` of every plan."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def load_policy(overrides: Mapping[str, Any] | None = None) -> Policy:
    """Return the packaged policy with ``overrides`` on top.

    Args:
        overrides: Values by name, for example ``{"move_budget": 20}``.

    Raises:
        ValueError: If a name is unknown, or a value is out of range.

    Example:
        >>> load_policy({"move_budget": 20}).move_budget
        20
    """
    packaged = yaml.safe_load(_PARAMS.read_text(encoding="utf-8"))
    values = {name: entry["value"] for name, entry in packaged.items()}
    values.update(overrides or {})
    known = {field.name for field in fields(Policy)}
    unknown, missing = sorted(set(values) - known), sorted(known - set(values))
    if unknown or missing:
        raise ValueError(f"policy has unknown keys {unknown} and lacks {missing}")
    lists = {name: tuple(v) for name, v in values.items() if isinstance(v, (list, tuple))}
    return Policy(**{**values, **lists})
