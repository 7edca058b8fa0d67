"""What a perfect model would predict is what the world then does."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from generator.synthetic import SyntheticWorld

BUCKETS = (0.3, 0.65)


@pytest.fixture(scope="module")
def world() -> SyntheticWorld:
    return SyntheticWorld(seed=5, services=25, regions=3, history_days=30)


@pytest.fixture(scope="module")
def plan(world: SyntheticWorld) -> pd.DataFrame:
    base = world._base
    return pd.DataFrame(
        [(s, base.geography.region_ids[0], 40) for s in base.services.ids],
        columns=["service_id", "region_id", "instances"],
    )


def test_every_service_region_and_utilisation_has_a_row(
    world: SyntheticWorld, plan: pd.DataFrame
) -> None:
    found = world.ideal_latency(plan, world.first_future_on - timedelta(days=1), BUCKETS)
    assert len(found) == 25 * 3 * len(BUCKETS)
    assert not found.duplicated(["service_id", "region_id", "utilization_bucket"]).any()
    assert found.notna().all().all()
    assert (found["p95_factor"] > 1).all()
    wide = found.pivot(
        index=["service_id", "region_id"], columns="utilization_bucket", values="internal_ms"
    )
    assert (wide[0.65] > wide[0.3]).all()


def test_the_world_answers_as_the_perfect_model_says(
    world: SyntheticWorld, plan: pd.DataFrame
) -> None:
    day = world.first_future_on
    ideal = world.ideal_latency(plan, day, (0.01,)).set_index(["service_id", "region_id"])
    means = []
    for replication in range(8):
        seen = world.run(plan, [day], replication=replication, detail=False)
        means.append(seen.latency_sum_us.sum(axis=2) / 1e3 / np.maximum(seen.served.sum(axis=2), 1))
    region = world._base.geography.region_ids[0]
    home = list(seen.origin_ids).index(region)
    observed = np.mean(means, axis=0)[:, home]
    asked = seen.served.sum(axis=2)[:, home] > 500
    said = np.array([ideal.loc[(s, region), "internal_ms"] for s in seen.service_ids])
    # With room to spare nobody waits; users of that place add a round trip of about a millisecond.
    ratio = observed[asked] / said[asked]
    assert asked.sum() > 5
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
