"""What is registered of each design: windows, limits, numbers of draws."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)


class Frozen(BaseModel):
    """A part of the configuration: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Switchback(Frozen):
    """The coin design: blocks of two days, warm-up hours dropped from every day.

    ``covariate``: ``demand`` takes off each day what its demand alone does to a metric, by a factor
    frozen before the experiment; null leaves the days as they are.
    """

    block_days: Literal[2] = 2
    warmup_hours: Literal[4] = 4
    min_blocks: int = Field(default=7, ge=1)
    coin_redraws: int = Field(default=200, ge=0)
    excluded_days: tuple[date, ...] = ()
    covariate: Literal["demand"] | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a covariate that is off: older registrations stay what they were."""
        told: dict[str, Any] = handler(self)
        return {key: value for key, value in told.items() if key != "covariate" or value}


class Cluster(Frozen):
    """The coin design by call-graph community, and when it may not be run."""

    min_edge_share: float = Field(default=0.01, ge=0, lt=1)
    max_crossing_share: float = Field(default=0.15, gt=0, le=1)
    max_community_share: float = Field(default=0.20, gt=0, le=1)
    max_utilisation: float = Field(default=0.70, gt=0, le=1)
    permutations: int = Field(default=999, ge=99)


class Wedge(Frozen):
    """One-way waves: days before, a baseline, then a wave every few days."""

    pre_days: int = Field(default=14, ge=1)
    baseline_days: int = Field(default=7, ge=0)
    waves: int = Field(default=5, ge=1)
    wave_days: int = Field(default=7, ge=1)
    permutations: int = Field(default=999, ge=99)


class Observational(Frozen):
    """What past moves must have around them, and how they are compared."""

    pre_days: int = Field(default=28, ge=15)
    post_days: int = Field(default=14, ge=7)
    controls: int = Field(default=10, ge=3)
    placebos: int = Field(default=200, ge=200)
    max_spread: float = Field(default=0.03, gt=0)
    max_moves: int = Field(default=40, ge=1)


class Shadow(Frozen):
    """Replay of known days, trusted as far as it foretold past moves."""

    days: int = Field(default=28, ge=2)
    min_moves: int = Field(default=9, ge=9)
    level: float = Field(default=0.90, gt=0.5, lt=1)
