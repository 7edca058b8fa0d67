"""Geography comes from cited facts, and no round trip beats light."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import generator.synthetic.facts as facts
from generator.synthetic.facts import distance_km, load_geography, region_count
from generator.synthetic.params import load_params

FOLDER = Path(facts.__file__).parent / "facts"


@pytest.mark.parametrize("name", ["regions.csv", "region_egress.csv", "rtt.csv"])
def test_every_fact_says_where_and_when_it_was_observed(name: str) -> None:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert len(row["source"]) > 10
        assert date(2020, 1, 1) < date.fromisoformat(row["observed_on"]) < date(2026, 12, 31)


def test_twenty_one_regions_five_of_them_measured() -> None:
    assert region_count() >= 21
    world = load_geography(42, 21, load_params().network)
    assert world.region_ids[:5] == (
        "us-east-1",
        "us-west-2",
        "eu-west-1",
        "ap-southeast-1",
        "ap-northeast-1",
    )
    assert world.is_measured[:5, :5].all()
    assert not world.is_measured[0, 5:].any()
    assert world.rtt_ms[0, 2] == 84.9
    lat, lon = world.numbers("latitude"), world.numbers("longitude")
    montreal, boardman = world.region_ids.index("ca-central-1"), 1
    assert (round(lat[montreal], 1), round(lon[montreal], 1)) == (45.5, -73.6)
    assert (round(lat[boardman], 1), round(lon[boardman], 1)) == (45.8, -119.7)
    off_diagonal = ~np.eye(21, dtype=bool)
    light_ms = 2 * distance_km(lat, lon) / 204.218
    assert (world.rtt_ms[off_diagonal] > light_ms[off_diagonal]).all()
    assert (world.rtt_ms == world.rtt_ms.T).all()
    assert (world.egress_usd_per_gb[off_diagonal] > 0).all()
    assert (np.diag(world.egress_usd_per_gb) == 0).all()


def test_more_regions_leave_the_first_ones_alone() -> None:
    network = load_params().network
    few, many = load_geography(7, 8, network), load_geography(7, 21, network)
    assert (few.rtt_ms == many.rtt_ms[:8, :8]).all()


@pytest.mark.parametrize("regions", [0, 99])
def test_impossible_number_of_regions_is_refused(regions: int) -> None:
    with pytest.raises(ValueError, match="must be between 1 and 21"):
        load_geography(42, regions, load_params().network)
