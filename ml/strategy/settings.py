"""Parameters of the strategy stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ml.latency.settings import read_params


@dataclass(frozen=True)
class StrategySettings:
    """Parameters of ``ml/strategy/params.yaml``; units and reasons stand there."""

    trees: int
    min_leaf: int
    seed: int
    folds: int
    label_days: int
    min_services: int
    min_cuts: int
    min_class_rows: int
    label_services: int
    label_cells: int
    permutations: int
    leak_accuracy: float
    leak_slack: float

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.folds < 2:
            raise ValueError(f"folds == {self.folds}, must be at least 2")
        if not 0 < self.leak_accuracy <= 1:
            raise ValueError(f"leak_accuracy == {self.leak_accuracy}, must be above 0, at most 1")

    @classmethod
    def load(cls) -> Self:
        """Return the parameters of ``ml/strategy/params.yaml``."""
        return read_params(Path(__file__).with_name("params.yaml"), cls)
