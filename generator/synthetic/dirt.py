"""Damage done to the exported tables, and the ledger that remembers every touched value.

A row suffers at most one kind of damage, drawn from its own key, so that the ledger can be
compared with what cleaning found.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from generator.synthetic.params import DirtParams
from generator.synthetic.rng import Floats, counter, uniform

ORPHAN_ID = "svc-99999"
CLEAN = "clean"
LEDGER_COLUMNS = (
    "kind",
    "table_name",
    "service_id",
    "region_id",
    "other_region_id",
    "observed_at",
    "column_name",
    "clean_value",
    "dirty_value",
)
# Absolute days of the events on a region: early, so that every usual window holds them.
_EVENT_DAYS = (5, 40)


@dataclass
class Ledger:
    """Every value that was touched: one frame per kind and table, in the ledger's columns."""

    parts: list[pd.DataFrame] = field(default_factory=list)

    def add(self, kind: str, table: str, column: str, **values: object) -> None:
        """Remember values; arrays of one length, scalars are repeated."""
        frame = pd.DataFrame(values)
        frame["kind"], frame["table_name"], frame["column_name"] = kind, table, column
        if len(frame):
            self.parts.append(frame)

    def frame(self) -> pd.DataFrame:
        """Return the ledger, sorted by its key."""
        if not self.parts:
            return pd.DataFrame(columns=list(LEDGER_COLUMNS))
        whole = pd.concat(self.parts).reindex(columns=list(LEDGER_COLUMNS))
        keys = [c for c in LEDGER_COLUMNS if not c.endswith("_value")]
        return whole.sort_values(keys, kind="stable", ignore_index=True)


def alias_of(region_id: str) -> str:
    """Return the other spelling of a region that some systems use, such as ``US_EAST_1``."""
    return region_id.upper().replace("-", "_")


def kinds(seed: int, table: str, cells: np.ndarray, rates: dict[str, float]) -> np.ndarray:
    """Return the kind of damage of every row, ``clean`` for most.

    Args:
        seed: Seed of the world.
        table: Name of the table; each has its own stream.
        cells: Counters of the rows' keys.
        rates: Share of rows by kind.
    """
    bounds = np.cumsum(list(rates.values()))
    index = np.searchsorted(bounds, uniform(seed, f"dirt_{table}", cells), side="right")
    return np.array([*rates, CLEAN])[index]


@dataclass(frozen=True)
class RegionEvents:
    """Damage to all traffic of one origin.

    Attributes:
        shifted: Pairs of origin and day whose hours were reported one hour late.
        gap: Origin, first hour and hour after the last one of the hours that are missing.
    """

    shifted: tuple[tuple[int, int], ...]
    gap: tuple[int, int, int]


def region_events(seed: int, origins: int, params: DirtParams) -> RegionEvents:
    """Return the events on whole origins, on absolute days."""
    key = counter(np.arange(params.shifted_days + 1))
    origin = (uniform(seed, "event_origin", key) * origins).astype(int)
    low, high = _EVENT_DAYS
    day = low + (uniform(seed, "event_day", key) * (high - low)).astype(int)
    hour = int(uniform(seed, "gap_hour", counter([0]))[0] * (24 - params.gap_hours))
    first = int(day[-1]) * 24 + hour
    # The same origin and day twice would be one event: later ones move on to the next day.
    shifted: list[tuple[int, int]] = []
    for o, d in zip(origin[:-1], day[:-1], strict=True):
        while (int(o), int(d)) in shifted:
            d += 1
        shifted.append((int(o), int(d)))
    return RegionEvents(tuple(shifted), (int(origin[-1]), first, first + params.gap_hours))


def soil_placement(
    seed: int, frame: pd.DataFrame, cells: np.ndarray, params: DirtParams, ledger: Ledger
) -> pd.DataFrame:
    """Return service_placement with damage; rows stay in key order, extra rows beside theirs.

    Args:
        seed: Seed of the world.
        frame: Clean rows in key order.
        cells: Counter of each row's key.
        params: Rates of damage.
        ledger: Remembers every touched value.
    """
    rates = {
        "missing_latency": params.missing_latency,
        "missing_cpu": params.missing_cpu,
        "duplicate": params.duplicate,
        "conflict": params.conflict,
        "unit_error": params.unit_error,
        "zero_latency": params.zero_latency,
        "alias": params.alias,
        "orphan": params.orphan,
    }
    kind = kinds(seed, "placement", cells, rates)
    # A row that served nothing has no latency to damage.
    kind[frame["avg_latency_ms"].isna().to_numpy()] = CLEAN
    u = uniform(seed, "dirt_size", cells)
    dirty = frame.copy()
    log = _PlacementLog(frame, ledger)
    log.blank(dirty, kind == "missing_latency", "missing_latency", "avg_latency_ms")
    log.blank(dirty, kind == "missing_cpu", "missing_cpu", "cpu_utilization")
    scale = np.where(u < 0.5, 1000.0, 0.001)
    for column in ("avg_latency_ms", "p95_latency_ms", "p99_latency_ms"):
        log.scale(dirty, kind == "unit_error", "unit_error", column, scale)
        log.scale(dirty, kind == "zero_latency", "zero_latency", column, np.zeros(len(frame)))
    names = frame["region"].map(alias_of)
    log.replace(dirty, kind == "alias", "alias", "region", names)
    before = dirty[kind == "conflict"].copy()
    before["avg_latency_ms"] = (before["avg_latency_ms"] * (1.1 + u[kind == "conflict"])).round(6)
    log.note(kind == "conflict", "conflict", "avg_latency_ms", before["avg_latency_ms"])
    after = dirty[kind == "duplicate"]
    log.note(kind == "duplicate", "duplicate", "avg_latency_ms", after["avg_latency_ms"])
    orphan = dirty[kind == "orphan"].assign(service_id=ORPHAN_ID)
    log.note(kind == "orphan", "orphan", "service_id", orphan["service_id"])
    # The later row in file order wins: the wrong one of a conflict comes first.
    whole = pd.concat([before, dirty, after, orphan])
    ordered: pd.DataFrame = whole.sort_index(kind="stable").reset_index(drop=True)
    return ordered


@dataclass(frozen=True)
class _PlacementLog:
    clean: pd.DataFrame
    ledger: Ledger

    def note(self, rows: np.ndarray, kind: str, column: str, dirty: pd.Series) -> None:
        clean = self.clean[rows]
        self.ledger.add(
            kind,
            "service_placement",
            column,
            service_id=clean["service_id"].to_numpy(),
            region_id=clean["region"].to_numpy(),
            observed_at=pd.to_datetime(clean["day"]).to_numpy(),
            clean_value=clean[column].astype(str).to_numpy(),
            dirty_value=dirty.astype(str).to_numpy(),
        )

    def replace(
        self, frame: pd.DataFrame, rows: np.ndarray, kind: str, column: str, values: pd.Series
    ) -> None:
        frame.loc[rows, column] = values[rows]
        self.note(rows, kind, column, frame.loc[rows, column])

    def blank(self, frame: pd.DataFrame, rows: np.ndarray, kind: str, column: str) -> None:
        self.replace(frame, rows, kind, column, pd.Series(np.nan, index=frame.index))

    def scale(
        self, frame: pd.DataFrame, rows: np.ndarray, kind: str, column: str, factor: Floats
    ) -> None:
        self.replace(frame, rows, kind, column, (frame[column] * factor).round(6))
