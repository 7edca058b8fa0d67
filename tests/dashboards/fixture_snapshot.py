"""A small published snapshot for page tests, shaped by the marts' own contracts.

The tables are created from ``dbt_project/models/marts/**/*.yml``: a column that a mart loses makes
a page's question fail here, and a column that this file invents is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
import pandas as pd
import yaml

from tests.dashboards import fixture_advice, fixture_experiment, fixture_living

Variant = Literal["empty", "tiny", "full"]
Row = dict[str, Any]
MARTS = Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "marts"
AS_OF = datetime(2026, 8, 30)
FIRST = date(2026, 6, 1)
REGIONS = (
    ("us-east-1", "aws", "US", "NA", 38.9, -77.4),
    ("eu-west-1", "aws", "IE", "EU", 53.3, -6.3),
    ("europe-west4", "gcp", "NL", "EU", 53.4, 6.8),
    ("ap-southeast-1", "aws", "SG", "AS", 1.3, 103.8),
    ("southamerica-east1", "gcp", "BR", "SA", -23.5, -46.6),
)
ORIGINS = (
    ("country:US", "US", "NA", 39.8, -98.6),
    ("country:DE", "DE", "EU", 51.2, 10.4),
    ("country:IN", "IN", "AS", 22.0, 79.0),
    ("country:BR", "BR", "SA", -10.3, -53.2),
)


def contracts() -> dict[str, dict[str, str]]:
    """Return the published marts' columns and types, as their dbt contracts promise them."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(MARTS.rglob("*.yml")):
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models") or []:
            if not model["name"].startswith("int_"):
                found[model["name"]] = {
                    column["name"]: str(column.get("data_type", "string"))
                    for column in model.get("columns", [])
                }
    return found


def identity(*parts: object) -> str:
    """Return a stable id."""
    return hashlib.md5("|".join(map(str, parts)).encode()).hexdigest()


def build(folder: Path, variant: Variant, *, build_id: str = "build-a", scale: float = 1.0) -> Path:
    """Publish one build of the fixture into a data folder and point to it.

    Args:
        folder: The data folder.
        variant: How much there is: no rows, one service, or a small fleet.
        build_id: Name of the build.
        scale: Multiplies the saving, so that two builds differ.
    """
    home = folder / "serving" / build_id
    home.mkdir(parents=True, exist_ok=True)
    path = home / "warehouse.duckdb"
    path.write_bytes(_database(variant, build_id, scale))
    pointer = folder / "serving" / "current.json"
    waiting = pointer.with_suffix(".tmp")
    relative = path.relative_to(folder / "serving").as_posix()
    waiting.write_text(json.dumps({"build_id": build_id, "path": relative}))
    waiting.replace(pointer)
    return path


@cache
def _database(variant: Variant, build_id: str, scale: float) -> bytes:
    """Return the file of a snapshot; made once per run, as most tests ask for the same."""
    promised = contracts()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        with duckdb.connect(str(path)) as connection:
            for name, rows in tables(variant, build_id, scale).items():
                _create(connection, name, rows, promised.get(name))
        return path.read_bytes()


def _create(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    rows: list[Row],
    promised: dict[str, str] | None,
) -> None:
    used = list(rows[0])
    if promised is None:
        promised = dict.fromkeys(used, "")
    unknown = sorted(set(used) - set(promised))
    if unknown:
        msg = f"{name}: the fixture invents {', '.join(unknown)}; its mart promises no such column"
        raise AssertionError(msg)
    frame = pd.DataFrame(rows[1:], columns=used)  # noqa: F841 - DuckDB reads it by name
    casts = ", ".join(
        f"cast({column if column in used else 'null'} as {_type(kind, column, rows[0])})"
        f" as {column}"
        for column, kind in promised.items()
    )
    connection.execute(f"create table {name} as select {casts} from frame")


def _type(kind: str, column: str, example: Row) -> str:
    if kind:
        return {"string": "varchar"}.get(kind, kind)
    value = example[column]
    kinds = ((bool, "boolean"), (int, "bigint"), (float, "double"), (datetime, "timestamp"))
    for python, sql in (*kinds, (date, "date")):
        if isinstance(value, python):
            return sql
    return "varchar"


def tables(variant: Variant, build_id: str, scale: float) -> dict[str, list[Row]]:
    """Return every mart's rows; the first of each list is an example that is not stored."""
    services = {"empty": 0, "tiny": 1, "full": 9}[variant]
    regions = {"empty": 0, "tiny": 1, "full": len(REGIONS)}[variant]
    days = {"empty": 0, "tiny": 1, "full": 14}[variant]
    world = _World()
    made: dict[str, Callable[[int, int, int], list[Row]]] = {
        "dim_services": world.services,
        "dim_regions": world.regions,
        "dim_origins": world.origins,
        "fct_traffic_days": world.traffic,
        "fct_service_region_days": world.placements,
        "rpt_region_pairs": world.pairs,
    }
    result = {
        name: make(9, 5, 1)[:1] + make(services, regions, days) for name, make in made.items()
    }
    names = [region[0] for region in REGIONS]
    example = fixture_advice.tables(9, names, AS_OF, scale)
    for name, rows in fixture_advice.tables(services, names[:regions], AS_OF, scale).items():
        result[name] = example[name][:1] + rows
    example = fixture_living.tables(9, names, AS_OF)
    for name, rows in fixture_living.tables(services, names[:regions], AS_OF).items():
        result[name] = example[name][:1] + rows
    result["meta_runs"] = fixture_advice.runs(build_id, AS_OF) * 2
    for name, rows in fixture_experiment.tables(AS_OF).items():
        result[name] = rows[:1] + (rows if variant == "full" else [])
    return result


class _World:
    """Makes rows by formula: the same every time, and consistent across tables."""

    def services(self, services: int, regions: int, days: int) -> list[Row]:
        return [
            {
                "service_id": f"svc-{i:03d}",
                "service_name": ("checkout", "search", "profile")[i % 3] + f"-{i}",
                "team": ("payments", "discovery")[i % 2],
                "tier": i % 4 + 1,
                "is_latency_critical": i % 3 == 0,
                "cpu_cores": float(2 ** (i % 3)),
                "memory_gb": 0.5 * 2 ** (i % 4),
                "cpu_band": ("up to 1", "1 to 2", "2 to 4")[i % 3],
                "memory_band_gb": ("up to 0.5", "0.5 to 1", "1 to 2", "2 to 4")[i % 4],
                "latency_sensitivity": "critical" if i % 3 == 0 else "tolerant",
                "slo_p95_ms": 250.0 if i % 2 else None,
                "min_regions": 1 + i % 2,
                "max_regions": None if i else 3,
                "residency": "EU" if i == 4 else None,
                "is_stateful": i % 4 == 0,
                "state_gb": float(10 * (i % 4 == 0)),
            }
            for i in range(services)
        ]

    def regions(self, services: int, regions: int, days: int) -> list[Row]:
        return [
            {
                "region_id": region,
                "provider": provider,
                "display_name": region,
                "country_code": country,
                "continent": continent,
                "latitude": latitude,
                "longitude": longitude,
                "vcpu_hour_usd": 0.04,
                "memory_gb_hour_usd": 0.005,
                "egress_internet_usd_per_gb": 0.09,
            }
            for region, provider, country, continent, latitude, longitude in REGIONS[:regions]
        ]

    def origins(self, services: int, regions: int, days: int) -> list[Row]:
        return [
            {
                "origin_id": origin,
                "display_name": origin,
                "is_region": False,
                "country_code": country,
                "continent": continent,
                "latitude": latitude,
                "longitude": longitude,
            }
            for origin, country, continent, latitude, longitude in ORIGINS[: min(regions, 4)]
        ]

    def traffic(self, services: int, regions: int, days: int) -> list[Row]:
        return [
            {
                "service_id": f"svc-{i:03d}",
                "origin_id": origin[0],
                "observed_on": FIRST + timedelta(days=89 - day),
                "requests": 1000 * (i + 1) + 100 * k + day,
            }
            for i in range(services)
            for k, origin in enumerate(ORIGINS[: min(regions, 4)])
            for day in range(days)
        ]

    def placements(self, services: int, regions: int, days: int) -> list[Row]:
        return [
            {
                "service_id": f"svc-{i:03d}",
                "region_id": REGIONS[r][0],
                "placed_on": FIRST + timedelta(days=89 - day),
                "instances": 2 + r,
                "mean_latency_ms": 40.0 + 10 * r + i + day / 10,
                "p95_latency_ms": 100.0 + 10 * r if i % 2 else None,
                "p99_latency_ms": None,
                "error_rate": 0.001,
                "requests_served": 10_000 * (i + 1),
                "cpu_utilization": 0.4,
                "cost_usd": 12.5 + r,
            }
            for i in range(services)
            for r in range(min(2, regions))
            for day in range(days)
        ]

    def pairs(self, services: int, regions: int, days: int) -> list[Row]:
        clients = [(r[0], True) for r in REGIONS[:regions]]
        clients += [(o[0], False) for o in ORIGINS[: min(regions, 4)]]
        rows = []
        for k, (client, is_region) in enumerate(clients):
            for r, region in enumerate(REGIONS[:regions]):
                # One pair nobody knows and one without p95: the page must show both as gaps.
                if is_region and (k, r) == (4, 0):
                    continue
                rtt = 1.2 if client == region[0] else 30.0 * abs(k - r) + 12
                requests = 0.0 if is_region and k == r else 5000.0 * (k + 1)
                fallback = r % 2 == 1
                rows.append(
                    {
                        "client_id": client,
                        "region_id": region[0],
                        "client_is_region": is_region,
                        "used_rtt_ms": rtt,
                        "min_rtt_ms": rtt * 0.9,
                        "max_rtt_ms": rtt * 1.6,
                        "mean_rtt_ms": rtt * 1.05,
                        "std_rtt_ms": rtt * 0.1,
                        "median_rtt_ms": None if fallback else rtt,
                        "p95_rtt_ms": rtt * 1.3 if r % 2 == 0 else None,
                        "rtt_source": "distance" if fallback else "probe",
                        "is_distance_fallback": fallback,
                        "first_measured_on": None if fallback else FIRST,
                        "last_measured_on": None if fallback else FIRST + timedelta(days=89),
                        "user_requests_per_day": 0.0 if is_region else requests,
                        "call_requests_per_day": requests if is_region else 0.0,
                        "waiting_seconds_per_day": rtt * requests / 1000,
                        "high_latency_threshold_ms": 100.0,
                    }
                )
        busy = sorted((row for row in rows if row["waiting_seconds_per_day"]), key=_by_waiting)
        ranks = {(row["client_id"], row["region_id"]): at for at, row in enumerate(busy, start=1)}
        return [
            row | {"corridor_rank": ranks.get((row["client_id"], row["region_id"]))} for row in rows
        ]


def _by_waiting(row: Row) -> tuple[float, str, str]:
    return -row["waiting_seconds_per_day"], row["client_id"], row["region_id"]
