"""The whole calibration: what ml/ measures, and what only the outside of a process can."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from regionwise import experiment
from regionwise.config import ROOT, Settings
from regionwise.console import Progress
from regionwise.folders import Folders

if TYPE_CHECKING:
    from ml.experiment import ExperimentSettings
    from ml.experiment.calibration_run import CalibrationResult
    from ml.experiment.goals import Goal

LIMIT_SECONDS = 300.0
GATE_SECONDS = 15.0


def run(
    settings: Settings, rules: ExperimentSettings, say: Progress, *, quick: bool
) -> CalibrationResult:
    """Calibrate; unless ``quick``, measure the goals of data and process too, and keep all.

    Raises:
        Stop: If no build is there to calibrate on and the form is not quick.
    """
    from ml.experiment import calibration_run
    from ml.experiment.grid import Sizes

    if quick:
        small = rules.calibration.model_copy(update={"runs": 400, "worlds": 50, "canary_runs": 200})
        rules = rules.model_copy(update={"calibration": small})
        found = calibration_run.calibrate_all(rules, {}, Sizes().shrunk(0.01), say)
        # So few runs show that everything runs; they can neither meet nor miss a goal.
        unjudged = tuple(replace(goal, holds=None) for goal in found.goals)
        return calibration_run.CalibrationResult(found.rows, unjudged)
    begun = time.perf_counter()
    with experiment.bench_of(settings, rules) as bench:
        say("this world's own days", 0.0)
        daily = calibration_run.own_daily(bench.features, bench.writer, bench.world, rules)
        found = calibration_run.calibrate_all(rules, daily, Sizes(), say)
        say("two processes, two hash seeds", 0.95)
        more = [_same_bytes(settings)]
        say("the gate over a million rows", 0.98)
        more += [_gate(settings, bench, rules)]
        more += [_duration(time.perf_counter() - begun)]
        goals = calibration_run.write_calibration(bench.writer, found, tuple(more))
    experiment.keep_long(settings)
    return calibration_run.CalibrationResult(found.rows, goals)


def _same_bytes(settings: Settings) -> Goal:
    """Run the quick form in two processes with different hash seeds and compare the bytes."""
    from ml.experiment.goals import Goal

    outputs = []
    for seed in ("1", "2"):
        # A folder of its own: the outer command holds the lock of the data folder.
        folder = settings.data / "runs" / f"calibration-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "regionwise", "experiment", "calibrate", "--quick", "--json"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "REGIONWISE_DATA": str(folder)},
            capture_output=True,
            check=False,
        )
        outputs.append(done.stdout)
    same = outputs[0] == outputs[1] and len(outputs[0]) > 0
    return Goal(
        "G13",
        "same configuration and seed: the same bytes from two processes",
        "byte-identical JSON under different PYTHONHASHSEED",
        f"{len(outputs[0])} and {len(outputs[1])} bytes, {'equal' if same else 'different'}",
        same,
    )


def _gate(settings: Settings, bench: object, rules: ExperimentSettings) -> Goal:
    from ml.experiment import simulate
    from ml.experiment.goals import Goal
    from ml.experiment.opening import evaluation_days
    from ml.experiment.preview import Bench

    meaning, target = "the gate over the written hours", f"1 M rows in <= {GATE_SECONDS:.0f} s"
    folder = Folders(settings.data).predictions / "sim_outcomes"
    if not isinstance(bench, Bench) or bench.world is None:
        return Goal("G14b", meaning, target, "no world to run", None)
    if not any(folder.glob(simulate.FILES)):
        days = evaluation_days(rules, bench.world, bench.plans.trained_through)
        simulate.simulate(bench.world, bench.plans, days, rules, bench.writer, lambda *_: None)
    begun = time.perf_counter()
    checks = simulate.gate_over(folder)
    seconds = time.perf_counter() - begun
    rows = _rows(folder)
    red = [c.name for c in checks if c.status == "red"]
    said = f"{rows:,} rows in {seconds:.1f} s, red: {', '.join(red) or 'none'}"
    return Goal("G14b", meaning, target, said, seconds <= GATE_SECONDS and not red)


def _rows(folder: Path) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in sorted(folder.glob("*.parquet")))


def _duration(seconds: float) -> Goal:
    from ml.experiment.goals import Goal

    return Goal(
        "G14a",
        "the whole calibration, 4,000 runs and six metrics",
        f"<= {LIMIT_SECONDS / 60:.0f} min on two cores",
        f"{seconds:.0f} s",
        seconds <= LIMIT_SECONDS,
    )


def lines(found: CalibrationResult) -> list[str]:
    """Return goals and bad methods as lines; a missed goal says so."""
    marks = {"met": "met   ", "missed": "MISSED", "not_measured": "-     "}
    listed = [
        f"{marks[g.status]} {g.goal_id:<5} {g.meaning}: {g.observed} (goal: {g.target})"
        for g in found.goals
    ]
    canaries = [
        f"{r.status:<6} {r.estimator}: false alarms {r.rate or 0.0:.1%}, a bad method, must be red"
        for r in found.rows
        if r.is_canary
    ]
    return [*listed, *canaries]
