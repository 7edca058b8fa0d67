"""Places, prices and round trips behind the synthetic fleets of :mod:`ml.placement.bench.fleet`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.placement.problem.instance import Floats

_REGIONS = Path(__file__).with_name("regions.csv")
_EARTH_KM = 6371.0
_MS_PER_KM = 0.015
"""Light in glass takes 0.01 ms per km there and back; cables are half as long again as the arc."""
_LAST_MILE_MS, _INSIDE_MS = 8.0, 0.7
# Metropolitan areas: latitude, longitude, weight by people online; rough, only the shape matters.
ORIGINS: dict[str, tuple[float, float, float]] = {
    "amsterdam": (52.37, 4.90, 3.0),
    "bangkok": (13.76, 100.50, 3.5),
    "berlin": (52.52, 13.41, 5.0),
    "bogota": (4.71, -74.07, 2.5),
    "buenos-aires": (-34.60, -58.38, 3.0),
    "cairo": (30.04, 31.24, 3.0),
    "chicago": (41.88, -87.63, 8.0),
    "dallas": (32.78, -96.80, 8.0),
    "delhi": (28.61, 77.21, 7.0),
    "dubai": (25.20, 55.27, 2.0),
    "jakarta": (-6.21, 106.85, 5.0),
    "johannesburg": (-26.20, 28.05, 2.0),
    "lagos": (6.52, 3.38, 2.5),
    "london": (51.51, -0.13, 7.0),
    "los-angeles": (34.05, -118.24, 10.0),
    "madrid": (40.42, -3.70, 4.0),
    "mexico-city": (19.43, -99.13, 4.0),
    "mumbai": (19.08, 72.88, 6.0),
    "new-york": (40.71, -74.01, 12.0),
    "paris": (48.86, 2.35, 6.0),
    "sao-paulo": (-23.55, -46.63, 6.0),
    "seoul": (37.57, 126.98, 4.0),
    "singapore": (1.35, 103.82, 3.0),
    "sydney": (-33.87, 151.21, 3.0),
    "tokyo": (35.69, 139.69, 8.0),
}


@dataclass(frozen=True)
class World:
    """R regions and the user origins; places are degrees of latitude and longitude."""

    region_ids: tuple[str, ...]
    continent: tuple[str, ...]
    vcpu_usd: Floats
    memory_usd: Floats
    egress_usd: Floats
    """$ per GB to users, ``(R,)``."""
    rtt_ms: Floats
    """Round trip from origins, then regions, to regions, ``(O + R, R)``."""
    local_hour: Floats
    """Offset of each origin's clock in hours, ``(O,)``."""
    weight: Floats


def load_world(regions: int) -> World:
    """Return the first ``regions`` rows of ``regions.csv``.

    Raises:
        ValueError: If the table has fewer rows.
    """
    with _REGIONS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not 2 <= regions <= len(rows):
        raise ValueError(f"regions == {regions}, must be 2 to {len(rows)}")
    rows = rows[:regions]

    def column(name: str) -> Floats:
        return np.array([float(row[name]) for row in rows])

    place = np.column_stack((column("latitude"), column("longitude")))
    people = np.array(list(ORIGINS.values()))
    way = _LAST_MILE_MS + _MS_PER_KM * _km(people[:, :2], place)
    between = _INSIDE_MS + _MS_PER_KM * _km(place, place)
    return World(
        tuple(row["region_id"] for row in rows),
        tuple(row["continent"] for row in rows),
        column("vcpu_hour_usd"),
        column("memory_gb_hour_usd"),
        column("egress_internet_usd_per_gb"),
        np.asarray(np.round(np.vstack((way, between)), 3), dtype=np.float64),
        people[:, 1] / 15.0,
        people[:, 2],
    )


def _km(a: Floats, b: Floats) -> Floats:
    """Return great-circle distances between rows of latitude and longitude, ``(a, b)``."""
    lat_a, lon_a = np.radians(a).T[:, :, None]
    lat_b, lon_b = np.radians(b).T[:, None, :]
    half = np.sin((lat_a - lat_b) / 2) ** 2
    half = half + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_a - lon_b) / 2) ** 2
    return np.asarray(2 * _EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0))))
