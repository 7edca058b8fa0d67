"""The experiment at the front desk: exit codes, and what outlives a build."""

from __future__ import annotations

import importlib.util
import json
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from ml.io import Writer
from regionwise import cli, config, decisions, experiment
from regionwise.build import build, config_hash
from regionwise.config import ROOT
from regionwise.exits import Exit, Stop

_LAB = Path(__file__).resolve().parents[1] / "ml" / "experiment" / "conftest.py"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGIONWISE_DATA", str(tmp_path))
    monkeypatch.delenv("REGIONWISE_EXPERIMENT", raising=False)
    return tmp_path


@pytest.fixture
def built(data: Path) -> Path:
    """A data folder as a build leaves it, as small as it can be and without a world."""
    spec = importlib.util.spec_from_file_location("experiment_lab", _LAB)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["experiment_lab"] = module
    spec.loader.exec_module(module)
    lab = module.Lab(data / "lab")
    lab.writer = Writer(data / "predictions", data / "models")
    lab.write_placement()
    (data / "build").mkdir()
    with duckdb.connect(str(data / "build" / "warehouse.duckdb")) as connection:
        for name, rows in lab.features._frames.items():
            connection.register("rows", rows)
            connection.execute(f"create table {name} as select * from rows")
            connection.unregister("rows")
    return data


def _run(*arguments: str) -> tuple[int, str]:
    """Run one command; a stated ending becomes its exit code and its message."""
    result = CliRunner().invoke(cli.app, ["experiment", *arguments])
    if isinstance(result.exception, Stop):
        return int(result.exception.code), f"{result.exception.message} {result.exception.hint}"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_without_a_build_every_command_names_the_next_one(data: Path) -> None:
    for name in ("design", "assign", "simulate", "power", "analyze", "report", "calibrate"):
        code, said = _run(name)
        assert code == Exit.USAGE, (name, said)
        assert "regionwise build" in said


def test_a_wrong_configuration_ends_with_exit_2_and_names_the_key(data: Path) -> None:
    path = data / "mine.yml"
    path.write_text("alhpa: 0.05\n", encoding="utf-8")
    code, said = _run("design", "--config", str(path))
    assert code == Exit.USAGE
    assert "mine.yml: alhpa" in said
    code, said = _run("design", "--config", str(data / "absent.yml"))
    assert code == Exit.USAGE
    assert "absent.yml" in said


def test_a_build_refuses_a_wrong_configuration_before_it_does_anything(data: Path) -> None:
    path = data / "mine.yml"
    path.write_text("switchback: {min_blocks: 3}\n", encoding="utf-8")
    with pytest.raises(Stop) as caught:
        build(config.load(experiment=path), None, quiet=True)
    assert caught.value.code == Exit.USAGE
    for word in ("mine.yml", "switchback.min_blocks == 3", "must be >= 7"):
        assert word in caught.value.message
    assert [entry.name for entry in data.iterdir()] == ["mine.yml"]


def test_the_run_is_known_by_what_the_file_says_not_by_where_it_lies(data: Path) -> None:
    one, two = data / "one.yml", data / "two.yml"
    for path in (one, two):
        path.write_text("seed: 1\n", encoding="utf-8")
    hashes = [config_hash(config.load(experiment=path)) for path in (one, two)]
    assert hashes[0] == hashes[1] != config_hash(config.load())
    two.write_text("seed: 2\n", encoding="utf-8")
    assert config_hash(config.load(experiment=two)) != hashes[0]


def test_rules_changed_after_registration_are_refused_by_name(built: Path) -> None:
    code, said = _run("design", "--json")
    assert code == 0
    content = json.loads(said)
    assert content["config"]["alpha"] == 0.05
    lock = built / "experiments" / "experiment.lock.json"
    assert json.loads(lock.read_text())["config_sha256"] == content["config_sha256"]
    changed = built / "changed.yml"
    changed.write_text("seed: 1\n", encoding="utf-8")
    for name in ("design", "assign", "analyze"):
        code, said = _run(name, "--config", str(changed))
        assert code == Exit.USAGE
        assert "seed: 20260401 -> 1" in said
        assert "experiment_id" in said
    # The predictions of a build come and go; the registration stays.
    shutil.rmtree(built / "predictions" / "artifacts")
    assert _run("analyze", "--config", str(changed))[0] == Exit.USAGE
    changed.write_text("seed: 1\nexperiment_id: another-one\n", encoding="utf-8")
    assert _run("design", "--config", str(changed))[0] == 0


def test_the_users_file_may_be_named_in_the_settings(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = built / "mine.yml"
    path.write_text("experiment_id: mine-01\n", encoding="utf-8")
    monkeypatch.setenv("REGIONWISE_EXPERIMENT", str(path))
    assert json.loads(_run("design", "--json")[1])["experiment_id"] == "mine-01"


def test_imported_data_say_what_they_lack(built: Path) -> None:
    for name in ("assign", "simulate", "power"):
        code, said = _run(name)
        assert code == Exit.STALE_OR_INSUFFICIENT
        assert "no world" in said


def _publish(data: Path, build_id: str, rows: list[tuple[Any, ...]]) -> None:
    home = data / "serving" / build_id
    home.mkdir(parents=True)
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(
            "create table fct_recommendations (recommendation_id varchar, plan_id varchar,"
            " service_id varchar, evidence_last_on date, from_regions varchar, to_regions varchar,"
            " mean_latency_before_ms double, mean_latency_delta_ms double,"
            " mean_latency_delta_lo_ms double, mean_latency_delta_hi_ms double,"
            " interval_level double, action varchar)"
        )
        connection.executemany(
            "insert into fct_recommendations values (?, 'p', ?, '2026-08-29', 'a', 'b', 100, ?,"
            " -30, -10, 0.8, ?)",
            rows,
        )
    pointer = {"build_id": build_id, "path": f"{build_id}/warehouse.duckdb"}
    (data / "serving" / "current.json").write_text(json.dumps(pointer))


def test_a_copy_of_a_stage_does_not_wait_for_the_stages_input() -> None:
    """The stage waits for its input to end while a copy of it works and closes its own."""
    code = (
        "import threading, time\n"
        "from ml.beside import beside\n"
        "from regionwise import stage_process\n"
        "threading.Thread(target=stage_process._end_with_the_build, daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "print(beside(lambda: 42)(), flush=True)\n"
    )
    # Its own session: where the input ends, the stage ends its whole group.
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], 60)
            assert ready, "the copy never answered"
            assert process.stdout.readline() == b"42\n"
        finally:
            process.kill()


def test_advice_outlives_builds_and_carries_its_reason(data: Path) -> None:
    settings = config.load()
    assert experiment.read_history(settings).advice.empty
    _publish(data, "b1", [("r1", "svc-1", -20.0, "move"), ("r2", "svc-2", 0.0, "keep")])
    experiment.keep_advice(settings)
    _publish(data, "b2", [("r1", "svc-1", -99.0, "move"), ("r3", "svc-3", -5.0, "move")])
    experiment.keep_advice(settings)
    experiment.keep_advice(settings)
    shutil.rmtree(data / "serving")
    decisions.record(data, "r1", "svc-1", "accepted", "agreed", "", "ana")
    decisions.record(data, "r1", "svc-1", "done", "rolled_out", "", "ana")
    found = experiment.read_history(settings)
    advice = found.advice.set_index("recommendation_id")
    # Kept advice is none; a piece given twice is held to what was said first.
    assert sorted(advice.index) == ["r1", "r3"]
    assert advice.loc["r1", "predicted_delta_ms"] == -20.0
    assert found.recorded("svc-1", "b") == "rolled_out"
    assert found.recorded("svc-3", "b") == "unknown"


def test_the_long_calibration_outlives_a_build(data: Path) -> None:
    settings = config.load()
    experiment.land_long(settings)
    writer = experiment.writer_of(settings)
    assert writer.read("experiment_goals").empty
    import pandas as pd

    row = {"goal_id": "G1", "goal_order": 1, "meaning": "m", "target": "t", "observed": "o"}
    rows = pd.DataFrame([row | {"status": "missed"}])
    writer.write("experiment_goals", rows, "calibrate")
    for name in ("experiment_calibration", "experiment_rejections"):
        writer.write(name, pd.DataFrame(), "calibrate")
    experiment.keep_long(settings)
    shutil.rmtree(data / "predictions")
    experiment.land_long(settings)
    assert experiment.writer_of(settings).read("experiment_goals")["status"].tolist() == ["missed"]
