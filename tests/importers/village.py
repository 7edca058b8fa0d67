"""A small good folder: five real regions, two origins, six services, fifteen days."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from generator import contract

FIRST_DAY = dt.date(2026, 6, 1)
DAYS = 15
SERVICES = ("web", "api", "catalog", "cart", "search", "billing")
ORIGINS = ("us-east-1", "eu-west-1", "ap-southeast-1", "country:BR", "city:lagos")

Row = dict[str, str]
Folder = dict[str, list[Row]]

_REGIONS = (
    ("us-east-1", "US", "NA", "39.03", "-77.46", "-5", "0.0350", "0.00346", "0.09", "379"),
    ("us-west-2", "US", "NA", "45.84", "-119.70", "-8", "0.0350", "0.00346", "0.09", "322"),
    ("eu-west-1", "IE", "EU", "53.33", "-6.25", "0", "0.0391", "0.00387", "0.09", "316"),
    ("eu-central-1", "DE", "EU", "50.11", "8.68", "1", "0.0407", "0.00402", "0.09", "338"),
    ("ap-southeast-1", "SG", "AS", "1.37", "103.80", "8", "0.0391", "0.00402", "0.12", "408"),
)
# Round trips measured between these regions, to the millisecond.
_ROUND_TRIPS = {
    ("us-east-1", "us-west-2"): 68,
    ("us-east-1", "eu-west-1"): 68,
    ("us-east-1", "eu-central-1"): 91,
    ("us-east-1", "ap-southeast-1"): 217,
    ("us-west-2", "eu-west-1"): 127,
    ("us-west-2", "eu-central-1"): 142,
    ("us-west-2", "ap-southeast-1"): 164,
    ("eu-west-1", "eu-central-1"): 25,
    ("eu-west-1", "ap-southeast-1"): 174,
    ("eu-central-1", "ap-southeast-1"): 160,
    ("country:BR", "us-east-1"): 118,
    ("city:lagos", "eu-west-1"): 96,
}
_CALLS = (
    ("web", "api", 1.4),
    ("api", "catalog", 0.8),
    ("api", "cart", 0.3),
    ("web", "search", 0.5),
)
_HOMES = {
    "web": ("us-east-1", "eu-west-1"),
    "api": ("us-east-1", "eu-west-1"),
    "catalog": ("us-east-1",),
    "cart": ("eu-west-1",),
    "search": ("us-west-2", "ap-southeast-1"),
    "billing": ("eu-central-1",),
}


def village() -> Folder:
    """Return every table as rows of text, as a person would export them."""
    return {
        "regions": [_region(values) for values in _REGIONS],
        "region_egress": [
            {"source_region": a[0], "target_region": b[0], "usd_per_gb": "0.02"}
            for a in _REGIONS
            for b in _REGIONS
            if a != b
        ],
        "origins": [
            origin("country:BR", "BR", "SA", "-10.3", "-53.2"),
            origin("city:lagos", "NG", "AF", "6.45", "3.39"),
        ],
        "services": [service(name) for name in SERVICES],
        "service_dependencies": [call(a, b, str(rate)) for a, b, rate in _CALLS],
        "regional_latency": [latency(a, b, str(ms)) for (a, b), ms in _ROUND_TRIPS.items()],
        "traffic_patterns": list(_traffic()),
        "service_placement": list(_placements()),
        "service_latency_histogram": [
            histogram(bound, requests)
            for bound, requests in (("10", "400"), ("20", "900"), ("40", "300"), ("", "4"))
        ],
    }


def region(region_id: str, /, **changes: str) -> Row:
    """Return a sound region in the place of us-east-1, with changes."""
    return _region(_REGIONS[0]) | {"region_id": region_id} | changes


def origin(origin_id: str, country: str, continent: str, latitude: str, longitude: str) -> Row:
    """Return an origin."""
    return {
        "origin_id": origin_id,
        "country_code": country,
        "continent": continent,
        "latitude": latitude,
        "longitude": longitude,
        "utc_offset_hours": "1",
        "population": "1000000",
    }


def service(service_id: str, /, **changes: str) -> Row:
    """Return a sound service, with changes."""
    return {
        "service_id": service_id,
        "service_name": f"The {service_id}",
        "team": "shop",
        "cpu_cores": "2",
        "memory_mb": "2048",
        "latency_critical": "true",
        "tier": "2",
        "slo_p95_ms": "250",
        "min_regions": "1",
        "max_regions": "3",
        "residency": "",
        "stateful": "false",
        "state_gb": "",
        "request_kb": "2",
        "response_kb": "20",
    } | changes


def call(caller: str, callee: str, rate: str, /, **changes: str) -> Row:
    """Return one edge of the call graph."""
    return {
        "caller_service_id": caller,
        "callee_service_id": callee,
        "calls_per_request": rate,
        "is_async": "false",
        "stage": "1",
    } | changes


def latency(source: str, target: str, ms: str, /, **changes: str) -> Row:
    """Return one measured round trip."""
    return {
        "source_region": source,
        "target_region": target,
        "observed_at": "2026-06-01T00:00:00Z",
        "latency_ms": ms,
        "source": "probe",
    } | changes


def traffic(service_id: str, place: str, hour: str, requests: str, /, **changes: str) -> Row:
    """Return one hour of requests."""
    return {
        "service_id": service_id,
        "origin_region": place,
        "hour_start": hour,
        "requests": requests,
        "source": "measured",
    } | changes


def placement(service_id: str, place: str, day: str, /, **changes: str) -> Row:
    """Return one day of a service in a region."""
    return {
        "service_id": service_id,
        "region": place,
        "day": day,
        "instances": "2",
        "avg_latency_ms": "80.5",
        "p95_latency_ms": "160.1",
        "p99_latency_ms": "240",
        "error_rate": "0.001",
        "requests_served": "100000",
        "cpu_utilization": "0.41",
        "cost_usd": "4.2",
    } | changes


def histogram(bound: str, requests: str, /, **changes: str) -> Row:
    """Return one latency bin."""
    return {
        "service_id": "web",
        "region": "us-east-1",
        "day": "2026-06-01",
        "upper_bound_ms": bound,
        "requests": requests,
    } | changes


def columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the header of a table."""
    return list(rows[0])


def csv_text(rows: Sequence[Mapping[str, str]], separator: str = ",", line_end: str = "\n") -> str:
    """Return rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns(rows), delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_MINIMAL
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(folder: Folder, path: Path) -> Path:
    """Write every table as ``<table>.csv``."""
    path.mkdir(parents=True, exist_ok=True)
    for name in contract.TABLES:
        if name in folder:
            (path / f"{name}.csv").write_bytes(csv_text(folder[name]).encode())
    return path


def _region(values: Sequence[str]) -> Row:
    names = (
        "region_id",
        "country_code",
        "continent",
        "latitude",
        "longitude",
        "utc_offset_hours",
        "vcpu_hour_usd",
        "memory_gb_hour_usd",
        "egress_internet_usd_per_gb",
        "carbon_g_per_kwh",
    )
    row = dict(zip(names, values, strict=True))
    return {"region_id": row.pop("region_id"), "provider": "aws", "display_name": "Somewhere"} | row


def _traffic() -> Iterator[Row]:
    for i, service_id in enumerate(SERVICES):
        for j, place in enumerate(ORIGINS):
            for hour in range(24 * DAYS):
                start = dt.datetime.combine(FIRST_DAY, dt.time()) + dt.timedelta(hours=hour)
                requests = 50 + 40 * i + 10 * j + (hour * 7 + i) % 24
                yield traffic(service_id, place, start.isoformat() + "Z", str(requests))


def _placements() -> Iterator[Row]:
    for service_id, homes in _HOMES.items():
        for place in homes:
            for day in range(DAYS):
                date = FIRST_DAY + dt.timedelta(days=day)
                yield placement(service_id, place, date.isoformat())
