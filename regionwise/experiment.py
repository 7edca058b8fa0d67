"""The experiment at the front desk: what outlives a build, and one function per command."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from regionwise import decisions
from regionwise.config import Settings
from regionwise.console import StepRecord
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders

if TYPE_CHECKING:
    from ml.experiment import ExperimentSettings, World
    from ml.experiment.observational import History
    from ml.experiment.preview import Bench
    from ml.io import Writer

LONG_TABLES = ("experiment_calibration", "experiment_rejections", "experiment_goals")
_ADVICE = """
select
    recommendation_id, plan_id, service_id, evidence_last_on as advised_through_on,
    from_regions, to_regions,
    mean_latency_before_ms as predicted_before_ms,
    mean_latency_delta_ms as predicted_delta_ms,
    mean_latency_delta_lo_ms as predicted_delta_lo_ms,
    mean_latency_delta_hi_ms as predicted_delta_hi_ms,
    interval_level
from fct_recommendations
where action <> 'keep'
order by recommendation_id
"""


def store(settings: Settings) -> Path:
    """Return what outlives every build: registrations, advice given, the long calibration."""
    return settings.data / "experiments"


def load_settings(settings: Settings, file: Path | None = None) -> ExperimentSettings:
    """Read the experiment's configuration: the packaged one, under the user's file if there is one.

    Raises:
        Stop: With exit code 2, naming file, key, value and rule.
    """
    from ml.experiment.config import SettingsError
    from ml.experiment.config import load_settings as load

    try:
        return load(file or settings.experiment)
    except SettingsError as error:
        raise Stop(Exit.USAGE, f"experiment configuration refused: {error}") from error


def open_world(settings: Settings) -> World | None:
    """Return the synthetic world that the raw tables were made in; None for imported data."""
    said = Folders(settings.data).truth / "world.json"
    if not said.exists():
        return None
    from generator.synthetic import SyntheticWorld

    return SyntheticWorld(**json.loads(said.read_text()))


def keep_advice(settings: Settings) -> None:
    """Keep what the published build advised: a later build compares it with what came of it."""
    folders = Folders(settings.data)
    if not folders.pointer.exists():
        return
    pointer = json.loads(folders.pointer.read_text(encoding="utf-8"))
    target = store(settings) / "advice" / f"{pointer['build_id']}.parquet"
    published = folders.serving / pointer["path"]
    if target.exists() or not published.exists():
        return
    with duckdb.connect(str(published), read_only=True) as connection:
        rows = connection.execute(_ADVICE).to_arrow_table()
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, target)


def read_history(settings: Settings) -> History:
    """Return what earlier builds advised, the oldest first, and why moves were made."""
    from ml.experiment.observational import History

    files = sorted((store(settings) / "advice").glob("*.parquet"))
    parts = [pq.read_table(file).to_pandas() for file in files]
    parts = [part for part in parts if len(part)]
    if not parts:
        return History()
    # The first build that gave a piece of advice is the one that knew least: it is held to that.
    advice = pd.concat(parts).drop_duplicates("recommendation_id", keep="first")
    log = decisions.latest(settings.data)
    done = log[log["status"] == "done"]
    reasons = done.merge(advice[["recommendation_id", "to_regions"]], on="recommendation_id")
    reasons = reasons.rename(columns={"reason": "recorded"})
    return History(advice, reasons[["service_id", "to_regions", "recorded"]])


def keep_long(settings: Settings) -> None:
    """Keep the tables of the long calibration; the next build may not lose them."""
    for name in LONG_TABLES:
        made = Folders(settings.data).predictions / name / "calibrate.parquet"
        target = store(settings) / "calibration" / f"{name}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, target)


def land_long(settings: Settings) -> None:
    """Put the kept tables of the long calibration beside this build's, if they still fit."""
    from ml.contract import TABLES

    for name in LONG_TABLES:
        kept = store(settings) / "calibration" / f"{name}.parquet"
        columns = next([c.name for c in table.columns] for table in TABLES if table.name == name)
        if not kept.exists() or pq.read_schema(kept).names != columns:
            continue
        target = Folders(settings.data).predictions / name / "calibrate.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, target)


def writer_of(settings: Settings) -> Writer:
    """Return the writer of the data folder's predictions."""
    from ml.io import Writer

    folders = Folders(settings.data)
    return Writer(folders.predictions, folders.models)


@contextmanager
def bench_of(settings: Settings, rules: ExperimentSettings) -> Iterator[Bench]:
    """Open what the last build left behind.

    Raises:
        Stop: If there is none, a plan is missing, or the rules changed after registration.
    """
    from ml.experiment.preview import Bench, NotPossibleError
    from ml.experiment.registry import RegistrationChangedError
    from ml.io import Features

    warehouse = Folders(settings.data).warehouse
    if not warehouse.exists():
        raise Stop(Exit.USAGE, f"no build in {settings.data}", "regionwise build")
    try:
        with Features(warehouse) as features:
            yield Bench.of(rules, features, writer_of(settings), open_world(settings))
    except RegistrationChangedError as error:
        raise changed(error) from error
    except NotPossibleError as error:
        raise Stop(Exit.STALE_OR_INSUFFICIENT, str(error)) from error


def changed(error: Exception) -> Stop:
    """Return how a command ends when the rules are not the registered ones."""
    hint = "give the changed experiment a new experiment_id, or take the change back"
    return Stop(Exit.USAGE, str(error), hint)


def load() -> None:
    """Import now what :func:`stage` needs: it may do so while others still work."""
    for name in ("generator.synthetic", "ml.experiment", "ml.experiment.html", "ml.io"):
        importlib.import_module(name)


def stage(settings: Settings, record: StepRecord) -> None:
    """Run the experiment as one stage of a build."""
    from ml import experiment
    from ml.experiment.html import write_html
    from ml.experiment.registry import RegistrationChangedError
    from ml.io import Features

    rules = load_settings(settings)
    keep_advice(settings)
    land_long(settings)
    writer = writer_of(settings)
    try:
        with Features(Folders(settings.data).warehouse) as reader:
            done = experiment.run(
                reader,
                writer,
                open_world(settings),
                rules,
                registry=store(settings),
                history=read_history(settings),
            )
    except RegistrationChangedError as error:
        raise changed(error) from error
    write_html(writer)
    record.detail = f"verdict {done.verdict}"


def as_json(value: Any) -> str:
    """Return sorted JSON without NaN."""
    from ml.experiment.report import clean

    return json.dumps(clean(value), indent=1, sort_keys=True, ensure_ascii=False)
