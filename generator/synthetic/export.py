"""Turns a world into the raw tables, damage included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from generator.contract import TABLES
from generator.synthetic.demand import nominal_rps
from generator.synthetic.dirt import Ledger, region_events, soil_placement
from generator.synthetic.dirt_traffic import Hours, TrafficSoiler
from generator.synthetic.facts import distance_km, egress_facts
from generator.synthetic.foundation import Foundation
from generator.synthetic.history import History
from generator.synthetic.land import Landed, TableWriter
from generator.synthetic.network import probed_rtt_ms
from generator.synthetic.rng import Floats, counter, uniform

Columns = dict[str, pa.Array]
# Light in fibre, km per ms: c over the refractive index 1.468 of standard single-mode fibre.
_LIGHT_KM_PER_MS = 204.218
_TRAFFIC_BLOCK = 25


def write_tables(folder: Path, base: Foundation, past: History, ledger: Ledger) -> list[Landed]:
    """Write every raw table of the contract; absent optional ones have no rows.

    Args:
        folder: Where the landed files go.
        base: The fixed part of the world.
        past: Its history.
        ledger: Remembers every touched value.
    """
    one: dict[str, Columns | None] = {
        "regions": _regions(base, past),
        "region_egress": _egress(base),
        "origins": None,
        "services": _services(base, past),
        "service_dependencies": _dependencies(base),
        "regional_latency": _latency(base, past, ledger),
        "service_placement": _placement(base, past, ledger),
        "service_latency_histogram": None,
    }
    landed = []
    for name, columns in one.items():
        with TableWriter(folder, TABLES[name]) as writer:
            if columns is not None:
                writer.append(columns)
        landed.append(writer.landed())
    with TableWriter(folder, TABLES["traffic_patterns"]) as writer:
        for columns in _traffic(base, past, ledger):
            writer.append(columns)
    landed.append(writer.landed())
    return landed


def _text(values: object) -> pa.Array:
    return pa.array(list(values), pa.string())  # type: ignore[call-overload]


def _number(values: Floats) -> pa.Array:
    """Return floats rounded to 6 decimals, null where unknown."""
    return pa.array(np.round(np.asarray(values, dtype=np.float64), 6), from_pandas=True)


def _optional_integer(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.int64(), mask=values == 0)


def _days(base: Foundation, days: np.ndarray) -> np.ndarray:
    return np.datetime64(base.params.start_on, "D") + days


def _regions(base: Foundation, past: History) -> Columns:
    geography, fleet = base.geography, base.services
    rows = geography.rows
    vcpu = (past.instances[:, -1] * fleet.cores[:, None]).sum(axis=0)
    key = counter(0, np.arange(len(rows)))
    # About two regions in three have a limit; the fleet uses 60 to 70 % of it on its last day.
    limit = np.ceil(vcpu / (0.60 + 0.10 * uniform(base.seed, "capacity", key)) / 10) * 10
    limited = uniform(base.seed, "has_capacity", key) < 0.65
    out: Columns = {
        name: _text(row[name] for row in rows)
        for name in ("region_id", "provider", "display_name", "country_code", "continent", "source")
    }
    for name in TABLES["regions"].columns:
        if name.type in ("double", "decimal") and name.name in rows[0]:
            out[name.name] = _number(geography.numbers(name.name))
    out["capacity_vcpu"] = _number(np.where(limited, limit, np.nan))
    out["observed_on"] = _text(row["observed_on"] for row in rows).cast(pa.date32())
    return out


def _egress(base: Foundation) -> Columns:
    rows = sorted(
        egress_facts(base.geography.region_ids),
        key=lambda row: (row["source_region"], row["target_region"]),
    )
    out: Columns = {n: _text(r[n] for r in rows) for n in ("source_region", "target_region")}
    out["usd_per_gb"] = _number(np.array([float(r["usd_per_gb"]) for r in rows]))
    out["source"] = _text(r["source"] for r in rows)
    out["observed_on"] = _text(r["observed_on"] for r in rows).cast(pa.date32())
    return out


def _services(base: Foundation, past: History) -> Columns:
    fleet, drawn = base.services, base.attributes
    return {
        "service_id": _text(fleet.ids),
        "service_name": _text(fleet.names),
        "team": _text(drawn.team),
        "cpu_cores": _number(fleet.cores),
        "memory_mb": pa.array(fleet.memory_mb),
        "latency_critical": pa.array(fleet.is_critical),
        "tier": pa.array(drawn.tier),
        "slo_p95_ms": _number(past.slo_ms),
        "traffic_volume_rps": _number(nominal_rps(base.users, fleet, base.graph)),
        "dependencies": pa.array(base.graph.out_degree(len(fleet))),
        "min_regions": _optional_integer(drawn.min_regions),
        "max_regions": _optional_integer(drawn.max_regions),
        "residency": _text(word or None for word in drawn.residency),
        "stateful": pa.array(drawn.is_stateful),
        "state_gb": _number(np.where(drawn.is_stateful, drawn.state_gb, np.nan)),
        "request_kb": _number(drawn.request_kb),
        "response_kb": _number(drawn.response_kb),
    }


def _dependencies(base: Foundation) -> Columns:
    graph, ids = base.graph, base.services.ids
    return {
        "caller_service_id": _text(ids[i] for i in graph.caller),
        "callee_service_id": _text(ids[i] for i in graph.callee),
        "calls_per_request": _number(graph.calls),
        "is_async": pa.array(graph.is_async),
        "stage": pa.array(graph.stage),
        "serial_calls": _number(graph.serial_calls),
        "request_kb": _number(graph.request_kb),
        "response_kb": _number(graph.response_kb),
    }


def _latency(base: Foundation, past: History, ledger: Ledger) -> Columns:
    geography, ids = base.geography, np.array(base.geography.region_ids)
    median, p95 = probed_rtt_ms(base.seed, past.rtt_ms, base.params.network)
    days = median.shape[0]
    order = np.argsort(ids)
    source, target, day = (
        a.ravel() for a in np.meshgrid(order, order, np.arange(days), indexing="ij")
    )
    value, high = median[day, source, target], p95[day, source, target]
    km = distance_km(geography.numbers("latitude"), geography.numbers("longitude"))
    cells = counter(source, target, day)
    fast = uniform(base.seed, "dirt_rtt", cells) < base.params.dirt.faster_than_light
    fast &= km[source, target] > 500
    # Well below the limit, so that 50 km of coordinate error cannot excuse it.
    share = 0.1 + 0.6 * uniform(base.seed, "dirt_size", cells)
    light = 2 * (km[source, target] - 50) / _LIGHT_KM_PER_MS
    reported = np.where(fast, share * light, value)
    at = _days(base, day).astype("datetime64[us]") + np.timedelta64(12, "h")
    ledger.add(
        "faster_than_light",
        "regional_latency",
        "latency_ms",
        region_id=ids[source][fast],
        other_region_id=ids[target][fast],
        observed_at=at[fast],
        clean_value=np.round(value[fast], 6).astype(str),
        dirty_value=np.round(reported[fast], 6).astype(str),
    )
    measured = geography.is_measured[source, target]
    return {
        "source_region": _text(ids[source]),
        "target_region": _text(ids[target]),
        "observed_at": pa.array(at),
        "latency_ms": _number(reported),
        "p95_latency_ms": _number(np.maximum(high, reported)),
        "samples": pa.array(np.full(day.size, 288)),
        "source": _text(np.where(measured, "mesh", "distance")),
    }


def _placement(base: Foundation, past: History, ledger: Ledger) -> Columns:
    ids = np.array(base.geography.region_ids)
    s, day, r = np.nonzero(past.active)
    by_key = np.lexsort((day, ids[r], s))
    s, day, r = s[by_key], day[by_key], r[by_key]
    at = (s, day, r)
    fleet, money = base.services, base.geography
    hourly = (
        fleet.cores[s] * money.numbers("vcpu_hour_usd")[r]
        + fleet.memory_mb[s] / 1024 * money.numbers("memory_gb_hour_usd")[r]
    )
    frame = pd.DataFrame(
        {
            "service_id": np.array(fleet.ids)[s],
            "region": ids[r],
            "day": _days(base, day),
            "instances": past.instances[at],
            "avg_latency_ms": past.seen["avg_latency_ms"][at].round(6),
            "p95_latency_ms": past.seen["p95_latency_ms"][at].round(6),
            "p99_latency_ms": past.seen["p99_latency_ms"][at].round(6),
            "error_rate": past.seen["error_rate"][at].round(6),
            "requests_served": past.requests[at],
            "cpu_utilization": past.seen["cpu"][at].round(6),
            "cost_usd": (past.instances[at] * 24 * hourly).round(6),
        }
    )
    dirty = soil_placement(base.seed, frame, counter(*(s, r, day)), base.params.dirt, ledger)
    dirty["day"] = dirty["day"].astype("datetime64[s]")
    out = {name: pa.array(dirty[name], from_pandas=True) for name in dirty.columns}
    out["day"] = pa.array(dirty["day"].to_numpy().astype("datetime64[D]"))
    return out


def _traffic(base: Foundation, past: History, ledger: Ledger) -> Iterator[Columns]:
    """Yield traffic by block of services, in key order; late rows come last."""
    geography, fleet = base.geography, base.services
    hours = past.days * 24
    dirt = base.params.dirt
    start = np.datetime64(base.params.start_on, "h")
    soiler = TrafficSoiler(
        base.seed,
        fleet.ids,
        geography.region_ids,
        start,
        hours,
        region_events(base.seed, len(geography.region_ids), dirt),
        dirt,
        ledger,
    )
    alive = np.repeat(fleet.alive(np.arange(past.days)), 24, axis=1)
    by_name = np.argsort(np.array(geography.region_ids))
    end: list[Hours] = []
    for first in range(0, len(fleet), _TRAFFIC_BLOCK):
        block = np.arange(first, min(first + _TRAFFIC_BLOCK, len(fleet)))
        s, o, h = (a.ravel() for a in np.meshgrid(block, by_name, np.arange(hours), indexing="ij"))
        lives = alive[s, h]
        s, o, h = s[lives], o[lives], h[lives]
        dirty, late = soiler.soil(Hours(s, o, h, past.offered[s, o, h]))
        end.append(late)
        yield _hours(soiler, dirty, start)
    last = Hours.concat(end)
    if last.hour.size:
        yield _hours(soiler, last.take(np.argsort(last.hour, kind="stable")), start)


def _hours(soiler: TrafficSoiler, rows: Hours, start: np.datetime64) -> Columns:
    services, origins = soiler.names()
    return {
        "service_id": pa.DictionaryArray.from_arrays(pa.array(rows.service), services),
        "origin_region": pa.DictionaryArray.from_arrays(pa.array(rows.origin), origins),
        "hour_start": pa.array((start + rows.hour).astype("datetime64[us]")),
        "requests": pa.array(rows.requests),
        "source": pa.repeat("measured", rows.hour.size),
    }
