"""Daily latency of every service as it was, and the days on which its regions changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.experiment.fleet import FeatureReader
from ml.experiment.metrics import Floats

DAYS = "feat_latency__service_region_days"
CALLS = "feat_placement__calls"


@dataclass(frozen=True)
class Move:
    """A change of regions: ``day`` is the index of the first day under the new ones."""

    service: int
    day: int
    from_regions: str
    to_regions: str


@dataclass(frozen=True)
class Panel:
    """What was observed, one row per service and one column per day.

    Attributes:
        service_ids: Services, sorted.
        first_on: Day of column 0.
        logs: Log of request-weighted mean latency, NaN where unknown, shape (S, D).
        requests: Requests, shape (S, D).
        moves: Every change of a service's set of regions, by service and day.
        calls: Who calls whom, either way, shape (S, S); None where no call is known.
    """

    service_ids: tuple[str, ...]
    first_on: date
    logs: Floats
    requests: Floats
    moves: tuple[Move, ...]
    calls: NDArray[np.bool_] | None = None

    def is_neighbour(self, service: int) -> NDArray[np.bool_]:
        """Return which services call it or are called by it, shape (S,)."""
        if self.calls is None:
            return np.zeros(len(self.service_ids), dtype=bool)
        beside: NDArray[np.bool_] = self.calls[service]
        return beside

    def date_of(self, day: int) -> date:
        """Return the calendar day of a column."""
        return self.first_on + timedelta(days=day)

    def traffic(self) -> Floats:
        """Return each service's share of all requests, shape (S,)."""
        whole = self.requests.sum(axis=1)
        total = float(whole.sum())
        share: Floats = whole / total if total else whole
        return share

    def moved_days(self) -> dict[int, list[int]]:
        """Return the days of moves by service."""
        found: dict[int, list[int]] = {}
        for move in self.moves:
            found.setdefault(move.service, []).append(move.day)
        return found


def read_panel(features: FeatureReader) -> Panel | None:
    """Read the panel from the features; None if they hold no day."""
    if not features.has(DAYS):
        return None
    rows = features.read(DAYS)[
        ["service_id", "region_id", "placed_on", "observed_ms", "requests_served"]
    ]
    if rows.empty:
        return None
    rows = rows.assign(placed_on=pd.to_datetime(rows["placed_on"]))
    first = rows["placed_on"].min()
    rows["day"] = (rows["placed_on"] - first).dt.days
    panel = make_panel(rows, pd.Timestamp(first).date())
    return replace(panel, calls=_calls(features, panel.service_ids))


def _calls(features: FeatureReader, ids: tuple[str, ...]) -> NDArray[np.bool_] | None:
    if not features.has(CALLS):
        return None
    position = {service: index for index, service in enumerate(ids)}
    rows = features.read(CALLS)
    rows = rows[rows["caller_service_id"].isin(position) & rows["callee_service_id"].isin(position)]
    calls = np.zeros((len(ids), len(ids)), dtype=bool)
    ends = [rows[f"{end}_service_id"].map(position).to_numpy() for end in ("caller", "callee")]
    calls[ends[0], ends[1]] = calls[ends[1], ends[0]] = True
    np.fill_diagonal(calls, False)
    return calls


def make_panel(rows: pd.DataFrame, first_on: date) -> Panel:
    """Build the panel from service_id, region_id, day, observed_ms, requests_served."""
    ids = tuple(sorted(map(str, rows["service_id"].unique())))
    position = {service: index for index, service in enumerate(ids)}
    days = int(rows["day"].max()) + 1
    shape = (len(ids), days)
    service = rows["service_id"].map(position).to_numpy()
    day = rows["day"].to_numpy()
    served = rows["requests_served"].to_numpy(dtype=np.float64)
    spent = served * rows["observed_ms"].to_numpy(dtype=np.float64)
    requests, waited = np.zeros(shape), np.zeros(shape)
    np.add.at(requests, (service, day), np.nan_to_num(served))
    np.add.at(waited, (service, day), np.nan_to_num(spent))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(requests > 0, waited / requests, np.nan))
    logs = np.where(np.isfinite(logs), logs, np.nan)
    return Panel(ids, first_on, logs, requests, _moves(rows, position))


def _moves(rows: pd.DataFrame, position: dict[str, int]) -> tuple[Move, ...]:
    ordered = rows.sort_values(["service_id", "day", "region_id"])
    sets = ordered.groupby(["service_id", "day"], sort=True)["region_id"].agg(
        lambda regions: ", ".join(map(str, regions))
    )
    found: list[Move] = []
    for service, days in sets.groupby(level=0, sort=True):
        series = days.droplevel(0)
        before = series.shift()
        # A day without rows is a gap in the data, not a move.
        for day in series.index[(series != before) & before.notna()]:
            found.append(Move(position[str(service)], int(day), str(before[day]), str(series[day])))
    return tuple(found)
