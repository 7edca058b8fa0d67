"""Parameters of the latency stage: read once, checked at the door."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

_FIELDS = {"value", "unit", "reason"}
T = TypeVar("T")


def read_params(path: Path, target: type[T]) -> T:
    """Return ``target`` filled from a parameter file.

    Args:
        path: YAML; every key holds ``value``, ``unit`` and ``reason``.
        target: Frozen dataclass whose fields are exactly the keys of the file.

    Raises:
        ValueError: Naming unknown or missing keys, or a key without unit or reason.
    """
    entries: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = {field.name for field in dataclasses.fields(target)}  # type: ignore[arg-type]
    if set(entries) != names:
        unknown, missing = sorted(set(entries) - names), sorted(names - set(entries))
        raise ValueError(f"{path.name}: unknown keys {unknown}, missing keys {missing}")
    for key, entry in entries.items():
        if not isinstance(entry, dict) or set(entry) != _FIELDS:
            raise ValueError(f"{path.name}: {key} must hold exactly {sorted(_FIELDS)}")
    values = {
        key: tuple(entry["value"]) if isinstance(entry["value"], list) else entry["value"]
        for key, entry in entries.items()
    }
    return target(**values)


@dataclass(frozen=True)
class LatencySettings:
    """Parameters of ``ml/latency/params.yaml``; units and reasons stand there."""

    train_share: float
    calibrate_share: float
    min_train_rows: int
    min_train_days: int
    min_component_share: float
    min_regions_moved: float
    physics_passes: int
    weight_floor_ms: float
    outlier_log: float
    own_trips: float
    own_queue: float
    own_calls: float
    own_inflation: float
    own_outlier: float
    trees: int
    depth: int
    p95_trees: int
    p95_depth: int
    learning_rate: float
    row_sample: float
    column_sample: float
    min_child_weight: float
    l2: float
    seed: int
    workers: int
    level: float
    candidate_level: float
    width_quantile: float
    width_floor: float
    hot_rho: float
    load_group_rho: float
    min_group_rows: int
    recalibrate_days: int
    label_delay_days: int
    lasting_days: int
    insufficient_factor: float
    fit_rows: int
    fold_rows: int
    service_folds: int
    region_folds: int
    permutations: int
    shap_rows: int
    edges_dropped_share: float
    buckets: tuple[float, ...]
    candidate_days: int

    def __post_init__(self) -> None:
        """Refuse values that cannot work, naming the key and the rule."""
        for name in (
            "train_share",
            "calibrate_share",
            "level",
            "candidate_level",
            "width_quantile",
        ):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ValueError(f"{name} == {value}, must be above 0 and below 1")
        if self.train_share + self.calibrate_share >= 1:
            raise ValueError("train_share + calibrate_share must leave days for the test")
        if not self.buckets or not all(0 < b < 1 for b in self.buckets):
            raise ValueError(f"buckets == {self.buckets}, must lie above 0 and below 1")

    @property
    def of_candidates(self) -> LatencySettings:
        """The same parameters at the level of the candidates' intervals."""
        return dataclasses.replace(self, level=self.candidate_level)

    @classmethod
    def load(cls) -> Self:
        """Return the parameters of ``ml/latency/params.yaml``."""
        return read_params(Path(__file__).with_name("params.yaml"), cls)
