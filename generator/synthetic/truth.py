"""The truth store: what only tests and the audit may read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from generator.synthetic.dirt import Ledger
from generator.synthetic.foundation import Foundation
from generator.synthetic.histogram import BINS, EDGES_MS
from generator.synthetic.history import TRUE_COLUMNS, History


def write_truth(folder: Path, base: Foundation, past: History, ledger: Ledger) -> None:
    """Write the truth of a world.

    Tables: ``placement_truth`` (true latency and its parts by service, region and day),
    ``services_truth`` and ``edges_truth`` (hidden parameters), ``demand_truth`` (expected demand
    by service, origin and hour), ``rtt_truth``, ``fleet_histogram`` and ``dirt_ledger``.

    Args:
        folder: Kept apart from the raw tables; nothing downstream may read it.
        base: The fixed part of the world.
        past: Its history.
        ledger: Every damaged value.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder, "placement_truth", _placement(base, past))
    _save(folder, "services_truth", _services(base))
    _save(folder, "edges_truth", _edges(base))
    _save(folder, "rtt_truth", _rtt(base, past))
    _save(folder, "fleet_histogram", _histogram(base, past))
    _save(folder, "dirt_ledger", ledger.frame())
    _write_demand(folder, base, past)


def _save(folder: Path, name: str, frame: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _day(base: Foundation, day: np.ndarray) -> np.ndarray:
    return (np.datetime64(base.params.start_on, "D") + day).astype("datetime64[s]")


def _placement(base: Foundation, past: History) -> pd.DataFrame:
    s, day, r = np.nonzero(past.active)
    columns: dict[str, np.ndarray] = {
        "service_id": np.array(base.services.ids)[s],
        "region_id": np.array(base.geography.region_ids)[r],
        "placed_on": _day(base, day),
        "instances": past.instances[s, day, r],
        "requests_served": past.requests[s, day, r],
    }
    columns |= {name: past.truth[name][s, day, r] for name in TRUE_COLUMNS}
    keys = ["service_id", "region_id", "placed_on"]
    return pd.DataFrame(columns).sort_values(keys, ignore_index=True)


def _services(base: Foundation) -> pd.DataFrame:
    fleet, users = base.services, base.users
    return pd.DataFrame(
        {
            "service_id": fleet.ids,
            "template": [t.name for t in fleet.templates],
            "service_class": [t.service_class for t in fleet.templates],
            "layer": fleet.layer,
            "is_direct": fleet.is_direct,
            "is_business": fleet.is_business,
            "cpu_ms": fleet.cpu_ms,
            "io_ms": fleet.io_ms,
            "service_ms": fleet.service_ms,
            "workers": fleet.workers,
            "ca2": fleet.ca2,
            "cs2": fleet.cs2,
            "round_trips": fleet.round_trips,
            "noise_sd": fleet.noise_sd,
            "error_base": fleet.error_base,
            "target_utilisation": fleet.target_utilisation,
            "born_day": fleet.born_day,
            "retired_day": fleet.retired_day,
            "base_rps": users.base_rps,
            "demand_noise_sd": users.noise_sd,
            "growth_per_day": users.growth_per_day,
        }
    )


def _edges(base: Foundation) -> pd.DataFrame:
    graph, ids = base.graph, np.array(base.services.ids)
    return pd.DataFrame(
        {
            "caller_service_id": ids[graph.caller],
            "callee_service_id": ids[graph.callee],
            "calls_per_request": graph.calls,
            "factor": graph.factor,
            "stage": graph.stage,
            "is_async": graph.is_async,
        }
    )


def _rtt(base: Foundation, past: History) -> pd.DataFrame:
    ids = np.array(base.geography.region_ids)
    day, a, b = (x.ravel() for x in np.indices(past.rtt_ms.shape))
    return pd.DataFrame(
        {
            "source_region": ids[a],
            "target_region": ids[b],
            "observed_on": _day(base, day),
            "rtt_ms": past.rtt_ms.ravel(),
        }
    )


def _histogram(base: Foundation, past: History) -> pd.DataFrame:
    day, b = (x.ravel() for x in np.indices(past.fleet_histogram.shape))
    upper = np.append(EDGES_MS, np.nan)
    return pd.DataFrame(
        {
            "observed_on": _day(base, day),
            "bin": b,
            "upper_bound_ms": upper[np.minimum(b, BINS - 1)],
            "requests": past.fleet_histogram.ravel(),
        }
    )


def _write_demand(folder: Path, base: Foundation, past: History) -> None:
    """Write expected demand by block of services: at company size it has 39 million rows."""
    ids, origins = list(base.services.ids), list(base.geography.region_ids)
    start = np.datetime64(base.params.start_on, "h")
    hours = past.days * 24
    time = pa.array((start + np.arange(hours)).astype("datetime64[us]"))
    schema = pa.schema(
        [
            ("service_id", pa.dictionary(pa.int32(), pa.string())),
            ("origin_id", pa.dictionary(pa.int32(), pa.string())),
            ("hour_start", pa.timestamp("us")),
            ("expected_rps", pa.float32()),
        ]
    )
    path = folder / "demand_truth.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, len(ids), 25):
            block = past.rates[first : first + 25]
            s, o, h = (x.ravel() for x in np.indices(block.shape, dtype=np.int32))
            rows = [
                pa.DictionaryArray.from_arrays(pa.array(s + first), ids),
                pa.DictionaryArray.from_arrays(pa.array(o), origins),
                time.take(pa.array(h)),
                pa.array(block.ravel().astype(np.float32)),
            ]
            writer.write_table(pa.Table.from_arrays(rows, schema=schema))
