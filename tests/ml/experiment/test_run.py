"""The stage from plans to verdict, in a world where the truth is a knob."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import TABLES
from ml.experiment import run
from ml.experiment.plans import consecutive
from ml.experiment.registry import RegistrationChangedError
from ml.experiment.report import git_commit

MINE = [t for t in TABLES if t.name.startswith("experiment_")]


def _read(lab: Any, name: str) -> pd.DataFrame:
    frame: pd.DataFrame = lab.writer.read(name)
    return frame


def _row(lab: Any, mode: str, metric: str, role: str = "success") -> pd.Series:
    rows = _read(lab, "experiment_results")
    keep = (rows["mode"] == mode) & (rows["metric"] == metric) & (rows["role"] == role)
    found = rows[keep & (rows["segment"] == "all")]
    assert len(found) == 1
    return found.iloc[0]


def _red(lab: Any) -> set[str]:
    checks = _read(lab, "experiment_checks")
    return set(checks.loc[checks["status"] == "red", "check_name"])


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: Any, new_lab: Any, make_settings: Any) -> Any:
    """One run in which the treatment is 7 % faster and 3 % cheaper everywhere."""
    lab = new_lab(tmp_path_factory.mktemp("shipped"))
    settings = make_settings(baselines={"random_matched": 200})
    world = lab.world(latency_factor=0.93, cost_factor=0.97)
    lab.result = run(lab.features, lab.writer, world, settings)
    return lab


def test_a_real_gain_ships(shipped: Any) -> None:
    assert shipped.result.verdict == "ship", shipped.result.reasons
    twin = _row(shipped, "twin", "latency_mean")
    served = 0.93 * 0.999 + 0.001 * 0  # errors keep their time-out
    assert twin["rel_effect"] == pytest.approx(-0.07, abs=0.004)
    assert served < 1
    assert twin["plausible_lo"] <= twin["rel_effect"] <= twin["plausible_hi"] < 0
    assert math.isnan(twin["p_value"])
    field = _row(shipped, "switchback", "latency_mean")
    assert field["p_value"] <= 0.05 / 3
    assert field["rel_lo"] <= -0.065 <= field["rel_hi"]
    assert field["verdict"] == "superior"
    assert field["blocks"] == 14
    assert field["mde80"] > 0
    cost = _row(shipped, "twin", "cost_per_1m")
    assert cost["rel_effect"] == pytest.approx(-0.03, abs=0.001)
    assert cost["treatment"] / cost["control"] - 1 == pytest.approx(cost["rel_effect"])


def test_every_table_is_written_and_keeps_its_contract(shipped: Any) -> None:
    elsewhere = {"experiment_communities", "experiment_goals", "experiment_moves"}
    elsewhere |= {"experiment_move_diagnostics", "experiment_event_study"}
    for table in MINE:
        frame = _read(shipped, table.name)
        assert len(frame) or table.name in elsewhere, table.name
        assert list(frame.columns) == [c.name for c in table.columns]
    verdict = _read(shipped, "experiment_verdict").iloc[0]
    assert verdict["verdict"] == "ship"
    assert verdict["evaluate_days"] == 28
    assert verdict["evaluate_from_on"] > verdict["train_through_on"]
    assert 0 <= verdict["coin_redraws_significant_share"] <= 1
    assert verdict["out_of_sample_gain_share"] == pytest.approx(
        verdict["in_sample_gain_share"], abs=0.01
    )


def test_the_catalogue_holds_every_metric_that_is_told(shipped: Any) -> None:
    """Each role of each result has its definition, and each guard rail the margin it is held to."""
    results = _read(shipped, "experiment_results")
    told = results[results["role"].isin(["success", "guardrail", "diagnostic"])]
    told = told[(told["segment"] == "all") & told["mode"].isin(["twin", "switchback"])]
    catalogue = _read(shipped, "experiment_metrics").set_index(["metric", "role"])
    assert set(zip(told["metric"], told["role"], strict=True)) == set(catalogue.index)
    judged = told[(told["role"] == "guardrail") & told["margin"].notna()]
    judged = judged.set_index(["metric", "role"])
    both = judged.merge(catalogue, left_index=True, right_index=True, suffixes=("", "_registered"))
    known = both[both["margin_registered"].notna()]
    assert len(known) >= 7
    assert (known["margin"] == known["margin_registered"]).all()
    assert (known["margin_kind"] == known["margin_kind_registered"]).all()
    assert (both["unit"] == both["unit_registered"]).all()
    assert catalogue.loc[("latency_p95", "success"), "quantile_share"] == 0.95
    assert catalogue.loc[("latency_mean", "success"), "smallest_effect_share"] == 0.05


def test_units_can_be_tested_again_from_the_table(shipped: Any) -> None:
    """The p-value follows from the published units alone."""
    from ml.experiment.signflip import sign_flip

    units = _read(shipped, "experiment_units")
    units = units[units["metric"] == "latency_mean"]
    assert len(units) == 28
    assert units.groupby("block_id")["arm"].nunique().eq(2).all()
    wide = units.pivot_table(index="block_id", columns="arm", values="value")
    gaps = np.log(wide["treatment"] / wide["control"]).to_numpy()
    found = _row(shipped, "switchback", "latency_mean")
    assert sign_flip(gaps).p_value == pytest.approx(found["p_value"])
    assert math.expm1(gaps.mean()) == pytest.approx(found["rel_effect"])


def test_classic_report_prints_the_t_line_with_its_label(shipped: Any) -> None:
    lines = _read(shipped, "experiment_classic_report").set_index("line")
    for name in ("t-statistic", "p-value of the t-statistic"):
        assert "not used for the decision" in lines.loc[name, "label"]
        assert np.isfinite(lines.loc[name, "treatment"])
    assert np.isfinite(lines.loc["sign-flip p-value", "treatment"])
    assert "false-positive rate" in lines.loc["sign-flip p-value", "definition"]
    kept, removed = (lines.loc[f"placement pairs {w}", "treatment"] for w in ("kept", "removed"))
    assert kept + removed == lines.loc["placement pairs", "control"]
    assert lines.loc["redundancy score", "control"] == 2.0
    assert lines.loc["critical-service latency", "change_share"] == pytest.approx(-0.07, abs=0.004)


def test_baselines_rank_the_treatment(shipped: Any) -> None:
    rows = _read(shipped, "experiment_baselines")
    random = rows[rows["family"] == "random_matched"]
    assert len(random) == 200
    assert random["p_plan"].isna().all()
    mine = rows[rows["family"] == "treatment"].iloc[0]
    # In this world only the treatment is faster: every random plan is beaten.
    assert mine["p_plan"] == pytest.approx(1 / 201)
    assert random["redundancy"].eq(mine["redundancy"]).all()
    assert random["instance_hours"].eq(mine["instance_hours"]).all()
    assert set(rows["family"]) == {
        "treatment",
        "control",
        "random_matched",
        "greedy_nearest",
        "cheapest",
    }


def test_simple_rules_meet_every_day_and_show_what_they_break(shipped: Any) -> None:
    report = json.loads((shipped.writer.artifacts_dir / "experiment_report.json").read_text())
    for rule in ("greedy_nearest", "cheapest", "control"):
        found = report["baselines"][f"against_{rule}"]
        assert found["days"] == 28
        assert found["lo"] <= found["latency_effect"] <= found["hi"] < 0
    checks = _read(shipped, "experiment_checks").set_index("check_name")
    gain = checks.loc["gain_over_greedy_nearest", "observed"]
    assert "over 28 days" in gain
    assert "faster than nearest" in gain
    for rule in ("greedy_nearest", "cheapest"):
        row = checks.loc[f"{rule}_like_for_like"]
        moves = report["baselines"]["rule_breaks"][rule]["moves"]
        assert f"{moves} moves (limit 60)" in row["observed"]
        assert row["status"] == "green"


def test_rules_that_break_the_limit_are_not_like_for_like(lab: Any, make_settings: Any) -> None:
    """No move is allowed: whatever a simple rule saves, it saves by breaking that."""
    settings = make_settings(metrics={"guardrails": {"moves": {"max": 0}}})
    run(lab.features, lab.writer, lab.world(latency_factor=1.1), settings)
    checks = _read(lab, "experiment_checks").set_index("check_name")
    assert checks.loc["cheapest_like_for_like", "status"] == "not_testable"
    assert "SLOWER than nearest" in checks.loc["gain_over_greedy_nearest", "observed"]


def test_guard_rails_carry_the_unit_of_their_metric(shipped: Any) -> None:
    units = {
        "latency_p99": "ms",
        "cost_per_1m": "USD per million requests",
        "error_rate": "share",
        "moves": "count",
        "worst_top20_service_latency": "ms",
    }
    for metric, unit in units.items():
        assert _row(shipped, "twin", metric, "guardrail")["unit"] == unit


def test_report_file(shipped: Any) -> None:
    folder = shipped.writer.artifacts_dir
    text = (folder / "experiment_report.json").read_text()
    report = json.loads(text)
    wanted = {
        *("schema_version", "experiment_id", "config_sha256", "plan_sha256", "git_commit", "seeds"),
        *("estimand", "population", "checks", "results", "guardrails", "classic", "baselines"),
        *("out_of_sample", "coin_redraws", "decision", "calibration", "limits"),
    }
    assert wanted <= set(report)
    assert "NaN" not in text
    assert json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False) + "\n" == text
    for arm, kind in (("control", "current"), ("treatment", "recommended")):
        rows = pd.read_csv(folder / f"{arm}_placement.csv")
        assert len(rows) == len(shipped.placements(kind))
        assert rows["criticality_tier"].isin(["gold", "silver"]).all()


def test_the_commit_is_that_of_the_code_and_of_no_other_checkout(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    source = tmp_path / "report.py"
    source.write_text("")
    assert git_commit(source) is None
    git("init", "-q")
    (tmp_path / "other").write_text("")
    git("add", "other")
    git("commit", "-q", "-m", "one")
    assert git_commit(source) is None, "the checkout does not hold the file"
    git("add", "report.py")
    git("commit", "-q", "-m", "two")
    assert git_commit(source) == git("rev-parse", "HEAD")


def test_nothing_differs_nothing_is_claimed(lab: Any, settings: Any) -> None:
    result = run(lab.features, lab.writer, lab.world(), settings)
    assert result.verdict == "inconclusive"
    for metric in settings.metrics.success:
        twin = _row(lab, "twin", metric)
        assert twin["rel_effect"] == 0.0
        assert twin["rel_lo"] == twin["rel_hi"] == 0.0
        assert twin["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("knobs", "rail"),
    [
        ({"latency_factor": 1.16}, "latency_p99"),
        ({"error_share": 0.0016}, "error_rate"),
        ({"slo_share": 0.005}, "slo_violation_rate"),
        ({"cost_factor": 1.07}, "cost_per_1m"),
        ({"shed_share": 0.01}, "unserved_share"),
        ({"utilisation": 0.9}, "max_region_utilisation"),
        ({"n1_share": 0.98}, "one_region_loss_served_share"),
        ({"service_factors": {"svc-003": 1.35}}, "worst_top20_service_latency"),
    ],
)
def test_a_planted_breach_blocks(
    lab: Any, make_settings: Any, knobs: dict[str, Any], rail: str
) -> None:
    settings = make_settings(baselines={"random_matched": 0, "cheapest": False})
    knobs = {"latency_factor": 0.9, **knobs}
    result = run(lab.features, lab.writer, lab.world(**knobs), settings)
    assert result.verdict == "no_ship", result.reasons
    assert _row(lab, "twin", rail, "guardrail")["verdict"] == "violated"
    assert any(rail in reason for reason in result.reasons)


def test_too_many_moves_block(lab: Any, make_settings: Any) -> None:
    settings = make_settings(metrics={"guardrails": {"moves": {"max": 7}}})
    result = run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    assert result.verdict == "no_ship"
    assert _row(lab, "twin", "moves", "guardrail")["treatment"] == 8


def test_significantly_worse_success_metric_blocks(lab: Any, settings: Any) -> None:
    """1 % dearer stays within the guard rail, but it is shown worse: no ship."""
    world = lab.world(latency_factor=0.9, cost_factor=1.01, day_noise=0.01)
    result = run(lab.features, lab.writer, world, settings)
    assert _row(lab, "twin", "cost_per_1m", "guardrail")["verdict"] == "passed"
    assert _row(lab, "switchback", "cost_per_1m")["verdict"] in ("inferior", "inconclusive")
    worse = _row(lab, "switchback", "cost_per_1m")["verdict"] == "inferior"
    assert result.verdict == ("no_ship" if worse else "ship")


def test_twin_alone_cannot_ship(lab: Any, make_settings: Any) -> None:
    settings = make_settings(mode=["twin"])
    result = run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    assert result.verdict == "inconclusive"
    lines = _read(lab, "experiment_classic_report").set_index("line")
    assert math.isnan(lines.loc["t-statistic", "treatment"])
    assert _read(lab, "experiment_units").empty


@pytest.mark.parametrize("knobs", [{"extra_demand": 5}, {"lost_requests": 3}, {"unstable": 1e-5}])
def test_a_red_gate_is_invalid_and_shows_no_effect(
    lab: Any, settings: Any, knobs: dict[str, Any]
) -> None:
    result = run(lab.features, lab.writer, lab.world(latency_factor=0.9, **knobs), settings)
    assert result.verdict == "invalid"
    assert not result.headline
    rows = _read(lab, "experiment_results")
    assert set(rows["status"]) == {"invalid"}
    assert rows[["abs_effect", "rel_effect", "p_value", "plausible_lo"]].isna().all().all()


def test_no_world_says_so_and_claims_nothing(lab: Any, settings: Any) -> None:
    result = run(lab.features, lab.writer, None, settings)
    assert result.verdict == "inconclusive"
    rows = _read(lab, "experiment_results")
    assert set(rows["status"]) == {"refused", "insufficient"}
    assert rows[["abs_effect", "rel_effect", "p_value", "p_adjusted"]].isna().all().all()
    is_past = rows["mode"] == "observational"
    assert rows.loc[~is_past, "reason"].str.contains("no world").all()
    # Without a world past moves are all there is; here there are none either.
    assert rows.loc[is_past, "reason"].tolist() == ["no day was observed"]
    for name in ("experiment_units", "experiment_classic_report", "experiment_baselines"):
        assert _read(lab, name).empty
    assert set(_read(lab, "experiment_checks")["status"]) == {"green", "not_testable"}
    assert (lab.writer.artifacts_dir / "experiment_report.json").exists()


def test_no_plan_is_refused(lab: Any, settings: Any) -> None:
    lab.write_placement(("current",))
    result = run(lab.features, lab.writer, lab.world(), settings)
    assert result.verdict == "inconclusive"
    assert "no plan for treatment (recommended)" in " ".join(result.reasons)
    assert pd.isna(_read(lab, "experiment_verdict").iloc[0]["treatment_plan_id"])


def test_a_random_control_has_the_treatments_budget(lab: Any, make_settings: Any) -> None:
    """Where nobody knows today's placement, control is a random plan, the same for one seed."""
    from ml.experiment.fleet import read_fleet
    from ml.experiment.plans import read_plans

    fleet = read_fleet(lab.features)
    one, same, other = (
        read_plans(
            lab.writer, lab.features, make_settings(plans={"control": f"random_matched:{n}"}), fleet
        )
        for n in (1, 1, 2)
    )
    assert one.missing is None
    assert one.bare("control").equals(same.bare("control"))
    assert not one.bare("control").equals(other.bare("control"))
    sums = [p.groupby("service_id")["instances"].sum() for p in one.placements.values()]
    assert sums[0].equals(sums[1])


def test_evaluation_on_known_days_is_invalid(lab: Any, make_settings: Any) -> None:
    world = lab.world(latency_factor=0.9)
    first = world.first_future_on - timedelta(days=1)
    settings = make_settings(evaluate={"from": first.isoformat()})
    assert run(lab.features, lab.writer, world, settings).verdict == "invalid"
    assert _red(lab) == {"train_eval_overlap"}


def test_changed_configuration_is_refused_until_it_gets_a_new_name(
    lab: Any, make_settings: Any
) -> None:
    world = lab.world(latency_factor=0.9)
    first = run(lab.features, lab.writer, world, make_settings())
    again = run(lab.features, lab.writer, world, make_settings())
    assert first.verdict == again.verdict == "ship"
    with pytest.raises(RegistrationChangedError) as refused:
        run(lab.features, lab.writer, world, make_settings(seed=7, alpha=0.06))
    assert "alpha: 0.05 -> 0.06; seed: 20260401 -> 7" in str(refused.value)
    renamed = make_settings(seed=7, experiment_id="placement-plan-02")
    assert run(lab.features, lab.writer, world, renamed).verdict == "ship"


def test_short_period_gives_no_verdict(lab: Any, make_settings: Any) -> None:
    event = consecutive(lab.world().first_future_on, 14)[5]
    settings = make_settings(
        evaluate={"days": 14}, switchback={"excluded_days": [event.isoformat()]}
    )
    result = run(lab.features, lab.writer, lab.world(latency_factor=0.8), settings)
    assert result.verdict == "inconclusive"
    found = _row(lab, "switchback", "latency_mean")
    assert found["status"] == "insufficient"
    assert math.isnan(found["p_value"])
    assert "6 blocks" in found["reason"]


def test_underpowered_design_says_so(lab: Any, settings: Any) -> None:
    """Ten times noisier days: the smallest effect that could be found is above the registered."""
    world = lab.world(latency_factor=0.97, day_noise=0.4)
    result = run(lab.features, lab.writer, world, settings)
    assert result.verdict == "inconclusive"
    assert any(reason.startswith("underpowered") for reason in result.reasons)
    found = _row(lab, "switchback", "latency_mean")
    assert found["mde80"] > 0.05
    # The twin still sees the size: it cannot decide alone.
    assert _row(lab, "twin", "latency_mean")["verdict"] == "superior"


def test_planned_events_leave_with_their_block(lab: Any, make_settings: Any) -> None:
    world = lab.world(latency_factor=0.9)
    event = consecutive(world.first_future_on, 28)[5]
    settings = make_settings(switchback={"excluded_days": [event.isoformat()]})
    run(lab.features, lab.writer, world, settings)
    assert _row(lab, "switchback", "latency_mean")["blocks"] == 13
    units = _read(lab, "experiment_units")
    assert pd.Timestamp(event) not in set(pd.to_datetime(units["observed_on"]))


SCRIPT = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("lab_module", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["lab_module"] = module
spec.loader.exec_module(module)
from ml.experiment import load_settings, run
lab = module.Lab(Path(sys.argv[2]))
lab.write_placement()
run(lab.features, lab.writer, lab.world(latency_factor=0.95), load_settings(changes=module.QUICK))
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    helper = Path(__file__).with_name("conftest.py")
    for name in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(helper), str(tmp_path / name)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": name},
            cwd=Path(__file__).parents[3],
        )
    files = sorted(
        p.relative_to(tmp_path / "1") for p in (tmp_path / "1").rglob("*") if p.is_file()
    )
    assert Path("predictions/artifacts/experiment_report.json") in files
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
