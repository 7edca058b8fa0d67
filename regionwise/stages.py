"""The stages of a build, in order; each reads what the one before wrote and can be run alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from regionwise import dbt
from regionwise.config import ROOT, Settings
from regionwise.console import Reporter, StepRecord
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders
from regionwise.policy import policy

if TYPE_CHECKING:
    from generator.synthetic import SyntheticWorld
    from ml.io import Writer
    from ml.placement import Policy


@dataclass(frozen=True)
class Context:
    """What every stage is given."""

    settings: Settings
    source: Path | None
    reporter: Reporter

    @property
    def folders(self) -> Folders:
        """Return where things lie."""
        return Folders(self.settings.data)


@dataclass(frozen=True)
class Stage:
    """One stage: its command name, what it says while it runs, and what it does."""

    name: str
    title: str
    run: Callable[[Context, StepRecord], None]


def ingest(context: Context, record: StepRecord) -> None:
    """Fill the raw tables from the folder given, or from the synthetic world."""
    from generator.contract import ContractError

    folders = context.folders
    try:
        if context.source is None:
            rows = _generate(context)
            record.detail = f"synthetic world, seed {context.settings.seed}"
        else:
            from generator.importers import folder

            # The truth of another world must not judge these data.
            rows = dict(folder.land(context.source, folders.raw).rows)
            shutil.rmtree(folders.truth, ignore_errors=True)
            record.detail = f"{context.source}"
    except ContractError as error:
        raise Stop(
            Exit.INPUT_REFUSED,
            f"the input was refused, nothing was changed:\n{error}",
            f"regionwise validate {context.source}",
        ) from error
    record.rows = sum(rows.values())


def _generate(context: Context) -> dict[str, int]:
    from generator import synthetic

    settings, folders = context.settings, context.folders
    result = synthetic.generate(
        folders.raw,
        folders.truth,
        seed=settings.seed,
        services=settings.services,
        regions=settings.regions,
        days=settings.days,
        progress=context.reporter.progress,
    )
    world = {
        "seed": settings.seed,
        "services": settings.services,
        "regions": settings.regions,
        "history_days": settings.days,
    }
    (folders.truth / "world.json").write_text(json.dumps(world))
    return dict(result.rows)


def judge(what: str) -> Callable[[Context, StepRecord], None]:
    """Return the stage that lets Great Expectations judge ``raw`` or ``predictions``."""

    def run(context: Context, record: StepRecord) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "regionwise.judge", what],
            cwd=ROOT,
            env=dbt.environment(context.settings),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            known = {int(code) for code in Exit}
            code = Exit(done.returncode) if done.returncode in known else Exit.UNEXPECTED
            raise Stop(code, (done.stdout + done.stderr).strip())
        record.detail = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""

    return run


def features(context: Context, record: StepRecord) -> None:
    """Clean the raw tables and build the feature tables, in a new file."""
    folders = context.folders
    folders.build.mkdir(parents=True, exist_ok=True)
    # Rebuilding in place doubles the file; a clean build starts from nothing.
    for old in folders.build.glob("warehouse.duckdb*"):
        old.unlink()
    _dbt(context, record, "features")


def marts(context: Context, record: StepRecord) -> None:
    """Build the marts over features and predictions."""
    _dbt(context, record, "marts")


def _dbt(context: Context, record: StepRecord, selector: str) -> None:
    counts = dbt.build(context.settings, selector, context.reporter.progress)
    models = sum(n for key, n in counts.items() if key.startswith(("model:", "seed:")))
    tests = sum(n for key, n in counts.items() if key.startswith(("test:", "unit_test:")))
    record.detail = f"{models} models, {tests} tests passed"


def _writer(context: Context) -> Writer:
    from ml.io import Writer

    return Writer(context.folders.predictions, context.folders.models)


def _policy(context: Context) -> Policy:
    return policy(context.settings)


def latency(context: Context, record: StepRecord) -> None:
    """Fit the latency model and predict every candidate."""
    from ml import latency as stage
    from ml.io import Features

    with Features(context.folders.warehouse) as reader:
        done = stage.run(reader, _writer(context), stage.LatencySettings.load())
    record.rows, record.detail = done.rows, _figures(done.headline)
    record.notes.extend(done.degradations)


def strategy(context: Context, record: StepRecord) -> None:
    """Fit the classifier of the number of regions."""
    from ml import strategy as stage
    from ml.io import Features

    with Features(context.folders.warehouse) as reader:
        done = stage.run(reader, _writer(context), stage.StrategySettings.load(), _policy(context))
    record.rows, record.detail = done.rows, _figures(done.headline)
    record.notes.extend(done.degradations)


def solve(context: Context, record: StepRecord) -> None:
    """Choose the regions of every service, with a certified gap."""
    from ml import placement as stage
    from ml.io import Features

    try:
        with Features(context.folders.warehouse) as reader:
            done = stage.run(reader, _writer(context), _policy(context))
    except stage.InfeasibleError as error:
        raise Stop(Exit.NO_FEASIBLE_PLAN, str(error)) from error
    record.rows = done.candidate_plans
    record.detail = (
        f"{done.moves} moves, certified gap {100 * done.gap_share:.4f} % with calls fixed, "
        + (
            "none computed over joint moves"
            if done.joint_gap_share is None
            else f"{100 * done.joint_gap_share:.1f} % over joint moves"
        )
    )


def experiment(context: Context, record: StepRecord) -> None:
    """Run both plans in the world, on days the plan never saw."""
    from regionwise import experiment as desk

    desk.stage(context.settings, record)


def _figures(headline: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in sorted(headline.items()))


def audit(context: Context, record: StepRecord) -> None:
    """Compare the predictions with the truth that only the generator knows."""
    folders = context.folders
    writer = _writer(context)
    world = folders.truth / "world.json"
    if not world.exists():
        writer.write("placement_regret", pd.DataFrame(), "audit")
        record.detail = "no known truth: these are real data"
        return
    from generator import synthetic

    rows = synthetic.audit(folders.truth, writer.read("latency_predictions"))
    writer.write("model_metrics", rows, "audit")
    leaks = rows[
        (rows["metric"] == "r2_ratio_to_deploy_aware_ceiling") & (rows["status"] == "missed")
    ]
    if len(leaks):
        raise Stop(
            Exit.DATA_TESTS_FAILED,
            f"the latency model is better than its data allow ({leaks['value'].iloc[0]:.4f} of the "
            "deploy-aware ceiling, limit 1.005): something leaks the answer",
        )
    regrets = _regret(context, writer, synthetic.SyntheticWorld(**json.loads(world.read_text())))
    record.rows = len(rows) + len(regrets)
    own = regrets[regrets["decision"] == "recommended"]
    if len(own):
        record.detail = f"priced regret {100 * own['priced_regret_share'].iloc[0]:.2f} %"


def _regret(context: Context, writer: Writer, world: SyntheticWorld) -> pd.DataFrame:
    """Score the decision in the world, beside the one that the truth leads to."""
    from ml.io import Features
    from ml.placement import InfeasibleError
    from regionwise import regret

    try:
        with Features(context.folders.warehouse) as reader:
            rows = regret.measure(reader, writer, _policy(context), world)
    except InfeasibleError:
        # With true latencies the rules leave no plan: there is nothing to compare with.
        rows = pd.DataFrame()
    writer.write("placement_regret", rows, "audit")
    return rows


STAGES: tuple[Stage, ...] = (
    Stage("ingest", "fill the raw tables", ingest),
    Stage("judge-raw", "judge the raw tables as wholes (Great Expectations)", judge("raw")),
    Stage("features", "clean, quarantine, build features (dbt)", features),
    Stage("latency", "learn latency (XGBoost on physics)", latency),
    Stage("strategy", "learn the number of regions (random forest)", strategy),
    Stage("solve", "choose regions, with a certified gap (HiGHS)", solve),
    Stage("experiment", "test the plan on days it never saw", experiment),
    Stage("audit", "compare predictions with the known truth", audit),
    Stage("judge-predictions", "judge the predictions as wholes", judge("predictions")),
    Stage("marts", "build the marts (dbt)", marts),
)
