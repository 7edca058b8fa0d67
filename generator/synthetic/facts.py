"""Facts, not draws, decide geography: coordinates, list prices and measured round trips."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from generator.synthetic.params import NetworkParams
from generator.synthetic.rng import Floats, counter, normal

_FACTS = Path(__file__).parent / "facts"
_EARTH_KM = 6371.0088


@dataclass(frozen=True)
class Geography:
    """Regions of the world, in the fixed order of ``facts/regions.csv``.

    Attributes:
        rows: The facts of each region, as text, by column.
        region_ids: Provider's ids, shape (R,).
        rtt_ms: Base round trip between regions, symmetric, shape (R, R).
        is_measured: Whether the round trip was measured, else derived from distance, (R, R).
        egress_usd_per_gb: Price of bytes from row to column, 0 on the diagonal, (R, R).
    """

    rows: tuple[dict[str, str], ...]
    region_ids: tuple[str, ...]
    rtt_ms: Floats
    is_measured: np.ndarray
    egress_usd_per_gb: Floats

    def numbers(self, column: str) -> Floats:
        """Return a numeric column of the regions' facts, shape (R,)."""
        return np.array([float(row[column]) for row in self.rows])


@cache
def _read(name: str) -> tuple[dict[str, str], ...]:
    with (_FACTS / name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def region_count() -> int:
    """Return how many regions the facts know."""
    return len(_read("regions.csv"))


def distance_km(lat: Floats, lon: Floats) -> Floats:
    """Return great-circle distances between all pairs of places in degrees, shape (N, N)."""
    phi, lam = np.radians(lat), np.radians(lon)
    half = (
        np.sin((phi[:, None] - phi) / 2) ** 2
        + np.cos(phi[:, None]) * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    )
    km: Floats = 2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return km


def _stretch(seed: int, n: int) -> Floats:
    """Return detour factors per pair: median 1.78, p5 1.22, p95 3.06 of 210 measured pairs."""
    low, high = np.minimum.outer(range(n), range(n)), np.maximum.outer(range(n), range(n))
    z = normal(seed, "stretch", counter(low, 0, high))
    sd = np.where(z < 0, np.log(1.78 / 1.22) / 1.645, np.log(3.06 / 1.78) / 1.645)
    factors: Floats = np.maximum(1.78 * np.exp(sd * z), 1.1)
    return factors


def load_geography(seed: int, regions: int, params: NetworkParams) -> Geography:
    """Return the first ``regions`` regions of the facts with their base round trips.

    Args:
        seed: Seed of the world; decides only the stretch of pairs nobody measured.
        regions: How many regions; the first five are the measured default.
        params: Network parameters.

    Raises:
        ValueError: If the facts know fewer regions.
    """
    rows = _read("regions.csv")
    if not 1 <= regions <= len(rows):
        msg = f"regions == {regions}, must be between 1 and {len(rows)}"
        raise ValueError(msg)
    rows = rows[:regions]
    ids = tuple(row["region_id"] for row in rows)
    index = {region_id: i for i, region_id in enumerate(ids)}
    lat = np.array([float(r["latitude"]) for r in rows])
    lon = np.array([float(r["longitude"]) for r in rows])
    light_ms = 2 * distance_km(lat, lon) / params.fibre_km_per_ms
    rtt = np.maximum(light_ms * _stretch(seed, regions), params.same_region_ms)
    measured = np.eye(regions, dtype=bool)
    np.fill_diagonal(rtt, params.same_region_ms)
    for row in _read("rtt.csv"):
        a, b = index.get(row["source_region"]), index.get(row["target_region"])
        if a is not None and b is not None:
            rtt[a, b] = rtt[b, a] = float(row["rtt_ms"])
            measured[a, b] = measured[b, a] = True
    egress = np.zeros((regions, regions))
    for row in _read("region_egress.csv"):
        a, b = index.get(row["source_region"]), index.get(row["target_region"])
        if a is not None and b is not None:
            egress[a, b] = float(row["usd_per_gb"])
    return Geography(rows, ids, rtt, measured, egress)


def egress_facts(ids: tuple[str, ...]) -> tuple[dict[str, str], ...]:
    """Return the rows of the egress price list between the given regions."""
    known = set(ids)
    return tuple(
        row
        for row in _read("region_egress.csv")
        if row["source_region"] in known and row["target_region"] in known
    )
