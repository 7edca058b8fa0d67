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
# Single rows are set aside by the checks on raw data, some with a neighbour; a move lasts.
GAP_DAYS = 3


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
    """Build the panel from service_id, region_id, day, observed_ms, requests_served.

    A region whose row is missing on a few days (set aside, or nothing was served) did not leave:
    its days are bridged by those around them. A day on which a service has no row stays unknown.
    """
    ids = tuple(sorted(map(str, rows["service_id"].unique())))
    regions = tuple(sorted(map(str, rows["region_id"].unique())))
    shape = (len(ids), len(regions), int(rows["day"].max()) + 1)
    at = (
        rows["service_id"].map({name: index for index, name in enumerate(ids)}).to_numpy(),
        rows["region_id"].map({name: index for index, name in enumerate(regions)}).to_numpy(),
        rows["day"].to_numpy(),
    )
    served = np.nan_to_num(rows["requests_served"].to_numpy(dtype=np.float64))
    spent = np.nan_to_num(served * rows["observed_ms"].to_numpy(dtype=np.float64))
    requests, waited, ran = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
    np.add.at(requests, at, served)
    np.add.at(waited, at, spent)
    ran[at] = True
    known = np.asarray(ran.any(axis=1))
    stays = bridge(ran)
    missing = stays & ~ran & known[:, None, :]
    for service, region in np.argwhere(missing.any(axis=2)):
        gaps, seen = (np.flatnonzero(part[service, region]) for part in (missing, ran))
        for values in (requests, waited):
            values[service, region, gaps] = np.interp(gaps, seen, values[service, region, seen])
    load, wait = requests.sum(axis=1), waited.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(known & (load > 0), wait / load, np.nan))
    logs = np.where(np.isfinite(logs), logs, np.nan)
    return Panel(ids, first_on, logs, load, _moves(stays, known, regions))


def bridge(ran: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill absences of at most :data:`GAP_DAYS` days, at either end too; shape (..., D).

    Example:
        >>> bridge(np.array([1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0], dtype=bool)).astype(int)
        array([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1])
    """
    days = ran.shape[-1]
    index = np.arange(days)
    last = np.maximum.accumulate(np.where(ran, index, -1), axis=-1)
    following = np.where(ran, index, days)
    following = np.minimum.accumulate(following[..., ::-1], axis=-1)[..., ::-1]
    # The day before the first and the day after the last belong to nobody.
    length = following - last - 1
    result: NDArray[np.bool_] = ran | ((length <= GAP_DAYS) & ran.any(axis=-1, keepdims=True))
    return result


def _moves(
    stays: NDArray[np.bool_], known: NDArray[np.bool_], regions: tuple[str, ...]
) -> tuple[Move, ...]:
    """Return every day on which a service's regions are others than on its last known day."""

    def names(service: int, day: int) -> str:
        return ", ".join(regions[index] for index in np.flatnonzero(stays[service, :, day]))

    found: list[Move] = []
    for service in range(len(stays)):
        # A day without rows is a gap in the data, not a move.
        days = np.flatnonzero(known[service])
        sets = stays[service][:, days]
        for step in np.flatnonzero((sets[:, 1:] != sets[:, :-1]).any(axis=0)):
            before, day = int(days[step]), int(days[step + 1])
            found.append(Move(service, day, names(service, before), names(service, day)))
    return tuple(found)
