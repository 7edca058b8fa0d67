"""Labels: the optimiser's own choice, on demand that happened after the cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from ml.placement.problem.instance import Edges, Instance, Latency
from ml.placement.problem.policy import load_policy
from ml.strategy import StrategySettings
from ml.strategy.labels import Market, price_classes

CUT = pd.Timestamp("2026-08-01")


def make_market(services: int = 2) -> Market:
    """Two regions 100 ms apart, users at each; service 0 is cheap to wait for, service 1 dear."""
    none, zero = np.zeros(0, dtype=np.int64), np.zeros(0)
    edges = Edges(none, none, zero, zero, none, none.astype(bool), zero, zero)
    cells = (services, 2, 1)
    latency = Latency(
        np.array([0.65]),
        np.full(cells, 10.0),
        np.zeros(cells),
        np.full(cells, np.nan),
        *(np.ones(cells) for _ in range(6)),
    )
    rtt = np.array([[1.0, 100.0], [100.0, 1.0]])
    per_service = np.ones(services)
    instance = Instance(
        policy=load_policy({"open_region_usd_per_hour": 0.05}),
        trained_through=date(2026, 8, 1),
        service_ids=tuple(f"svc-{i}" for i in range(services)),
        region_ids=("eu-one", "us-one"),
        origin_ids=("eu-one", "us-one"),
        edges=edges,
        latency=latency,
        rtt_ms=np.vstack((rtt, rtt)),
        misroute=np.zeros(4),
        peak_rps=np.zeros((services, 2, 1)),
        mean_rps=np.zeros((services, 2)),
        cpu_cores=per_service,
        memory_gb=per_service,
        demand_ms=per_service,
        usd_per_request_ms=np.array([1e-12, 1e-6][:services]),
        replica_usd=np.zeros(services),
        request_kb=np.zeros(services),
        response_kb=np.zeros(services),
        state_gb=np.zeros(services),
        tier=np.full(services, 3),
        loss_proof=np.zeros(services, dtype=bool),
        min_regions=np.ones(services, dtype=np.int64),
        max_regions=np.full(services, 2),
        slo_ms=np.full(services, np.nan),
        slo_stated_ms=np.full(services, np.nan),
        blocker=np.zeros((services, 2), dtype=np.int64),
        blocker_evidence=((("", ""),) * services),
        current=np.zeros((services, 2), dtype=bool),
        is_fixed=np.zeros(services, dtype=bool),
        vcpu_usd=np.array([0.05, 0.05]),
        memory_usd=np.array([0.005, 0.005]),
        user_egress_usd=np.zeros(2),
        region_egress_usd=np.zeros((2, 2)),
        capacity_vcpu=np.full(2, np.inf),
    )
    return Market(instance, np.ones(services, dtype=np.int64))


def make_demand(rps: float, *, days: range = range(1, 15)) -> pd.DataFrame:
    """Return the same demand of both services from both places on some days after the cut."""
    rows = [
        {
            "service_id": service,
            "origin_id": origin,
            "observed_on": CUT + pd.Timedelta(days=day),
            "daypart": part,
            "mean_rps": rps,
            "max_rps": rps * 1.5,
        }
        for service in ("svc-0", "svc-1")
        for origin in ("eu-one", "us-one")
        for day in days
        for part in range(6)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def settings() -> StrategySettings:
    return StrategySettings.load()


def test_dear_waiting_takes_two_regions_cheap_waiting_one(settings):
    found = price_classes(make_market(), make_demand(50.0), [CUT], settings)
    assert found["optimal_class"].tolist() == ["single", "dual"]
    assert np.isinf(found["multi_usd"]).all()
    # By hand: one region has two instances of (0.05 + 0.005) $ and 0.05 $ for being open.
    assert found.loc[0, "single_usd"] == pytest.approx(2 * 0.055 + 0.05, abs=1e-3)


def test_days_before_the_cut_or_after_the_window_change_nothing(settings):
    market = make_market()
    inside = make_demand(50.0)
    noise = make_demand(9e5, days=range(-20, 1)), make_demand(9e5, days=range(15, 30))
    one = price_classes(market, inside, [CUT], settings)
    two = price_classes(market, pd.concat([inside, *noise]), [CUT], settings)
    pd.testing.assert_frame_equal(one, two)


def test_a_service_without_demand_or_without_a_legal_plan_has_no_label(settings):
    market = make_market()
    blocked = market.instance.blocker.copy()
    blocked[1] = 3
    market = replace(market, instance=replace(market.instance, blocker=blocked))
    demand = make_demand(50.0)
    found = price_classes(market, demand[demand["service_id"] == "svc-1"], [CUT], settings)
    assert found["optimal_class"].isna().all()


def test_surviving_a_loss_forbids_one_region(settings):
    market = make_market()
    proof = np.array([True, False])
    market = replace(market, instance=replace(market.instance, loss_proof=proof))
    found = price_classes(market, make_demand(50.0), [CUT], settings)
    assert found["optimal_class"].tolist() == ["dual", "dual"]
    assert np.isinf(found.loc[0, "single_usd"])
