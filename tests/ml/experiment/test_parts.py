"""Configuration, histogram, coins, baselines: the small parts, at their edges."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from ml.experiment.baselines import (
    budget_of,
    cheapest,
    greedy_nearest,
    p_plan,
    random_plans,
    rescaled,
)
from ml.experiment.config import SettingsError, load_settings
from ml.experiment.decide import SuccessEvidence, decide
from ml.experiment.fleet import read_fleet, waiting_prices
from ml.experiment.gate import check
from ml.experiment.guardrails import Guardrail
from ml.experiment.histogram import quantile
from ml.experiment.metrics import effect
from ml.experiment.registry import (
    LOCK_NAME,
    RegistrationChangedError,
    config_hash,
    plan_hash,
    register,
)
from ml.experiment.rng import generator
from ml.experiment.switchback import block_days, block_differences, draw_coins

EDGES = np.concatenate([[0.0], 0.5 * 1.02 ** np.arange(591), [np.inf]])


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown_key": 1},
        {"experiment_id": "Bad Name"},
        {"switchback": {"min_blocks": 6}},
        {"plans": {"control": "current", "treatment": "current"}},
        {"metrics": {"success": ["latency_mena"]}},
        {"metrics": {"guardrails": {"latency_p99": {"margin_abs": 0.1}}}},
        {"metrics": {"guardrails": {"latency_p99": {"margin_rel": -0.05}}}},
        {"metrics": {"guardrails": {"one_region_loss_served_share": {"margin_abs": 0.005}}}},
        {"train_through": "2026-08-01", "evaluate": {"from": "2026-08-01"}},
        {"mode": ["switchback"]},
        {"evaluate": {"days": 57}},
        {"evaluate": {"days": 12}},
        {"mode": ["twin", "twin"]},
        {"mode": ["twin", "guess"]},
        {"mde": {"error_rate": 0.01}},
        {"plans": {"control": "random_matched"}},
    ],
)
def test_wrong_configuration_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"experiment\.yml: "):
        load_settings(changes=changes)


def test_a_users_file_is_laid_over_the_packaged_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("alpha: 0.01\nswitchback: {min_blocks: 10}\n", encoding="utf-8")
    settings = load_settings(path)
    assert (settings.alpha, settings.switchback.min_blocks) == (0.01, 10)
    assert settings.switchback.coin_redraws == load_settings().switchback.coin_redraws
    path.write_text("alhpa: 0.01\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"mine\.yml: alhpa: "):
        load_settings(path)
    for text in ("- 1\n", "alpha: [\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match=r"mine\.yml"):
            load_settings(path)


def test_the_lock_names_what_changed_and_outlives_a_build(tmp_path: Path) -> None:
    plans = {"control": PLAN, "treatment": PLAN.assign(instances=3)}
    kept, build = tmp_path / "kept", tmp_path / "build"
    register([kept, build], load_settings(), plans)
    (build / LOCK_NAME).unlink()
    assert "equal" in register([kept, build], load_settings(), plans).detail
    assert (build / LOCK_NAME).read_bytes() == (kept / LOCK_NAME).read_bytes()
    changed = load_settings(changes={"twin": {"replications": 40}})
    with pytest.raises(RegistrationChangedError, match=r"twin\.replications: 30 -> 40"):
        register([kept, build], changed, plans)
    # Other plans are another experiment: nobody has looked yet.
    other = {**plans, "treatment": PLAN.assign(instances=4)}
    assert "registered now" in register([kept, build], changed, other).detail


PLAN = pd.DataFrame({"service_id": ["a", "b"], "region_id": ["x", "y"], "instances": [1, 2]})


def test_configuration_is_frozen_and_hashed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.seed = 1  # type: ignore[misc]
    assert config_hash(settings) == config_hash(load_settings())
    assert config_hash(settings) != config_hash(load_settings(changes={"seed": 1}))
    assert len(settings.metrics.guardrails) == 10
    assert settings.baselines.random_matched >= 200


def test_plan_hash_ignores_order_and_sees_instances(lab: Any) -> None:
    plan = lab.placements("current")
    assert plan_hash(plan) == plan_hash(plan.sample(frac=1, random_state=3))
    changed = plan.assign(instances=plan["instances"] + 1)
    assert plan_hash(plan) != plan_hash(changed)


def test_quantiles_of_a_known_distribution() -> None:
    values = np.random.default_rng(3).lognormal(math.log(80), 0.6, 400_000)
    counts = np.bincount(np.searchsorted(EDGES, values, side="right") - 1, minlength=592)
    for q, tolerance in ((0.5, 1e-3), (0.95, 2e-3), (0.99, 4e-3)):
        assert quantile(counts, EDGES, q) == pytest.approx(np.quantile(values, q), rel=tolerance)


def test_quantile_edges() -> None:
    counts = np.zeros(592)
    assert math.isnan(quantile(counts, EDGES, 0.5))
    counts[-1] = 10
    assert math.isnan(quantile(counts, EDGES, 0.5))
    counts[0] = 100
    assert quantile(counts, EDGES, 0.5) == pytest.approx(0.5 * 55 / 100)
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(counts, EDGES, 1.0)


def test_histograms_merge_by_adding() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 9, 592), rng.integers(0, 9, 592)
    merged = quantile(first + second, EDGES, 0.9)
    low, high = sorted((quantile(first, EDGES, 0.9), quantile(second, EDGES, 0.9)))
    assert low <= merged <= high


def test_effect_of_unknown_is_unknown() -> None:
    assert math.isnan(effect(math.nan, 1.0, "log"))
    assert math.isnan(effect(0.0, 1.0, "log"))
    assert effect(0.0, 0.0, "difference") == 0.0
    assert effect(95.0, 100.0, "log") == pytest.approx(math.log(0.95))


def test_blocks_and_coins() -> None:
    from ml.experiment.plans import consecutive

    days = consecutive(__import__("datetime").date(2026, 8, 30), 9)
    assert len(block_days(days, ())) == 8
    assert len(block_days(days, (days[2],))) == 6
    coins = draw_coins(4000, "x", 1)
    assert abs(coins.mean() - 0.5) < 0.04
    assert (coins == draw_coins(4000, "x", 1)).all()
    assert (coins != draw_coins(4000, "x", 2)).any()
    values = np.array([10.0, 20.0, 5.0, 4.0])
    treated = np.array([True, False, False, True])
    assert block_differences(values, treated, log=False).tolist() == [-10.0, -1.0]


def test_random_plans_keep_the_budget(lab: Any) -> None:
    plan, fleet = lab.placements("recommended"), read_fleet(lab.features)
    budget = budget_of(plan, fleet)
    seen = set()
    for drawn in random_plans(budget, 40, generator("t")):
        assert not drawn.duplicated(["service_id", "region_id"]).any()
        assert drawn["instances"].min() >= 1
        for column, how in (("region_id", "nunique"), ("instances", "sum")):
            mine = drawn.groupby("service_id")[column].agg(how)
            assert (mine == plan.groupby("service_id")[column].agg(how)).all()
        seen.add(plan_hash(drawn))
    assert len(seen) == 40


def test_random_plans_respect_what_is_allowed(lab: Any) -> None:
    plan, fleet = lab.placements("recommended"), read_fleet(lab.features)
    banned = frozenset(pair for pair in fleet.allowed if pair[1] != "region-3")
    used = set(zip(plan["service_id"], plan["region_id"], strict=True))
    budget = budget_of(plan, type(fleet)(**{**fleet.__dict__, "allowed": banned}))
    for drawn in random_plans(budget, 20, generator("t")):
        pairs = set(zip(drawn["service_id"], drawn["region_id"], strict=True))
        assert pairs <= banned | used


def test_rules_choose_what_they_say(lab: Any) -> None:
    plan, fleet = lab.placements("recommended"), read_fleet(lab.features)
    budget = budget_of(plan, fleet)
    # The two middle regions are nearest to four equal origins on a line; 3 and 0 are cheapest.
    assert set(greedy_nearest(budget)["region_id"]) == {"region-1", "region-2"}
    assert set(cheapest(budget)["region_id"]) == {"region-3", "region-0"}


def test_matched_budget_keeps_regions(lab: Any) -> None:
    treatment, control = lab.placements("recommended"), lab.placements("current")
    control["instances"] *= 3
    matched = rescaled(treatment, control)
    assert int(matched["instances"].sum()) == int(control["instances"].sum())
    assert plan_hash(matched.assign(instances=1)) == plan_hash(treatment.assign(instances=1))


def test_p_plan_counts_ties_against_the_treatment() -> None:
    assert p_plan(5.0, [5.0] * 9) == 1.0
    assert p_plan(5.0, []) is None
    assert p_plan(1.0, [2.0] * 200) == pytest.approx(1 / 201)


def test_waiting_price_is_read_back_from_the_plan(lab: Any) -> None:
    accounts = lab.writer.read("placement_services")
    ids = (*lab.services, "unknown")
    assert waiting_prices(ids, accounts, "plan-recommended") == pytest.approx([2e-9] * 13, rel=0.02)
    assert waiting_prices(("a",), accounts, "no such plan").tolist() == [2e-9]


def _evidence(p: float | None, estimate: float, lo: float, hi: float) -> SuccessEvidence:
    return SuccessEvidence("latency_mean", estimate, p, lo, hi)


def _rail(verdict: str) -> Guardrail:
    return Guardrail("moves", "maximum", 60, 0, 0, 0, 0, 0, verdict, "")  # type: ignore[arg-type]


GOOD, GREEN, RED = (
    _evidence(0.01, -0.05, -0.06, -0.02),
    check("a", "b", "", "", True),
    check("a", "b", "", "", False),
)


@pytest.mark.parametrize(
    ("success", "rails", "checks", "refused", "verdict"),
    [
        ([GOOD], ["passed"], [GREEN], None, "ship"),
        ([GOOD], ["passed"], [RED], None, "invalid"),
        ([GOOD], ["violated"], [GREEN], None, "no_ship"),
        ([GOOD], ["inconclusive"], [GREEN], None, "inconclusive"),
        ([GOOD], [], [GREEN], None, "inconclusive"),
        ([GOOD], ["passed"], [GREEN], "short", "inconclusive"),
        ([GOOD], ["violated"], [RED], None, "invalid"),
        ([_evidence(0.06, -0.05, -0.06, -0.02)], ["passed"], [GREEN], None, "inconclusive"),
        ([_evidence(None, -0.05, -0.06, -0.02)], ["passed"], [GREEN], None, "inconclusive"),
        ([_evidence(0.01, -0.05, -0.06, 0.01)], ["passed"], [GREEN], None, "inconclusive"),
        ([_evidence(0.01, -0.05, math.nan, math.nan)], ["passed"], [GREEN], None, "inconclusive"),
        ([GOOD, _evidence(0.01, 0.05, 0.02, 0.06)], ["passed"], [GREEN], None, "no_ship"),
    ],
)
def test_decision_rule(
    success: list[SuccessEvidence], rails: list[str], checks: list[Any], refused: Any, verdict: str
) -> None:
    decision = decide(success, [_rail(v) for v in rails], checks, 0.05, refused=refused)
    assert decision.verdict == verdict
    assert len(decision.reasons) >= 5


def test_missing_feature_tables_give_empty_facts() -> None:
    class Nothing:
        def has(self, table: str) -> bool:
            return False

        def read(self, table: str) -> pd.DataFrame:
            raise AssertionError(table)

    fleet = read_fleet(Nothing())
    assert fleet.min_regions() == {}
    assert fleet.text("a", "tier") == ""
