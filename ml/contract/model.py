"""What a table of the contract is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "bigint", "double", "boolean", "date", "usd"]

BLOCKERS = (
    "NOT_OFFERED",
    "REGION_BANNED",
    "RESIDENCY",
    "INCOMPLETE_DATA",
    "MAX_REGIONS",
    "MIN_REGIONS",
    "SLO_MISSED",
    "N1_LOSS",
    "NO_CAPACITY",
    "SLOWER_THAN_TODAY",
)
DESIGNS = (
    *("twin", "switchback", "cluster_switchback"),
    *("stepped_wedge", "observational", "shadow"),
)
EXPERIMENT_STATUSES = ("ok", "insufficient", "invalid", "refused", "biased_by_interference")


@dataclass(frozen=True)
class Column:
    """One column of a prediction table; ``low`` and ``high`` bound a sane value, inclusive."""

    name: str
    type: ColumnType
    description: str
    required: bool = True
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One prediction table; ``key`` names the columns that identify a row."""

    name: str
    key: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]
    may_be_empty: bool = False


def column(
    name: str,
    type_: ColumnType,
    description: str,
    *,
    required: bool = True,
    low: float | None = None,
    high: float | None = None,
    values: tuple[str, ...] = (),
) -> Column:
    """Return a column; one that is required holds no null."""
    return Column(name, type_, description, required, low, high, values)


def share(name: str, description: str) -> Column:
    """Return a share between 0 and 1 that may be unknown."""
    return column(name, "double", description, required=False, low=0, high=1)


SERVICE = column("service_id", "text", "Service; one row of dim_services.")
REGION = column("region_id", "text", "Region; one row of dim_regions.")
MODEL = column("model_id", "text", "Content hash of the fitted model that produced the row.")
