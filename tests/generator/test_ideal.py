"""What a perfect model would predict is what the world then does."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from generator.synthetic import SyntheticWorld
from generator.synthetic.twin import Inputs, load_of, physics_of

BUCKETS = (0.3, 0.65)
IDLE = (0.01,)
_NORMAL_95 = 1.6448536


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
    assert (found[["p95_factor", "p95_hi_factor"]] == 1).all(axis=None)
    assert (found["calls_ms"] <= found["internal_ms"]).all()
    for grows in ("internal_ms", "own_sd_ms"):
        wide = found.pivot(
            index=["service_id", "region_id"], columns="utilization_bucket", values=grows
        )
        assert (wide[0.65] > wide[0.3]).all()


def test_the_world_answers_as_the_perfect_model_says(
    world: SyntheticWorld, plan: pd.DataFrame
) -> None:
    day = world.first_future_on
    ideal = world.ideal_latency(plan, day, IDLE).set_index(["service_id", "region_id"])
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


def test_one_request_in_twenty_is_slower_than_mean_and_deviation_say(
    world: SyntheticWorld, plan: pd.DataFrame
) -> None:
    """Leaves with room to spare, called from their own region; the objective is the p95 said."""
    base, day = world._base, world.first_future_on
    home = base.geography.region_ids[0]
    ideal = world.ideal_latency(plan, day, IDLE)
    mine = ideal[ideal["region_id"] == home].set_index("service_id").loc[list(base.services.ids)]
    mean = mine["internal_ms"].to_numpy()
    log_sd = np.sqrt(np.log1p((mine["own_sd_ms"].to_numpy() / mean) ** 2))
    tail = mean * np.exp(_NORMAL_95 * log_sd - log_sd**2 / 2)
    demand = world._demand_of(world._days([day]))
    said = mine["network_weight"].to_numpy() * demand.rtt_ms[0, 0, 0] + tail
    load = load_of(base, demand, world._instances(plan))
    late = physics_of(base, demand, load, Inputs(), said).violating
    assert late is not None
    called = base.services.is_leaf & (load.total.sum(axis=(1, 2, 3)) > 0)
    assert called.sum() > 5
    assert late[called, 0, 0, 0].mean(axis=1) == pytest.approx(0.05, abs=0.005)


def test_true_factors_are_those_of_the_graph_and_explain_the_time_on_calls(
    world: SyntheticWorld, plan: pd.DataFrame
) -> None:
    base, graph = world._base, world._base.graph
    found = world.ideal_calls()
    waits = ~graph.is_async
    assert 0 < waits.sum() < len(graph)
    ids = np.array(base.services.ids)
    assert found["caller_service_id"].tolist() == ids[graph.caller[waits]].tolist()
    assert found["callee_service_id"].tolist() == ids[graph.callee[waits]].tolist()
    assert (found["latency_factor"] == graph.factor[waits]).all()
    error = np.log(found["traced_factor"] / found["latency_factor"])
    assert 0.05 < error.std() < 0.2
    day = world.first_future_on
    ideal = world.ideal_latency(plan, day, IDLE)
    home = ideal[ideal["region_id"] == base.geography.region_ids[0]].set_index("service_id")
    rtt = world._demand_of(world._days([day])).rtt_ms[0, 0, 0]
    answer = rtt + found["callee_service_id"].map(home["internal_ms"])
    waited = found.assign(stage=graph.stage[waits], ms=found["latency_factor"] * answer)
    each = waited.groupby(["caller_service_id", "stage"])["ms"].max()
    to_leaf = found["callee_service_id"].map(dict(zip(ids, base.services.is_leaf, strict=True)))
    simple = to_leaf.groupby(found["caller_service_id"]).all()
    simple = simple.index[simple]
    assert len(simple) > 2
    expected = each.groupby("caller_service_id").sum()[simple]
    assert home.loc[simple, "calls_ms"].to_numpy() == pytest.approx(expected.to_numpy(), rel=0.01)
