"""Past moves, advice that was followed, the shadow: trusted as far as the evidence goes."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.experiment import run
from ml.experiment.calibrate_past import heavy_rows, past_runs, shadow_runs
from ml.experiment.html import write_html
from ml.experiment.move_windows import ESTIMATORS
from ml.experiment.moves import MoveEffect, MoveReader
from ml.experiment.noise_world import NoiseWorld, draw_parts
from ml.experiment.observational import History, move_rows, observe_moves, pooled_rows
from ml.experiment.outcomes import feedback_rows, outcome_rows
from ml.experiment.panel import Panel, make_panel
from ml.experiment.shadow import calibrate_shadow, fleet_effect, inflation, shadow_row
from ml.experiment.synthetic import HEAVY

START = date(2026, 3, 1)
SERVICES, DAYS, MOVED_ON = 40, 80, 50


def _rows(effect: float, *, spike: float = 0.0, movers: int = 1, seed: int = 3) -> pd.DataFrame:
    """Days of a fleet in which the first services move to region b on day 50."""
    noise = NoiseWorld(services=SERVICES, incident_rate=0.0, service_sd=0.04, communities=5)
    logs = draw_parts(noise, 1, DAYS, np.random.default_rng(seed)).logs[0]
    logs[:movers, MOVED_ON:] += math.log1p(effect)
    logs[:movers, MOVED_ON - 5 : MOVED_ON] += spike
    rows = []
    for service in range(SERVICES):
        for day in range(DAYS):
            region = "b" if service < movers and day >= MOVED_ON else "a"
            value = math.exp(logs[service, day])
            rows.append((f"svc-{service:03d}", region, day, value, 1000 + service))
    names = ["service_id", "region_id", "day", "observed_ms", "requests_served"]
    return pd.DataFrame(rows, columns=names)


def _panel(effect: float, **options: Any) -> Panel:
    return make_panel(_rows(effect, **options), START)


def _advice(**changes: Any) -> pd.DataFrame:
    row = {
        "recommendation_id": "r1",
        "plan_id": "p1",
        "service_id": "svc-000",
        "advised_through_on": START + timedelta(days=MOVED_ON - 10),
        "from_regions": "a",
        "to_regions": "b",
        "predicted_before_ms": 100.0,
        "predicted_delta_ms": -20.0,
        "predicted_delta_lo_ms": -26.0,
        "predicted_delta_hi_ms": -14.0,
        "interval_level": 0.8,
    }
    return pd.DataFrame([row | changes])


ROLLED_OUT = pd.DataFrame(
    {"service_id": ["svc-000"], "to_regions": ["b"], "recorded": ["rolled_out"]}
)


def test_a_panel_knows_days_gaps_and_moves() -> None:
    rows = _rows(0.0)
    panel = make_panel(rows[~((rows["service_id"] == "svc-001") & (rows["day"] == 7))], START)
    assert panel.logs.shape == (SERVICES, DAYS)
    assert np.isnan(panel.logs[1, 7])
    assert [(m.service, m.day, m.from_regions, m.to_regions) for m in panel.moves] == [
        (0, MOVED_ON, "a", "b")
    ]
    assert panel.traffic().sum() == pytest.approx(1.0)


def test_a_row_that_is_missing_is_not_a_move() -> None:
    """A service in two regions; one row is set aside in the middle, one on the last day."""
    rows = pd.DataFrame(
        [
            ("s", region, day, ms + day, requests)
            for day in range(20)
            for region, ms, requests in (("a", 10.0, 300), ("b", 100.0, 100))
            if (region, day) not in (("b", 7), ("b", 8), ("b", 19))
        ]
        + [("s", "c", day, 50.0, 400) for day in range(12, 20)],
        columns=["service_id", "region_id", "day", "observed_ms", "requests_served"],
    )
    panel = make_panel(rows, START)
    assert [(m.day, m.from_regions, m.to_regions) for m in panel.moves] == [(12, "a, b", "a, b, c")]
    # Bridged by the days around it: requests 100 at 107 ms beside 300 at 17 ms.
    assert math.exp(panel.logs[0, 7]) == pytest.approx((300 * 17 + 100 * 107) / 400)
    assert panel.requests[0, 7] == 400
    # At the end the last known day stands in.
    assert panel.requests[0, 19] == 800
    longer = rows[~((rows["region_id"] == "b") & rows["day"].between(5, 8))]
    assert len(make_panel(longer, START).moves) == 3


def test_two_regions_weigh_by_their_requests() -> None:
    rows = pd.DataFrame(
        {
            "service_id": ["s", "s"],
            "region_id": ["a", "b"],
            "day": [0, 0],
            "observed_ms": [10.0, 40.0],
            "requests_served": [300, 100],
        }
    )
    assert math.exp(make_panel(rows, START).logs[0, 0]) == pytest.approx(17.5)


def test_a_planted_effect_is_found_graded_and_put_in_words(settings: Any) -> None:
    found = observe_moves(settings, _panel(-0.20), History(reasons=ROLLED_OUT))
    rows = {row["estimator"]: row for row in move_rows(settings, found)}
    assert set(rows) == {*ESTIMATORS, *HEAVY}
    for name in ("did", "gap_did", "matched_did", *HEAVY):
        assert rows[name]["rel_effect"] == pytest.approx(-0.20, abs=0.08)
        assert rows[name]["rel_hi"] < 0
        assert rows[name]["placebo_p"] <= 0.05
    assert rows["matched_did"]["grade"] == "B"
    assert "svc-000 was" in rows["matched_did"]["sentence"]
    assert "faster" in rows["matched_did"]["sentence"]
    assert rows["did"]["sentence"] is None
    pooled = pooled_rows(settings, found)
    assert {row["status"] for row in pooled} == {"ok"}
    assert all(row["rel_effect"] < -0.1 for row in pooled if "before" not in row["segment_value"])


def test_nobody_said_why_so_nothing_is_claimed(settings: Any) -> None:
    found = observe_moves(settings, _panel(-0.20), History())
    rows = move_rows(settings, found)
    assert {row["grade"] for row in rows} == {"C"}
    assert {row["sentence"] for row in rows} == {None}
    assert all("reason of the move is unknown" in row["reason"] for row in rows)
    for row in pooled_rows(settings, found):
        assert row["status"] == "refused"
        assert row.get("rel_effect") is None


def test_after_a_spike_the_grade_is_d(settings: Any) -> None:
    """The move did nothing; a spike just before it ended by itself."""
    found = observe_moves(settings, _panel(0.0, spike=0.6, movers=3), History(reasons=ROLLED_OUT))
    assert found.pooled is not None
    assert found.pooled.grade == "D"
    assert found.pooled.unweighted["did"] < -0.1
    assert all(row.get("rel_effect") is None for row in pooled_rows(settings, found))


@pytest.mark.parametrize(
    ("day", "why"),
    [(10, "10 days before the move"), (DAYS - 5, "4 days after the move")],
)
def test_a_move_without_enough_days_is_refused(settings: Any, day: int, why: str) -> None:
    panel = _panel(-0.2)
    reader = MoveReader(panel, settings.observational, np.random.default_rng(1))
    assert str(reader.read(5, day, "rolled_out")).startswith(why)


def test_a_second_move_inside_the_window_is_refused(settings: Any) -> None:
    rows = _rows(-0.2)
    late = (rows["service_id"] == "svc-000") & (rows["day"] >= MOVED_ON + 5)
    panel = make_panel(rows.assign(region_id=rows["region_id"].mask(late, "c")), START)
    found = observe_moves(settings, panel, History(reasons=ROLLED_OUT))
    assert {read.effect for read in found.moves} == {"another move inside the window"}
    assert found.pooled is None
    assert "none of 2 past moves" in str(found.reason)


def test_short_calibration_of_past_moves(settings: Any) -> None:
    """40 fleets each: random moves at most 8 % + 4 sd, spikes always graded D."""
    random, spike = past_runs(settings, "random", 40), past_runs(settings, "spike", 20)
    assert (random.p_values <= 0.05).mean() <= 0.08 + 4 * math.sqrt(0.08 * 0.92 / 40)
    assert set(spike.grades) == {"D"}
    assert (spike.p_values <= 0.05).mean() > 0.5, "a spike that misleads nobody tests nothing"


def test_mixes_of_others_see_nothing_where_nothing_happened(settings: Any) -> None:
    """40 moves of 8 fleets without an effect: at most four standard deviations above 5 %."""
    rows = {row.estimator: row for row in heavy_rows(settings, 8)}
    assert set(rows) == set(HEAVY)
    for row in rows.values():
        assert row.runs == 40
        assert row.rate is not None
        assert row.rate <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 40)
        assert row.status == "green"


def test_advice_that_was_followed_is_compared_with_what_came_of_it(settings: Any) -> None:
    history = History(_advice(), ROLLED_OUT)
    row = outcome_rows(settings, _panel(-0.20), history)[0]
    assert row["status"] == "ok"
    assert row["moved_on"] == START + timedelta(days=MOVED_ON)
    assert row["predicted_effect"] == pytest.approx(-0.20)
    assert row["realised_effect"] == pytest.approx(-0.20, abs=0.06)
    assert row["is_covered"] is True
    assert row["error_ratio"] < 1
    wrong = outcome_rows(settings, _panel(0.10), history)[0]
    assert wrong["is_covered"] is False
    assert wrong["error_ratio"] > 2


def test_predictions_that_failed_weaken_the_next_advice(settings: Any) -> None:
    history = History(_advice(), ROLLED_OUT)
    assert feedback_rows(outcome_rows(settings, _panel(-0.20), history)) == []
    missed = outcome_rows(settings, _panel(0.10), history)
    assert [(r["code"], r["scope"]) for r in feedback_rows(missed)] == [
        ("PREDICTION_MISSED", "service:svc-000")
    ]
    # Ten pieces at 80 %: five misses are too many to be chance, three are not.
    ten = [{**missed[0], "service_id": f"svc-{i}", "is_covered": i < 5} for i in range(10)]
    assert feedback_rows(ten)[0]["code"] == "PREDICTIONS_OVERCONFIDENT"
    ten = [{**row, "is_covered": i < 7} for i, row in enumerate(ten)]
    assert {r["code"] for r in feedback_rows(ten)} == {"PREDICTION_MISSED"}
    assert len(feedback_rows(ten)) == 3


def test_advice_without_an_outcome_shows_none(settings: Any) -> None:
    panel = _panel(-0.20)
    unseen = outcome_rows(settings, panel, History(_advice(to_regions="z")))[0]
    assert unseen["status"] == "insufficient"
    assert "realised_effect" not in unseen
    # Advice as fresh as the data has had no day to come true, a retired service never will.
    fresh = _advice(advised_through_on=START + timedelta(days=DAYS - 1))
    assert outcome_rows(settings, panel, History(fresh)) == []
    assert outcome_rows(settings, panel, History(_advice(service_id="gone"))) == []
    early = _advice(advised_through_on=START + timedelta(days=MOVED_ON + 3))
    assert outcome_rows(settings, panel, History(early))[0]["status"] == "insufficient"


def test_imported_data_get_past_moves_instead_of_an_experiment(lab: Any, settings: Any) -> None:
    """No world: the experiment is refused, what people did is read, feedback is written."""
    rows = _rows(-0.20)
    rows["placed_on"] = pd.Timestamp(START) + pd.to_timedelta(rows["day"], unit="D")
    lab.features._frames["feat_latency__service_region_days"] = rows.drop(columns="day")
    history = History(_advice(), ROLLED_OUT)
    result = run(lab.features, lab.writer, None, settings, history=history)
    assert result.verdict == "inconclusive"
    moves = lab.writer.read("experiment_moves")
    assert set(moves["estimator"]) == {*ESTIMATORS, *HEAVY}
    assert len(lab.writer.read("experiment_event_study")) > 40
    assert set(lab.writer.read("experiment_move_diagnostics")["move_id"]) == {
        "all",
        f"svc-000 {START + timedelta(days=MOVED_ON)}",
    }
    outcome = lab.writer.read("recommendation_outcomes").iloc[0]
    assert outcome["is_covered"]
    results = lab.writer.read("experiment_results")
    read = results[results["mode"] == "observational"]
    assert set(read["status"]) == {"ok"}
    assert set(results.loc[results["mode"] == "twin", "status"]) == {"refused"}
    names = {path.name for path in write_html(lab.writer)}
    assert names == {
        *("experiment_report.html", "calibration.svg", "rejections.svg", "event_study.svg")
    }
    page = (lab.writer.artifacts_dir / "experiment_report.html").read_text(encoding="utf-8")
    assert "synthetic_control" in page


def test_split_conformal_factor_and_its_refusals() -> None:
    assert inflation(np.array([0.5] * 9), np.ones(9), 0.9) == 1.0
    assert inflation(np.array([0.5] * 8 + [4.0]), np.ones(9), 0.9) == 4.0
    assert inflation(np.ones(8), np.ones(8), 0.9) == math.inf
    rng = np.random.default_rng(2)
    predicted = rng.normal(-0.05, 0.1, 40)
    halves = np.full(40, 0.02)
    good = calibrate_shadow(predicted, predicted + rng.normal(0, 0.03, 40), halves, 0.9)
    assert good.refusal(9) is None
    assert good.inflation > 1
    flat = calibrate_shadow(predicted, 0.2 * predicted, halves, 0.9)
    assert "slope" in str(flat.refusal(9))
    assert "held-out moves" in str(
        calibrate_shadow(predicted[:5], predicted[:5], halves[:5], 0.9).refusal(9)
    )


def test_no_move_widens_the_interval_it_is_judged_by() -> None:
    """One outlier of ten: with itself in the count it would cover itself."""
    errors = np.array([1.0] * 9 + [10.0])
    predicted = np.linspace(-1, 1, 10)
    found = calibrate_shadow(predicted, predicted + errors, np.ones(10), 0.85)
    assert found.coverage == pytest.approx(0.9)
    assert found.inflation == 10.0


def test_the_shadow_covers_what_it_says(settings: Any) -> None:
    """100 sets of 40 moves whose model says 2 points and is off by 3."""
    coverage, slope = shadow_runs(settings, 100)
    assert 0.85 <= coverage <= 0.95
    assert 0.8 <= slope <= 1.2


def test_the_shadow_shows_a_number_only_if_it_foretold_the_past(settings: Any) -> None:
    accounts = pd.DataFrame(
        {
            "plan_id": ["c", "t"],
            "mean_rps": [10.0, 10.0],
            "mean_latency_ms": [100.0, 80.0],
            "mean_latency_lo_ms": [90.0, 72.0],
            "mean_latency_hi_ms": [110.0, 88.0],
        }
    )
    effect = fleet_effect(accounts, {"control": "c", "treatment": "t"})
    assert effect is not None
    assert math.expm1(effect[0]) == pytest.approx(-0.2)
    rng = np.random.default_rng(2)
    predicted = rng.normal(-0.05, 0.1, 40)
    good = calibrate_shadow(predicted, predicted + rng.normal(0, 0.03, 40), np.full(40, 0.02), 0.9)
    row = shadow_row(settings, good, effect)
    assert row["status"] == "ok"
    assert row["plausible_lo"] < -0.2 < row["plausible_hi"]
    assert row.get("p_value") is None
    bad = calibrate_shadow(predicted[:3], predicted[:3], np.full(3, 0.02), 0.9)
    refused = shadow_row(settings, bad, effect)
    assert refused["status"] == "refused"
    assert refused.get("rel_effect") is None
    assert (
        fleet_effect(accounts.assign(mean_latency_lo_ms=None), {"control": "c", "treatment": "t"})
        is None
    )


def test_placebos_are_of_the_services_that_stood_still(settings: Any) -> None:
    """A fleet in which every service moves all the time has nothing to compare with."""
    rows = _rows(0.0)
    rows["region_id"] = np.where(rows["day"] // 5 % 2 == 0, "a", "b")
    panel = make_panel(rows, START)
    reader = MoveReader(panel, settings.observational, np.random.default_rng(1))
    assert isinstance(reader.read(0, MOVED_ON, "rolled_out"), str)
    assert not isinstance(reader.read(0, MOVED_ON, "rolled_out"), MoveEffect)
