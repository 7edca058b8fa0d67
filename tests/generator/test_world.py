"""Plans in the world: equal demand, common random numbers, conservation, agreement with history."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from generator.synthetic import Outcomes, SyntheticWorld, physics, twin, twin_loss, twin_noise
from generator.synthetic.foundation import Foundation
from generator.synthetic.history import History
from generator.synthetic.observe import row_noise
from tests.generator.small_world import DAYS, REGIONS, SEED, SERVICES

CELLS = ("offered", "served", "errored", "dropped", "latency_sum_us")


@pytest.fixture(scope="module")
def world() -> SyntheticWorld:
    return SyntheticWorld(SEED, SERVICES, REGIONS, DAYS)


def plan_of(base: Foundation, instances: np.ndarray) -> pd.DataFrame:
    """Return a plan from copies by service and region."""
    s, r = np.nonzero(instances)
    return pd.DataFrame(
        {
            "service_id": np.array(base.services.ids)[s],
            "region_id": np.array(base.geography.region_ids)[r],
            "instances": instances[s, r],
        }
    )


@pytest.fixture(scope="module")
def plans(base: Foundation, past: History) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Today's regions and everything in the first region, both with ample copies."""
    ample = np.where(past.active[:, -1], past.instances.max(axis=(1, 2))[:, None] * 2, 0)
    alone = np.zeros_like(ample)
    alone[:, 0] = np.maximum(ample.sum(axis=1), 1)
    return plan_of(base, ample), plan_of(base, alone)


@pytest.fixture(scope="module")
def outcomes(
    world: SyntheticWorld, plans: tuple[pd.DataFrame, pd.DataFrame]
) -> tuple[Outcomes, Outcomes]:
    days = [world.first_future_on + timedelta(days=i) for i in range(4)]
    return world.run(plans[0], days), world.run(plans[1], days)


def test_two_plans_meet_the_same_demand_and_lose_none_of_it(
    outcomes: tuple[Outcomes, Outcomes],
) -> None:
    one, other = outcomes
    assert (one.offered == other.offered).all()
    assert one.offered.sum() > 0
    for found in outcomes:
        assert (found.served + found.errored + found.dropped == found.offered).all()
        for counts in (found.served, found.errored, found.dropped, found.slo_violations):
            assert counts.dtype == np.int64
            assert (counts >= 0).all()
        assert (found.slo_violations <= found.served).all()
        assert (found.imputed_sum_us >= found.latency_sum_us).all()


def test_plans_differ_in_latency_and_cost(outcomes: tuple[Outcomes, Outcomes]) -> None:
    means = [o.latency_sum_us.sum() / o.served.sum() for o in outcomes]
    assert abs(np.log(means[1] / means[0])) > 0.05
    assert (outcomes[0].egress_microusd != outcomes[1].egress_microusd).any()
    # One region holds one copy of the state, several hold several.
    assert outcomes[1].storage_microusd.sum() < outcomes[0].storage_microusd.sum()


def test_the_same_plan_twice_is_identical_even_in_a_new_world(
    world: SyntheticWorld,
    plans: tuple[pd.DataFrame, pd.DataFrame],
    outcomes: tuple[Outcomes, Outcomes],
) -> None:
    days = list(outcomes[0].days)
    shuffled = plans[0].sample(frac=1, random_state=3)
    fresh = SyntheticWorld(SEED, SERVICES, REGIONS, DAYS).run(shuffled, days)
    for again in (world.run(plans[0], days), fresh):
        for field in fields(Outcomes):
            mine, its = getattr(outcomes[0], field.name), getattr(again, field.name)
            assert np.array_equal(np.asarray(mine), np.asarray(its)), field.name


def test_days_of_a_run_do_not_depend_on_its_other_days(
    world: SyntheticWorld,
    plans: tuple[pd.DataFrame, pd.DataFrame],
    outcomes: tuple[Outcomes, Outcomes],
) -> None:
    last = world.run(plans[0], [outcomes[0].days[-1]], detail=False)
    assert (last.offered == outcomes[0].offered[:, :, -24:]).all()
    assert (last.latency_sum_us == outcomes[0].latency_sum_us[:, :, -24:]).all()


def test_days_apart_are_the_same_days_in_every_replication(
    world: SyntheticWorld, plans: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    days = [world.first_future_on + timedelta(days=i) for i in range(6)]
    together = world.run(plans[0], days, replication=2, detail=False)
    apart = world.run(plans[0], [days[1], days[4]], replication=2, detail=False)
    hours = np.r_[24:48, 96:120]
    for name in (*CELLS, "imputed_sum_us"):
        assert (getattr(apart, name) == getattr(together, name)[:, :, hours]).all(), name


def test_blocks_of_services_change_nothing(
    plans: tuple[pd.DataFrame, pd.DataFrame],
    outcomes: tuple[Outcomes, Outcomes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One service, and one lost region, at a time."""
    for module in (physics, twin, twin_loss, twin_noise):
        monkeypatch.setattr(module, "_BLOCK", 1)
    again = SyntheticWorld(SEED, SERVICES, REGIONS, DAYS).run(plans[0], outcomes[0].days)
    for name in (*CELLS, "compute_microusd", "egress_microusd"):
        assert (getattr(again, name) == getattr(outcomes[0], name)).all(), name
    assert again.n1_served_share == pytest.approx(outcomes[0].n1_served_share, rel=1e-12)
    assert again.slo_violations.sum() == pytest.approx(outcomes[0].slo_violations.sum(), rel=1e-6)
    assert again.histogram is not None
    assert again.histogram == pytest.approx(outcomes[0].histogram, rel=1e-4, abs=1.0)


def test_without_detail_all_but_histograms_and_objectives_agree(
    world: SyntheticWorld,
    plans: tuple[pd.DataFrame, pd.DataFrame],
    outcomes: tuple[Outcomes, Outcomes],
) -> None:
    fast = world.run(plans[0], outcomes[0].days, detail=False)
    assert fast.histogram is None
    assert fast.slo_violations.sum() == 0
    for name in ("served", "errored", "dropped", "latency_sum_us", "egress_microusd"):
        assert (getattr(fast, name) == getattr(outcomes[0], name)).all(), name


def test_histogram_holds_the_served_requests_and_their_mean(
    outcomes: tuple[Outcomes, Outcomes],
) -> None:
    for found in outcomes:
        assert found.histogram is not None
        assert found.histogram_after_warmup is not None
        assert found.histogram.shape == (4, 592)
        assert found.bin_edges_ms.shape == (593,)
        served = found.served.reshape(SERVICES, REGIONS, 4, 24).sum(axis=(0, 1))
        # Demand is rounded to whole requests, histograms are expectations.
        assert found.histogram.sum(axis=1) == pytest.approx(served.sum(axis=1), rel=2e-3)
        late = served[:, 4:].sum(axis=1)
        assert found.histogram_after_warmup.sum(axis=1) == pytest.approx(late, rel=2e-3)
        edges = found.bin_edges_ms
        middle = np.r_[0.25, np.sqrt(edges[1:-2] * edges[2:-1]), edges[-2]]
        mean = (found.histogram @ middle).sum() / found.histogram.sum()
        assert mean == pytest.approx(
            found.latency_sum_us.sum() / found.served.sum() / 1e3, rel=0.01
        )


def test_replications_differ_only_in_noise(
    world: SyntheticWorld,
    plans: tuple[pd.DataFrame, pd.DataFrame],
    outcomes: tuple[Outcomes, Outcomes],
) -> None:
    means = []
    for r in (1, 2, 3):
        other = world.run(plans[0], outcomes[0].days, replication=r)
        assert (other.offered == outcomes[0].offered).all()
        assert (other.compute_microusd == outcomes[0].compute_microusd).all()
        means.append(other.latency_sum_us.sum() / other.served.sum())
    base = outcomes[0].latency_sum_us.sum() / outcomes[0].served.sum()
    assert len(set(means)) == 3
    assert np.abs(np.log(np.array(means) / base)).max() < 0.1


def test_uncertain_inputs_act_in_their_direction(
    world: SyntheticWorld,
    plans: tuple[pd.DataFrame, pd.DataFrame],
    outcomes: tuple[Outcomes, Outcomes],
) -> None:
    def mean(**inputs: float) -> float:
        found = world.run(plans[0], outcomes[0].days, inputs=inputs, detail=False)
        return float(found.latency_sum_us.sum() / found.served.sum())

    plain = mean()
    assert mean(rtt_scale=1.2) > plain
    assert mean(service_time_scale=1.2) > plain
    assert mean(capacity_scale=0.6) > plain
    assert mean(capacity_scale=1.5) < plain
    more = world.run(plans[0], outcomes[0].days, inputs={"demand_scale": 1.1}, detail=False)
    assert more.offered.sum() == pytest.approx(1.1 * outcomes[0].offered.sum(), rel=1e-3)
    with pytest.raises(ValueError, match="known names"):
        mean(weather_scale=2.0)


def test_loss_of_a_region_spares_services_with_spare_copies_elsewhere(
    base: Foundation, plans: tuple[pd.DataFrame, pd.DataFrame], outcomes: tuple[Outcomes, Outcomes]
) -> None:
    spread, alone = outcomes
    assert (alone.n1_served_share == 0).all()
    regions = plans[0].groupby("service_id").size().reindex(list(base.services.ids), fill_value=0)
    several = (regions >= 2).to_numpy()
    assert (spread.n1_served_share[~several & (regions > 0).to_numpy()] == 0).all()
    assert spread.n1_served_share[several].mean() > 0.9


def test_the_past_run_again_looks_like_the_past(
    world: SyntheticWorld, base: Foundation, past: History
) -> None:
    day = 12
    plan = plan_of(base, past.instances[:, day])
    again = world.run(plan, [world.history_first_on + timedelta(days=day)])
    noise = row_noise(SEED, base.services, REGIONS, DAYS, base.params.latency)
    factor = (np.exp(noise.log_noise) * noise.incident)[:, day]
    load = past.truth["load_rps"][:, day]
    mu = np.nan_to_num(past.truth["mu_ms"][:, day])
    expected = (mu * factor * load).sum(axis=1) / np.maximum(load.sum(axis=1), 1e-9)
    served = again.served.sum(axis=(1, 2))
    found = again.latency_sum_us.sum(axis=(1, 2)) / np.maximum(served, 1) / 1000
    # Saturated services shed their slowest requests; all others must agree.
    calm = (np.nan_to_num(past.truth["rho_max"][:, day]).max(axis=1) < 0.85) & (served > 10_000)
    assert calm.sum() > 25
    assert found[calm] == pytest.approx(expected[calm], rel=0.02)
    offered = past.offered.reshape(SERVICES, REGIONS, DAYS, 24)[:, :, day]
    by_name = np.argsort(np.array(base.geography.region_ids))
    assert (again.offered == offered[:, by_name]).all()


def test_plans_that_name_nothing_known_are_refused(world: SyntheticWorld) -> None:
    day = [world.first_future_on]
    good = {"service_id": "svc-00001", "region_id": "us-east-1", "instances": 1}
    for bad in ({"service_id": "svc-1"}, {"region_id": "moon-1"}):
        with pytest.raises(ValueError, match="known service and region"):
            world.run(pd.DataFrame([good | bad]), day)
    with pytest.raises(ValueError, match="at least 1"):
        world.run(pd.DataFrame([good | {"instances": 0}]), day)
    with pytest.raises(ValueError, match="ascending"):
        world.run(pd.DataFrame([good]), [world.history_first_on - timedelta(days=1)])


def test_a_service_that_runs_nowhere_drops_everything(world: SyntheticWorld) -> None:
    only = pd.DataFrame([{"service_id": "svc-00001", "region_id": "us-east-1", "instances": 50}])
    found = world.run(only, [world.first_future_on], detail=False)
    assert found.served[0].sum() > 0
    assert found.served[1:].sum() == 0
    assert (found.dropped[1:] == found.offered[1:]).all()
