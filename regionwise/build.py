"""A build: every stage in order, under the lock, published at the end or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from regionwise import dbt, decisions, experiment, publish, report, runner
from regionwise.config import ROOT, Settings
from regionwise.console import Reporter
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders
from regionwise.lock import build_lock
from regionwise.memory import MemoryWatch
from regionwise.policy import policy
from regionwise.stages import BY_NAME, STAGES, Stage

# glibc hands arrays above 32 MB back at once and fetches every page anew: a fifth of the processor
# time of a fleet of 1,500 services. Both are in bytes.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"}
_VERSIONED = ("duckdb", "dbt-core", "dbt-duckdb", "numpy", "pandas", "scipy", "scikit-learn")


def build(
    settings: Settings, source: Path | None, *, quiet: bool = False, gate: bool = False
) -> report.RunReport:
    """Run the whole house once and publish its answer.

    Args:
        settings: What the user decided.
        source: Folder in the raw contract; None builds the synthetic world.
        quiet: Print errors only.
        gate: Turn stale or insufficient data, and a breached guard rail, into exit codes.

    Returns:
        The run report, already written to ``data/runs``.

    Raises:
        Stop: With the exit code that says why nothing was published.
    """
    folders = Folders(settings.data)
    started = datetime.now(UTC)
    run_id = started.strftime("%Y%m%dT%H%M%S%fZ")
    reporter = Reporter(len(STAGES) + 1, quiet=quiet)
    # Refused now rather than after a minute of work.
    policy(settings)
    experiment.load_settings(settings)

    def before(stage: Stage) -> None:
        if stage.name == "features":
            # What an earlier build predicted must not be read as this build's answer; a refused
            # input, though, changes nothing downstream.
            shutil.rmtree(folders.predictions, ignore_errors=True)
        if stage.name == "marts":
            _write_meta_run(settings, source, run_id, started)
            _land_decisions(folders)

    with build_lock(folders.lock, "regionwise build"):
        try:
            folders.runs.mkdir(parents=True, exist_ok=True)
            with MemoryWatch(os.getpid()) as watch:
                runner.run(STAGES, _launch(settings, source), reporter, _at_once(settings), before)
                with reporter.step("publish", "publish the marts") as record:
                    rows = publish.publish(settings, run_id)
                    record.rows, record.detail = sum(rows.values()), f"{len(rows)} marts"
            reporter.seen_mb = watch.peak_mb
        except BaseException as error:
            report.write_failed(settings, run_id, reporter, error)
            raise
        done = report.write(settings, run_id, reporter)
    if gate:
        report.gate(done)
    return done


def run_stage(settings: Settings, name: str, source: Path | None, *, quiet: bool = False) -> None:
    """Run one stage again on what the stages before it left behind.

    Raises:
        Stop: If there is no such stage, or it cannot end well.
    """
    folders = Folders(settings.data)
    reporter = Reporter(1, quiet=quiet)
    with build_lock(folders.lock, f"regionwise stage {name}"):
        if name == "publish":
            with reporter.step(name, "publish the marts") as record:
                run_id = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
                record.rows = sum(publish.publish(settings, run_id).values())
            return
        if name in BY_NAME:
            runner.run([BY_NAME[name]], _launch(settings, source), reporter, 1)
            return
    known = ", ".join([*(stage.name for stage in STAGES), "publish"])
    raise Stop(Exit.USAGE, f"no stage is called {name!r}; there are: {known}")


def _launch(settings: Settings, source: Path | None) -> runner.Launch:
    environment = dbt.environment(settings) | _KEEP_MEMORY
    return lambda stage, events: runner.StageProcess(stage, settings, source, environment, events)


def _at_once(settings: Settings) -> int:
    # No more than two stages ever have their inputs at the same time.
    return min(2, settings.threads)


def _write_meta_run(
    settings: Settings, source: Path | None, run_id: str, started: datetime
) -> None:
    folders = Folders(settings.data)
    dataset = pq.read_table(folders.raw / "landed_dataset.parquet").to_pylist()[0]
    versions = {"python": sys.version.split()[0]} | {name: version(name) for name in _VERSIONED}
    row = {
        "run_id": run_id,
        "build_id": run_id,
        "code_commit": _commit(),
        "dataset_hash": dataset["dataset_hash"],
        "config_hash": config_hash(settings),
        "seed": dataset["seed"],
        "command": f"regionwise build{'' if source is None else f' --input {source}'}",
        "started_at": started.replace(tzinfo=None),
        "versions": json.dumps(versions, sort_keys=True),
    }
    schema = pa.schema(
        [
            (name, pa.int64() if name == "seed" else pa.string())
            if name != "started_at"
            else (name, pa.timestamp("us"))
            for name in row
        ]
    )
    pq.write_table(pa.Table.from_pylist([row], schema), folders.runs / "meta_run.parquet")


def _land_decisions(folders: Folders) -> None:
    """What people decided is one more source of the marts, as of the moment they are built."""
    log = decisions.read(folders.data)
    log["decision_id"] = log["decision_id"].astype("str").str.zfill(12)
    schema = pa.schema([(name, pa.string()) for name in log.columns])
    folders.decisions.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(log, schema, preserve_index=False)
    pq.write_table(table, folders.decisions / "decisions.parquet")


def config_hash(settings: Settings) -> str:
    """Return the SHA-256 of what was decided, without where it was stored."""
    where = {"data", "threads", "memory_limit", "placement", "experiment"}
    chosen = settings.model_dump(mode="json", exclude=where)
    # What the files say, not where they lie.
    chosen["policy"] = policy(settings).digest()
    chosen["experiment"] = experiment.load_settings(settings).model_dump(mode="json")
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def _commit() -> str | None:
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
