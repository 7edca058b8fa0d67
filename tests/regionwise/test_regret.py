"""Regret: zero for a perfect prediction, positive for a bad one, and always read as a triple."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ml.placement import Instance
from regionwise import regret
from tests.ml.placement.builder import build_instance


class _World:
    """A world of two origins in which one region is late for the first service's first origin."""

    def __init__(self, late: int = 20) -> None:
        self._late = late

    def run(self, plan: pd.DataFrame, days: list[object]) -> SimpleNamespace:
        ids, hours = ("s00000", "s00001"), 24 * len(days)
        served = np.full((2, 2, hours), 100, dtype=np.int64)
        late = np.zeros_like(served)
        slow = ((plan["service_id"] == "s00000") & (plan["region_id"] == "r01")).any()
        late[0, 0] = self._late if slow else 2
        each = np.full((2, len(days)), 1_000_000, dtype=np.int64)
        return SimpleNamespace(
            service_ids=ids,
            offered=served,
            served=served,
            slo_violations=late,
            imputed_sum_us=served * (40_000 if slow else 20_000),
            compute_microusd=each * (1 if slow else 2),
            egress_microusd=each,
            storage_microusd=each * 0,
        )


_DAYS = [date(2026, 1, 1), date(2026, 1, 2)]
_VERDICTS = regret.Verdicts(10, 0.1, 0.2)


def _scored(region: str, *expected: str, late: int = 20) -> regret.Scored:
    instance = build_instance(2, 2, 1, hours=2, calls=False)
    hard = replace(instance, slo_ms=np.array([100.0, np.nan]))
    plan = pd.DataFrame(
        {"service_id": ["s00000", "s00001"], "region_id": [region, "r00"], "instances": 2}
    )
    known = frozenset(expected)
    world = _World(late)
    return regret._scored(region, world, plan, hard, _DAYS, known)  # type: ignore[arg-type]


def test_a_service_misses_if_more_than_one_request_in_twenty_is_late() -> None:
    good, bad = _scored("r00"), _scored("r01")
    assert (good.critical, good.misses, good.misses_by_origin) == (1, 0, 0)
    assert (bad.critical, bad.misses, bad.misses_by_origin) == (1, 1, 1)
    # 20 of 100 late at one of two origins: 10 % late in all, 5 points above what is allowed.
    assert bad.missed_share == pytest.approx(0.05)
    assert good.missed_share == 0.0


def test_one_place_served_late_is_a_miss_in_the_stricter_reading_alone() -> None:
    # 8 of 100 late at one of two origins: 4 % in all.
    some = _scored("r01", late=8)
    assert (some.misses, some.misses_by_origin) == (0, 1)
    assert some.missed_share == 0.0


def test_a_cheap_plan_that_misses_has_its_misses_beside_its_cost() -> None:
    instance = build_instance(2, 2, 1, hours=2, calls=False)
    good, bad = _scored("r00"), _scored("r01")
    assert bad.bill_usd < good.bill_usd
    best = replace(good, decision="with_truth")
    rows = regret._rows([best, replace(bad, decision="recommended")], best, instance, _VERDICTS)
    own = rows.set_index("decision").loc["recommended"]
    assert own["priced_regret_share"] > own["cost_regret_share"]
    assert own["critical_miss_share"] == 1.0
    assert own["status"] == "missed"


def test_a_perfect_decision_regrets_nothing() -> None:
    instance = build_instance(2, 2, 1, hours=2, calls=False)
    best = replace(_scored("r00"), decision="with_truth")
    rows = regret._rows([best, replace(best, decision="recommended")], best, instance, _VERDICTS)
    assert rows["cost_regret_share"].eq(0).all()
    assert rows.set_index("decision").loc["recommended", "status"] == "met"


def test_a_miss_that_the_plan_counted_on_is_told_apart() -> None:
    assert _scored("r01").foreseen == 0
    assert _scored("r01", "s00000").foreseen == 1
    # What a plan expects to miss and the world keeps is no miss.
    assert _scored("r00", "s00000").foreseen == 0


def test_a_bound_too_wide_blocks_and_one_too_narrow_allows() -> None:
    instance = build_instance(20, 4, 6, hours=2, calls=False)

    def bound(factor: float) -> Instance:
        high = instance.latency.p95_hi * factor
        return replace(instance, latency=replace(instance.latency, p95_hi=high))

    same, wide, narrow = (regret._verdicts(bound(f), bound(1.5)) for f in (1.5, 3.0, 0.75))
    assert (same.wrongly_blocked_share, same.wrongly_allowed_share) == (0.0, 0.0)
    assert wide.wrongly_blocked_share > 0
    assert wide.wrongly_allowed_share == 0
    assert narrow.wrongly_allowed_share > 0
    assert narrow.wrongly_blocked_share == 0
    assert same.sets > 0


def test_only_the_recommended_plan_carries_what_the_predictions_do() -> None:
    instance = build_instance(2, 2, 1, hours=2, calls=False)
    best = replace(_scored("r00"), decision="with_truth")
    rows = regret._rows([best, replace(best, decision="recommended")], best, instance, _VERDICTS)
    found = rows.set_index("decision")["sets_wrongly_blocked_share"]
    assert found["recommended"] == 0.1
    assert np.isnan(found["with_truth"])
