"""Feature tables of the latency stage, as one checked bundle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.io import Features

ROW_KEY = ["service_id", "region_id", "placed_on"]
# A column that a source cannot give is null throughout; these defaults keep the physics defined.
_ZERO_IF_NULL = ("rtt_w_ms", "demand_ms", "q_hat_ms", "q_w95_ms")
_EDGE = ["caller_service_id", "callee_service_id"]


@dataclass(frozen=True)
class LatencyInputs:
    """What the latency stage knows.

    Attributes:
        rows: One row per service, region and day; ``is_labelled`` says that a latency was seen.
        edges: Synchronous calls with ``latency_factor`` and ``stage``.
        places: Where and when services ran, ``service_id, region_id, day_index``; more than the
            rows, whose latency may have been set aside.
        flows: Who calls each row, ``row, share, rtt_ms``; ``row`` is a position in ``rows``.
        rtt: Round trips ``client_id, region_id, day_index, rtt_ms``; day -1 holds the median.
        candidates: Every active service in every region.
        days: Days of the history; ``day_index`` runs from 0 to ``days - 1``.
        misroute_share: Requests that do not go to the nearest active region.
        cpu_missing_share: Rows whose CPU demand is unknown.
    """

    rows: pd.DataFrame
    edges: pd.DataFrame
    places: pd.DataFrame
    flows: pd.DataFrame
    rtt: pd.DataFrame
    candidates: pd.DataFrame
    days: int
    misroute_share: float
    cpu_missing_share: float


def read_inputs(features: Features) -> LatencyInputs:
    """Read the tables of the latency stage from the warehouse."""
    window = features.read("feat_window").iloc[0]
    return build_inputs(
        rows=features.read("feat_latency__service_region_days"),
        edges=features.read("feat_latency__dependencies"),
        shares=features.read("feat_latency__call_shares"),
        pairs=features.read("feat_placement__region_pairs"),
        candidates=features.read("feat_latency__candidates"),
        first_on=pd.Timestamp(window["first_on"]),
        last_on=pd.Timestamp(window["last_on"]),
        misroute_share=window["misroute_share"],
    )


def build_inputs(
    *,
    rows: pd.DataFrame,
    edges: pd.DataFrame,
    shares: pd.DataFrame,
    pairs: pd.DataFrame,
    candidates: pd.DataFrame,
    first_on: pd.Timestamp,
    last_on: pd.Timestamp,
    misroute_share: float,
) -> LatencyInputs:
    """Return the bundle with rows in key order, days counted from ``first_on`` and no null physics.

    Args:
        rows: ``feat_latency__service_region_days``.
        edges: ``feat_latency__dependencies``; asynchronous calls add no waiting and are dropped.
        shares: ``feat_latency__call_shares``; gives the round trip of each day.
        pairs: ``feat_placement__region_pairs``; gives the median round trip.
        candidates: ``feat_latency__candidates``.
        first_on: First day of the history.
        last_on: Last complete day.
        misroute_share: Null counts as 0.
    """
    table = rows.copy()
    table["placed_on"] = pd.to_datetime(table["placed_on"])
    table = table[table["placed_on"] <= last_on].sort_values(ROW_KEY, ignore_index=True)
    table["day_index"] = (table["placed_on"] - first_on).dt.days
    cpu_missing = float(table["demand_ms"].isna().mean()) if len(table) else 1.0
    observed = pd.to_numeric(table["observed_ms"], errors="coerce")
    table["is_labelled"] = observed.notna() & (observed > 0)
    asked = candidates.sort_values(["service_id", "region_id"], ignore_index=True)
    calls = edges[~_flag(edges["is_async"])].sort_values(_EDGE, ignore_index=True)
    return LatencyInputs(
        rows=_plain(table),
        edges=calls,
        places=_places(table, shares, first_on, last_on),
        flows=_flows(table, shares),
        rtt=_round_trips(shares, pairs, first_on),
        candidates=_plain(asked),
        days=int((last_on - first_on).days) + 1,
        misroute_share=0.0 if pd.isna(misroute_share) else float(misroute_share),
        cpu_missing_share=cpu_missing,
    )


def _flag(values: pd.Series) -> pd.Series:
    return values.astype("boolean").fillna(False).astype(bool)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy()
    for name in _ZERO_IF_NULL:
        if name in out:
            out[name] = pd.to_numeric(out[name], errors="coerce").fillna(0.0)
    for name in ("is_entry", "is_latency_critical"):
        out[name] = _flag(out[name])
    for name in ("template", "service_class"):
        out[name] = out[name].astype("object").fillna("unknown")
    return out


def _places(
    rows: pd.DataFrame, shares: pd.DataFrame, first_on: pd.Timestamp, last_on: pd.Timestamp
) -> pd.DataFrame:
    served = shares[ROW_KEY].assign(placed_on=pd.to_datetime(shares["placed_on"]))
    served = served[(served["placed_on"] >= first_on) & (served["placed_on"] <= last_on)]
    both = pd.concat([rows[ROW_KEY], served], ignore_index=True).drop_duplicates()
    both["day_index"] = (both["placed_on"] - first_on).dt.days
    return both.sort_values(ROW_KEY, ignore_index=True)


def _flows(rows: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    position = rows[ROW_KEY].assign(row=np.arange(len(rows)))
    calls = shares.assign(placed_on=pd.to_datetime(shares["placed_on"]))
    flows = calls.merge(position, on=ROW_KEY, how="inner").dropna(subset=["share", "rtt_ms"])
    flows = flows.sort_values(["row", "client_id", "is_user"], ignore_index=True)
    return flows[["row", "share", "rtt_ms"]]


def _round_trips(shares: pd.DataFrame, pairs: pd.DataFrame, first_on: pd.Timestamp) -> pd.DataFrame:
    median = pairs[["client_id", "region_id", "rtt_ms"]].assign(day_index=-1)
    daily = shares[["client_id", "region_id", "placed_on", "rtt_ms"]].dropna()
    daily = daily.assign(day_index=(pd.to_datetime(daily["placed_on"]) - first_on).dt.days)
    key = ["client_id", "region_id", "day_index"]
    daily = daily.groupby(key, sort=True)["rtt_ms"].median().reset_index()
    columns = [*key, "rtt_ms"]
    both = pd.concat([median[columns], daily[columns]], ignore_index=True)
    both["rtt_ms"] = both["rtt_ms"].astype(np.float64)
    return both
