"""Files, gate in SQL, power of designs, goals and the page: each seen to fail once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.experiment import run
from ml.experiment.calibrate import Calibration
from ml.experiment.calibration_run import calibrate_all, own_daily, write_calibration
from ml.experiment.goals import Goal, method_goals
from ml.experiment.goals_data import data_goals
from ml.experiment.goals_measured import cross_check_goal, guard_rail_goals
from ml.experiment.grid import Sizes, scenarios
from ml.experiment.html import write_html
from ml.experiment.opening import evaluation_days
from ml.experiment.plots import PLOTS
from ml.experiment.preview import Bench, NotPossibleError, assign, power
from ml.experiment.simulate import gate_over, simulate
from ml.experiment.svg import Picture, around, ticks
from ml.io import PredictionContractError


def _silent(what: str, part: float | None = None) -> None:
    assert what


def _simulated(lab: Any, settings: Any, **knobs: Any) -> list[Any]:
    world = lab.world(**knobs)
    bench = Bench.of(settings, lab.features, lab.writer, world)
    days = evaluation_days(settings, world, bench.plans.trained_through)[:3]
    rows = simulate(world, bench.plans, days, settings, lab.writer, _silent)
    assert rows == 2 * 12 * 4 * 72
    return gate_over(lab.folder / "predictions" / "sim_outcomes")


def test_the_gate_over_files_is_green_where_nothing_is_wrong(lab: Any, settings: Any) -> None:
    assert {c.status for c in _simulated(lab, settings)} == {"green"}
    histogram = lab.writer.read("sim_latency_hist")
    offered = lab.writer.read("sim_outcomes")
    served = offered["served_requests"].sum()
    assert histogram["requests"].sum() == pytest.approx(served, rel=1e-9)
    assert set(histogram["in_warmup"]) == {True, False}


@pytest.mark.parametrize(
    ("knobs", "red"),
    [
        ({"extra_demand": 5}, {"demand_equal", "demand_total"}),
        ({"lost_requests": 3}, {"requests_conserved", "shedding_cannot_help"}),
        ({"shed_share": 0.01, "shed_is_free": True}, {"shedding_cannot_help"}),
    ],
)
def test_the_gate_over_files_sees_what_is_wrong(
    lab: Any, settings: Any, knobs: dict[str, Any], red: set[str]
) -> None:
    found = {c.name for c in _simulated(lab, settings, **knobs) if c.status == "red"}
    assert found == red


def test_a_missing_cell_turns_the_gate_red(lab: Any, settings: Any) -> None:
    _simulated(lab, settings)
    file = lab.folder / "predictions" / "sim_outcomes" / "simulate_treatment.parquet"
    rows = pd.read_parquet(file)
    lab.writer.write("sim_outcomes", rows.iloc[1:], "simulate_treatment")
    red = {c.name for c in gate_over(file.parent) if c.status == "red"}
    assert red == {"demand_equal", "demand_total"}
    with pytest.raises(PredictionContractError, match="two rows with key"):
        lab.writer.write("sim_outcomes", pd.concat([rows, rows.iloc[:1]]), "simulate_treatment")


def test_assignment_is_drawn_before_anything_is_run(lab: Any, make_settings: Any) -> None:
    settings = make_settings()
    bench = Bench.of(settings, lab.features, lab.writer, lab.world())
    first = assign(bench)
    assert len(first) == 28
    lab.writer.write("experiment_assignments", pd.DataFrame(first), "experiment")
    run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    drawn = pd.DataFrame(first).sort_values("period_start_on")["arm"].tolist()
    ran = lab.writer.read("experiment_assignments").sort_values("period_start_on")["arm"].tolist()
    assert drawn == ran
    with pytest.raises(NotPossibleError, match="no world"):
        assign(Bench.of(settings, lab.features, lab.writer, None))


def test_power_of_every_design_grows_with_the_effect(lab: Any, make_settings: Any) -> None:
    services = lab.services
    lab.features._frames["feat_placement__calls"] = pd.DataFrame(
        [(a, b, 1.0) for a, b in zip(services[0::2], services[1::2], strict=True)],
        columns=["caller_service_id", "callee_service_id", "calls_per_request"],
    )
    settings = make_settings(
        power={"draws": 100, "days": [14, 28]},
        cluster={"max_community_share": 0.9, "permutations": 199},
        wedge={"permutations": 199},
    )
    points = power(Bench.of(settings, lab.features, lab.writer, lab.world()), _silent)
    table = pd.DataFrame([p.__dict__ for p in points])
    assert set(table["design"]) == {"switchback", "cluster_switchback", "stepped_wedge"}
    known = table[table["power"].notna()]
    assert len(known)
    for _, rows in known.groupby(["design", "metric", "days"]):
        assert rows.sort_values("effect")["power"].is_monotonic_increasing
    refused = make_settings(
        power={"draws": 100, "days": [28]}, cluster={"max_community_share": 0.01}
    )
    points = power(Bench.of(refused, lab.features, lab.writer, lab.world()), _silent)
    said = {p.reason for p in points if p.design == "cluster_switchback"}
    assert len(said) == 1
    assert "largest community" in str(said)
    assert all(p.power is None for p in points if p.design == "cluster_switchback")


def _row(design: str, scenario: str, **values: Any) -> Calibration:
    rate = values.pop("rate", None)
    return Calibration(
        *("noise_world", design, "latency_mean", "sign_flip", scenario, 2000),
        *(rate, None, None, False, "green"),
        **values,
    )


def test_a_goal_that_is_missed_is_called_missed() -> None:
    """Right figures meet every goal; each wrong one turns exactly its own goal."""
    right = {
        ("switchback", "A/A, 28 days"): {"rate": 0.05, "ks_p_uniform": 0.5},
        ("switchback", "-5 %, spill, 28 days"): {"coverage": 0.95, "bias_points": 0.1},
        ("switchback", "-5 %, cap, 28 days"): {"coverage": 0.95, "bias_points": 0.1},
        ("switchback", "-5 %, carry-over, washout, 28 days"): {"bias_points": 0.1},
        ("switchback", "-5 %, none, 56 days"): {"power": 0.85},
        ("cluster_switchback", "-5 %, none, 28 days"): {"coverage": 0.95, "power": 0.95},
        ("cluster_switchback", "-5 %, spill, 28 days"): {"coverage": 0.95},
    }

    def missed(changes: dict[Any, Any], stops: tuple[float, float] = (0.02, 0.9)) -> set[str]:
        rows = [_row(*key, **{**values, **changes.get(key, {})}) for key, values in right.items()]
        return {g.goal_id for g in method_goals(rows, stops, 2000) if g.status == "missed"}

    assert missed({}) == set()
    assert missed({("switchback", "A/A, 28 days"): {"rate": 0.08}}) == {"G1a"}
    assert missed({("switchback", "A/A, 28 days"): {"ks_p_uniform": 1e-5}}) == {"G1b"}
    assert missed({("switchback", "-5 %, cap, 28 days"): {"coverage": 0.90}}) == {"G2a"}
    assert missed({("switchback", "-5 %, cap, 28 days"): {"bias_points": -0.9}}) == {"G3"}
    assert missed({("cluster_switchback", "-5 %, none, 28 days"): {"power": 0.4}}) == {"G9c"}
    assert missed({}, stops=(0.09, 0.2)) == {"G7a", "G7b"}


def test_goals_without_evidence_are_not_measured(lab: Any) -> None:
    assert {g.status for g in method_goals([], (0.0, 1.0), 2000) if g.goal_id[:2] != "G7"} == {
        "not_measured"
    }
    assert {g.status for g in data_goals(lab.writer)} == {"not_measured"}
    assert Goal("G", "m", "t", "o", False).status == "missed"


def test_measured_goals_hold(settings: Any) -> None:
    assert cross_check_goal(settings).holds
    assert {g.goal_id: g.holds for g in guard_rail_goals(settings, 1000)} == {
        "G8a": True,
        "G8b": True,
    }


def test_the_whole_harness_in_small(lab: Any, make_settings: Any) -> None:
    """A hundredth of the runs: every scenario has its row, every goal its word."""
    settings = make_settings(
        baselines={"random_matched": 0},
        cluster={"permutations": 199},
        wedge={"permutations": 199},
    )
    run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    daily = own_daily(lab.features, lab.writer, lab.world(), settings)
    assert len(daily) == 6
    sizes = Sizes().shrunk(0.01)
    found = calibrate_all(settings, daily, sizes, _silent)
    covered = [r.scenario for r in found.rows if r.coverage is not None]
    # Spill-over is told twice: over all fleets, and over those the design would run on.
    assert len(covered) == len(scenarios(sizes)) + 1
    assert sum("fleets it accepts" in name for name in covered) == 1
    goals = write_calibration(lab.writer, found)
    assert [g.goal_id for g in goals][:3] == ["G1a", "G1b", "G2a"]
    written = lab.writer.read("experiment_calibration")
    assert set(written["form"]) == {"short", "long"}
    curves = lab.writer.read("experiment_rejections")
    assert set(curves["form"]) == {"short", "long"}
    # Every rate has its curve, in both forms, and passes through it at 5 %.
    key = ["form", "source", "design", "metric", "estimator", "scenario"]
    both = written[written["false_positive_rate"].notna()].merge(
        curves[curves["nominal_level"] == 0.05], on=key, how="outer"
    )
    assert len(both) == written["false_positive_rate"].notna().sum() > 10
    assert (both["false_positive_rate"] == both["rejected_share"]).all()
    canaries = written[(written["form"] == "long") & written["is_canary"]]
    assert set(canaries["status"]) == {"red"}
    assert len(lab.writer.read("experiment_goals")) == len(goals)


def test_the_page_holds_what_the_tables_say(lab: Any, settings: Any) -> None:
    run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    paths = write_html(lab.writer)
    assert len(paths) == 15
    first = {path: path.read_bytes() for path in paths}
    page = paths[0].read_text(encoding="utf-8")
    assert "<h1>Verdict: ship</h1>" in page
    assert page.count("<svg") == 14
    assert "<script" not in page
    assert "http://www.w3.org/2000/svg" in page
    assert "nan" not in page.lower().replace("nanos", "")
    assert {path: path.read_bytes() for path in write_html(lab.writer)} == first


def test_an_effect_is_drawn_beside_the_margin_of_its_guard_rail() -> None:
    rows = pd.DataFrame(
        {
            "mode": "twin",
            "role": ["success", "success", "guardrail"],
            "metric": ["cost_per_1m", "latency_mean", "cost_per_1m"],
            "rel_effect": [-0.1, -0.2, -0.1],
            "rel_lo": [-0.12, -0.22, -0.12],
            "rel_hi": [-0.08, -0.18, -0.08],
            "margin": [None, None, 0.02],
            "margin_kind": [None, None, "relative"],
        }
    )
    drawn = PLOTS["effects"]({"experiment_results": rows})
    assert drawn is not None
    text, at = drawn.render(), f"{drawn.x(2.0):.4g}"
    assert text.count(f'<line x1="{at}"') == 1
    assert f'<line x1="{at}" y1="{drawn.y(-0.35):.4g}" x2="{at}"' in text


def test_a_maximum_is_drawn_as_what_it_bounds() -> None:
    rows = pd.DataFrame(
        {
            "mode": "twin",
            "role": "guardrail",
            "metric": ["max_region_utilisation", "latency_p99"],
            "margin": [0.8, 0.05],
            "margin_kind": ["maximum", "relative"],
            "treatment": [0.4, 100.0],
            "rel_hi": [None, 0.025],
            "rel_lo": [None, -0.1],
            "abs_hi": [0.01, None],
            "abs_lo": [0.01, None],
            "verdict": "passed",
        }
    )
    drawn = PLOTS["guard_rails"]({"experiment_results": rows})
    assert drawn is not None
    half = f'width="{(drawn.x(0.5) - drawn.x(0.0)):.4g}" height="14"'
    assert drawn.render().count(half) == 2


def test_a_refused_experiment_has_a_page_without_pictures_of_effects(
    lab: Any, settings: Any
) -> None:
    run(lab.features, lab.writer, None, settings)
    names = {path.name for path in write_html(lab.writer)}
    assert names == {"experiment_report.html", "calibration.svg", "rejections.svg"}


def test_pictures_keep_their_marks_inside() -> None:
    assert ticks(-0.13, 0.42) == [-0.1, 0.0, 0.1, 0.2, 0.3, 0.4]
    assert around([5.0], zero=False) == (4.5, 5.5)
    assert around([float("nan")])[0] < around([float("nan")])[1]
    picture = Picture("a < b", "x", (0.0, 1.0), ["one & two"])
    picture.dot(0.5, 0, "#000000")
    text = picture.render()
    assert "a &lt; b" in text
    assert "one &amp; two" in text


def test_the_report_is_json_that_sorts(lab: Any, settings: Any) -> None:
    run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    path: Path = lab.writer.artifacts_dir / "experiment_report.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert list(content) == sorted(content)
    assert np.isfinite(content["out_of_sample"]["latency_mean"]["ratio"])
