"""Weights, rules and limits of the optimiser: one file, read once, checked at the door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from ml.placement.problem import policy_rules as read
from ml.placement.problem.policy_rules import PolicyError, RefusedError

PACKAGED = Path(__file__).parents[1] / "placement.yml"

_READERS: dict[str, read.Reader] = {
    "utilisation_target": read.share,
    "utilisation_after_loss": read.share,
    "saturation": read.share,
    "min_instances": read.count(1),
    "usd_per_request_ms_critical": read.amount,
    "usd_per_request_ms_other": read.amount,
    "open_region_usd_per_hour": read.amount,
    "replica_usd_per_gb_hour": read.amount,
    "migration_amortisation_hours": read.amount,
    "stickiness_share": read.amount,
    "move_budget": read.optional(read.count(0)),
    "max_regions_cap": read.count(1),
    "loss_proof_tiers": read.numbers,
    "keep_loss_survival": read.flag,
    "slowdown_limit_share": read.optional(read.amount),
    "slowdown_error_share": read.share,
    "default_tier": read.count(0),
    "slo_tiers_hard": read.numbers,
    "slo_critical_is_hard": read.flag,
    "slo_demand_share": read.share,
    "misroute_share": read.share,
    "misroute_share_calls": read.optional(read.share),
    "near_tie_share": read.share,
    "near_tie_is_split": read.flag,
    "ingress_usd_per_gb": read.amount,
    "banned_regions": read.names,
    "frozen_services": read.names,
    "hour_bins_max": read.count(1),
    "memory_cells_max": read.count(1),
    "interval_level": read.share,
    "best_response_rounds": read.count(1),
    "pinned_services": read.names_by_id,
    "region_limits": read.limits_by_id,
    "memory_capacity_gb": read.amounts_by_id,
    "cost_cap_share": read.optional(read.amount),
    "carbon_usd_per_kg": read.optional(read.amount),
    "watts_per_vcpu": read.amount,
    "elastic_slo_usd_per_request": read.optional(read.amount),
    "elastic_capacity_usd_per_vcpu_hour": read.optional(read.amount),
    "elastic_move_usd": read.optional(read.amount),
    "region_loss_usd_per_request": read.optional(read.amount),
    "wave_moves_max": read.count(1),
    "wave_heavy_call_share": read.share,
}


@dataclass(frozen=True)
class Policy:
    """What the optimiser may decide freely, and at what price; units are in ``placement.yml``."""

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
    near_tie_is_split: bool
    ingress_usd_per_gb: float
    banned_regions: tuple[str, ...]
    frozen_services: tuple[str, ...]
    hour_bins_max: int
    memory_cells_max: int
    interval_level: float
    best_response_rounds: int
    pinned_services: tuple[tuple[str, tuple[str, ...]], ...]
    region_limits: tuple[tuple[str, tuple[int | None, int | None]], ...]
    memory_capacity_gb: tuple[tuple[str, float], ...]
    cost_cap_share: float | None
    carbon_usd_per_kg: float | None
    watts_per_vcpu: float
    elastic_slo_usd_per_request: float | None
    elastic_capacity_usd_per_vcpu_hour: float | None
    elastic_move_usd: float | None
    region_loss_usd_per_request: float | None
    wave_moves_max: int
    wave_heavy_call_share: float

    @property
    def slowdown_factor(self) -> float:
        """Predicted mean latency allowed, as a multiple of today's; infinite without the rule."""
        if self.slowdown_limit_share is None:
            return float("inf")
        return max(1.0, (1.0 + self.slowdown_limit_share) / (1.0 + self.slowdown_error_share))

    def digest(self) -> str:
        """Return the SHA-256 of all values, the ``config_hash`` of every plan."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def load_policy(overrides: Mapping[str, Any] | None = None, file: Path | None = None) -> Policy:
    """Return the packaged policy, with the values of ``file`` and then ``overrides`` on top.

    Args:
        overrides: Values by name, for example ``{"move_budget": 20}``.
        file: YAML of ``key: value``, or of ``key: {value, unit, reason}`` like the packaged one.

    Raises:
        PolicyError: If a name is unknown, or a value is out of range; it names file, key, value
            and rule.

    Example:
        >>> load_policy({"move_budget": 20}).move_budget
        20
    """
    where = dict.fromkeys(_READERS, PACKAGED.name)
    values = dict(_file_values(PACKAGED))
    for name, value in _file_values(file) if file is not None else ():
        values[name], where[name] = value, str(file)
    for name, value in (overrides or {}).items():
        values[name], where[name] = value, "settings"
    known = {field.name for field in fields(Policy)}
    for name in sorted(set(values) - known):
        raise PolicyError(where[name], name, values[name], "unknown keys are refused")
    checked = {name: _read(where[name], name, values[name]) for name in sorted(known)}
    _ordered(checked, where)
    return Policy(**checked)


def _file_values(file: Path) -> list[tuple[str, Any]]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise PolicyError(
            str(file), "file", file.name, f"must be readable YAML: {error}"
        ) from error
    if content is None:
        return []
    if not isinstance(content, dict):
        raise PolicyError(str(file), "file", file.name, "must map keys to values")
    return [
        (str(key), entry["value"] if isinstance(entry, dict) and "value" in entry else entry)
        for key, entry in content.items()
    ]


def _read(file: str, key: str, value: Any) -> Any:
    try:
        return _READERS[key](value)
    except RefusedError as error:
        raise PolicyError(file, key, value, str(error)) from error


def _ordered(values: Mapping[str, Any], where: Mapping[str, str]) -> None:
    """Refuse values that contradict each other."""
    target, after = values["utilisation_target"], values["utilisation_after_loss"]
    if not 0 < target <= after <= values["saturation"]:
        raise PolicyError(
            where["utilisation_target"],
            "utilisation_target",
            target,
            f"must be positive and at most utilisation_after_loss == {after}, and that at most "
            f"saturation == {values['saturation']}",
        )
    if values["migration_amortisation_hours"] <= 0:
        key = "migration_amortisation_hours"
        raise PolicyError(where[key], key, values[key], "must be positive")
    for service, regions in values["pinned_services"]:
        if len(regions) > values["max_regions_cap"]:
            raise PolicyError(
                where["pinned_services"],
                f"pinned_services.{service}",
                regions,
                f"must list at most max_regions_cap == {values['max_regions_cap']} regions",
            )


__all__ = ["PACKAGED", "Policy", "PolicyError", "load_policy"]
