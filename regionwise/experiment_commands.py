"""The commands of ``regionwise experiment``, on the data folder of the last build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regionwise import config, experiment, experiment_work
from regionwise.console import Reporter
from regionwise.exits import Exit, Stop
from regionwise.experiment_work import Desk, Work, on_plans
from regionwise.folders import Folders
from regionwise.lock import build_lock

group = typer.Typer(
    help="Design, run and check the experiment on what the last build left behind.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
File = Annotated[
    Path | None,
    typer.Option("--config", help="Your experiment.yml; it holds only what differs."),
]


def _perform(name: str, title: str, work: Work, file: Path | None, as_json: bool) -> None:
    """Read the rules, work under the lock, say what came of it, end as it asks to."""
    settings = config.load()
    rules = experiment.load_settings(settings, file)
    reporter = Reporter(1, quiet=as_json)
    with (
        build_lock(Folders(settings.data).lock, f"regionwise experiment {name}"),
        reporter.step(name, title) as record,
    ):
        answer = work(Desk(settings, rules, reporter.progress))
        record.rows, record.detail = answer.rows, answer.detail or record.detail
    print(experiment.as_json(answer.content) if as_json else "\n".join(answer.lines))
    if answer.red:
        raise Stop(Exit.DATA_TESTS_FAILED, answer.red)


@group.command()
def design(file: File = None, as_json: AsJson = False) -> None:
    """Check the configuration and register it for the plans of the last build."""
    work = on_plans(experiment_work.design)
    _perform("design", "register the experiment", work, file, as_json)


@group.command()
def assign(file: File = None, as_json: AsJson = False) -> None:
    """Draw who runs what when, from the registered seed, before any outcome exists."""
    _perform("assign", "draw the coins", on_plans(experiment_work.assign), file, as_json)


@group.command()
def simulate(file: File = None, as_json: AsJson = False) -> None:
    """Run both plans, write every hour, and pass the files through the gate in SQL."""
    _perform("simulate", "run both plans", on_plans(experiment_work.simulate), file, as_json)


@group.command()
def power(file: File = None, as_json: AsJson = False) -> None:
    """Simulate what each design would find, on days before the experiment."""
    # Days before the experiment show nothing of its outcome: nothing to register yet.
    work = on_plans(experiment_work.power, registers=False)
    _perform("power", "simulate the power", work, file, as_json)


@group.command()
def analyze(file: File = None, as_json: AsJson = False) -> None:
    """Estimate, judge and decide; refuses when the registered rules were changed."""
    work = on_plans(experiment_work.analyze)
    _perform("analyze", "estimate, judge, decide", work, file, as_json)


@group.command()
def calibrate(
    file: File = None,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option(help="A hundredth of the runs; nothing is kept.")] = False,
) -> None:
    """Run the whole calibration and say of each goal whether it is met."""
    work = experiment_work.calibrate(quick=quick)
    _perform("calibrate", "calibrate the method", work, file, as_json)


@group.command()
def report(as_json: AsJson = False) -> None:
    """Write the report of the last experiment as one page with its plots."""
    _perform("report", "draw the report", experiment_work.report, None, as_json)
