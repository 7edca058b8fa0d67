"""The stages of a build, in order: what each reads, it finds in the folders others wrote.

A stage is prepared first (imports, and what needs no data) and gives back the work that is left:
preparing takes seconds, and may happen while an earlier stage still runs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regionwise import dbt
from regionwise.config import Settings
from regionwise.console import StepRecord
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders
from regionwise.policy import policy

if TYPE_CHECKING:
    from ml.io import Writer
    from regionwise.judge.model import Kind

Work = Callable[[StepRecord], None]
"""What is left to do once the inputs are there; fills the record."""


@dataclass(frozen=True)
class Context:
    """What every stage is given.

    Attributes:
        settings: What the user decided.
        source: Folder in the raw contract; None means the synthetic world.
        say: Told what is being done and, where known, the share done.
    """

    settings: Settings
    source: Path | None
    say: Callable[[str, float | None], None]

    @property
    def folders(self) -> Folders:
        """Return where things lie."""
        return Folders(self.settings.data)


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: Its command name.
        title: What it says while it runs.
        prepare: Imports what it needs and returns its work.
        after: Stages whose results it reads.
    """

    name: str
    title: str
    prepare: Callable[[Context], Work]
    after: tuple[str, ...] = ()


def ingest(context: Context) -> Work:
    """Fill the raw tables from the folder given, or from the synthetic world."""
    from generator.contract import ContractError

    def work(record: StepRecord) -> None:
        try:
            rows = _generate(context, record) if context.source is None else _land(context, record)
        except ContractError as error:
            raise Stop(
                Exit.INPUT_REFUSED,
                f"the input was refused, nothing was changed:\n{error}",
                f"regionwise validate {context.source}",
            ) from error
        record.rows = sum(rows.values())

    return work


def _land(context: Context, record: StepRecord) -> dict[str, int]:
    from generator.importers import folder

    assert context.source is not None
    rows = dict(folder.land(context.source, context.folders.raw).rows)
    # The truth of another world must not judge these data.
    shutil.rmtree(context.folders.truth, ignore_errors=True)
    record.detail = f"{context.source}"
    return rows


def _generate(context: Context, record: StepRecord) -> dict[str, int]:
    from generator import synthetic

    settings, folders = context.settings, context.folders
    result = synthetic.generate(
        folders.raw,
        folders.truth,
        seed=settings.seed,
        services=settings.services,
        regions=settings.regions,
        days=settings.days,
        progress=context.say,
    )
    world = {
        "seed": settings.seed,
        "services": settings.services,
        "regions": settings.regions,
        "history_days": settings.days,
    }
    (folders.truth / "world.json").write_text(json.dumps(world))
    record.detail = f"synthetic world, seed {settings.seed}"
    return dict(result.rows)


def judge(kind: Kind) -> Callable[[Context], Work]:
    """Return the stage that lets Great Expectations judge ``raw`` or ``predictions``."""

    def prepare(context: Context) -> Work:
        from regionwise.judge import engine, verdict

        engine.load()

        def work(record: StepRecord) -> None:
            judgement = verdict.judge(kind, context.settings.data)
            if judgement.failures:
                raise Stop(Exit(verdict.EXIT_CODES[kind]), verdict.words(judgement))
            record.detail = verdict.words(judgement)

        return work

    return prepare


def features(context: Context) -> Work:
    """Clean the raw tables and build the feature tables, in a new file."""
    build = _dbt(context, "features")

    def work(record: StepRecord) -> None:
        # Rebuilding in place doubles the file; a clean build starts from nothing.
        for old in context.folders.build.glob("warehouse.duckdb*"):
            old.unlink()
        build(record)

    return work


def marts(context: Context) -> Work:
    """Build the marts over features and predictions."""
    return _dbt(context, "marts")


def _dbt(context: Context, selector: str) -> Work:
    manifest = dbt.parse(context.settings, selector)

    def work(record: StepRecord) -> None:
        counts = dbt.build(context.settings, selector, manifest, context.say)
        models = sum(n for key, n in counts.items() if key.startswith(("model:", "seed:")))
        tests = sum(n for key, n in counts.items() if key.startswith(("test:", "unit_test:")))
        record.detail = f"{models} models, {tests} tests passed"

    return work


def _writer(context: Context) -> Writer:
    from ml.io import Writer

    return Writer(context.folders.predictions, context.folders.models)


def latency(context: Context) -> Work:
    """Fit the latency model and predict every candidate."""
    from ml import latency as stage
    from ml.io import Features

    def work(record: StepRecord) -> None:
        with Features(context.folders.warehouse) as reader:
            done = stage.run(reader, _writer(context), stage.LatencySettings.load())
        record.rows, record.detail = done.rows, _figures(done.headline)
        record.notes.extend(done.degradations)

    return work


def strategy(context: Context) -> Work:
    """Fit the classifier of the number of regions."""
    from ml import strategy as stage
    from ml.io import Features

    def work(record: StepRecord) -> None:
        rules, limits = stage.StrategySettings.load(), policy(context.settings)
        with Features(context.folders.warehouse) as reader:
            done = stage.run(reader, _writer(context), rules, limits)
        record.rows, record.detail = done.rows, _figures(done.headline)
        record.notes.extend(done.degradations)

    return work


def solve(context: Context) -> Work:
    """Choose the regions of every service, with a certified gap."""
    from ml import placement as stage
    from ml.io import Features
    from ml.placement.walk.ready import make_ready

    make_ready()

    def work(record: StepRecord) -> None:
        try:
            with Features(context.folders.warehouse) as reader:
                done = stage.run(reader, _writer(context), policy(context.settings))
        except stage.InfeasibleError as error:
            raise Stop(Exit.NO_FEASIBLE_PLAN, str(error)) from error
        record.rows = done.candidate_plans
        record.detail = (
            f"{done.moves} moves, certified gap {100 * done.gap_share:.4f} % service by service, "
            + (
                "none computed over joint moves"
                if done.joint_gap_share is None
                else f"{100 * done.joint_gap_share:.1f} % over joint moves"
            )
        )

    return work


def experiment(context: Context) -> Work:
    """Run both plans in the world, on days the plan never saw."""
    from regionwise import experiment as desk

    desk.load()
    return lambda record: desk.stage(context.settings, record)


def _figures(headline: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in sorted(headline.items()))


def audit(context: Context) -> Work:
    """Compare the predictions with the truth that only the generator knows."""
    from regionwise import audit as desk
    from regionwise import regret  # noqa: F401 - brings what the audit imports late

    return lambda record: desk.audit(context.settings, _writer(context), record)


STAGES: tuple[Stage, ...] = (
    Stage("ingest", "fill the raw tables", ingest),
    Stage(
        "judge-raw",
        "judge the raw tables as wholes (Great Expectations)",
        judge("raw"),
        after=("ingest",),
    ),
    # Not beside the judge: a refused input must leave the last build's tables as they are.
    Stage("features", "clean, quarantine, build features (dbt)", features, after=("judge-raw",)),
    Stage("latency", "learn latency (XGBoost on physics)", latency, after=("features",)),
    Stage("strategy", "learn the number of regions (random forest)", strategy, after=("latency",)),
    Stage("solve", "choose regions, with a certified gap (HiGHS)", solve, after=("latency",)),
    Stage(
        "experiment",
        "test the plan on days it never saw",
        experiment,
        after=("strategy", "solve"),
    ),
    Stage("audit", "compare predictions with the known truth", audit, after=("solve",)),
    Stage(
        "judge-predictions",
        "judge the predictions as wholes",
        judge("predictions"),
        after=("experiment", "audit"),
    ),
    Stage("marts", "build the marts (dbt)", marts, after=("judge-predictions",)),
)
BY_NAME = {stage.name: stage for stage in STAGES}
