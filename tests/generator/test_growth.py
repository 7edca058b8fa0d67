"""Growing a world, in services or in days, does not rewrite what was there."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from generator.synthetic.demand import user_rates
from generator.synthetic.foundation import Foundation, make_foundation
from generator.synthetic.generate import generate
from generator.synthetic.placement import region_sets
from tests.generator.small_world import DAYS, Dataset


@pytest.fixture(scope="module")
def smaller() -> Foundation:
    return make_foundation(42, 25, 5)


def test_a_new_block_leaves_attributes_of_old_services_equal(
    smaller: Foundation, base: Foundation
) -> None:
    n = len(smaller.services)
    for part in ("services", "attributes", "users"):
        old, new = getattr(smaller, part), getattr(base, part)
        for field in fields(old):
            mine, its = getattr(old, field.name), getattr(new, field.name)
            assert len(its) == len(base.services)
            assert np.array_equal(np.asarray(mine), np.asarray(its)[:n]), field.name


def test_a_new_block_leaves_edges_of_old_services_equal(
    smaller: Foundation, base: Foundation
) -> None:
    old = base.graph.caller < len(smaller.services)
    for field in fields(smaller.graph):
        assert np.array_equal(
            getattr(smaller.graph, field.name), getattr(base.graph, field.name)[old]
        )
    assert (base.graph.callee[old] < len(smaller.services)).all()
    # New services do call old ones: otherwise the test above would prove little.
    assert (base.graph.callee[~old] < len(smaller.services)).any()


def test_a_new_block_leaves_own_demand_and_region_sets_equal(
    smaller: Foundation, base: Foundation
) -> None:
    n = len(smaller.services)
    results = []
    for world in (smaller, base):
        p = world.params
        offsets = world.geography.numbers("utc_offset_hours")
        rates = user_rates(42, world.services, world.users, offsets, 10, p)
        sets = region_sets(
            42, world.services, world.users, world.attributes.allowed, 30, p.placement
        )
        results.append((rates[:n], sets[:n]))
    assert (results[0][0] == results[1][0]).all()
    assert (results[0][1] == results[1][1]).all()


def test_a_longer_window_has_the_shorter_one_as_its_prefix(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shorter")
    days = DAYS - 10
    generate(folder / "raw", folder / "truth", services=50, days=days)
    end = pd.Timestamp("2026-06-01") + pd.Timedelta(days=days)

    def both(name: str, time: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        frames = [pd.read_parquet(f / f"{name}.parquet") for f in (folder / "raw", dataset.raw)]
        short, long = (f.drop(columns=["_row"]) for f in frames)
        return short, long[pd.to_datetime(long[time]) < end].reset_index(drop=True)

    for name, time in (("service_placement", "day"), ("regional_latency", "observed_at")):
        short, long = both(name, time)
        pd.testing.assert_frame_equal(short, long)
    short, long = both("traffic_patterns", "hour_start")
    keys = ["service_id", "origin_region", "hour_start", "requests"]
    merged = long.merge(short, on=keys, how="outer", indicator=True)
    extra = merged[merged["_merge"] == "right_only"]
    assert extra.empty
    # Rows that had not arrived yet when the shorter window ended are the only difference.
    late = merged[merged["_merge"] == "left_only"]
    ledger = pd.read_parquet(dataset.truth / "dirt_ledger.parquet")
    ledger = ledger[ledger["kind"] == "late"]
    known = set(zip(ledger["service_id"], pd.to_datetime(ledger["observed_at"]), strict=True))
    assert set(zip(late["service_id"], late["hour_start"], strict=True)) <= known
    assert 0 < len(late) < 0.01 * len(long)
    services = [pd.read_parquet(f / "services.parquet") for f in (folder / "raw", dataset.raw)]
    pd.testing.assert_frame_equal(*services)
