"""The commands of ``regionwise experiment``, on the data folder of the last build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from regionwise import config, experiment
from regionwise.config import Settings
from regionwise.console import Reporter, StepRecord
from regionwise.exits import Exit, Stop
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


@contextmanager
def _step(
    settings: Settings, name: str, title: str, *, quiet: bool
) -> Iterator[tuple[Reporter, StepRecord]]:
    reporter = Reporter(1, quiet=quiet)
    with (
        build_lock(Folders(settings.data).lock, f"regionwise experiment {name}"),
        reporter.step(name, title) as record,
    ):
        yield reporter, record


def _tell(as_json: bool, content: dict[str, Any], lines: list[str]) -> None:
    print(experiment.as_json(content) if as_json else "\n".join(lines))


@group.command()
def design(file: File = None, as_json: AsJson = False) -> None:
    """Check the configuration and register it for the plans of the last build."""
    settings = config.load()
    rules = experiment.load_settings(settings, file)
    with (
        _step(settings, "design", "register the experiment", quiet=as_json) as (_, record),
        experiment.bench_of(settings, rules) as bench,
    ):
        found = bench.register(experiment.store(settings))
        record.detail = found.detail
    content = {**found.__dict__, "config": rules.model_dump(mode="json", by_alias=True)}
    lines = [
        f"{found.experiment_id}: {', '.join(rules.mode)}",
        f"configuration {found.config_sha256}",
        *(f"{arm} plan {digest}" for arm, digest in found.plan_sha256.items()),
    ]
    _tell(as_json, content, lines)


@group.command()
def assign(file: File = None, as_json: AsJson = False) -> None:
    """Draw who runs what when, from the registered seed, before any outcome exists."""
    from ml.experiment import preview

    settings = config.load()
    rules = experiment.load_settings(settings, file)
    with (
        _step(settings, "assign", "draw the coins", quiet=as_json) as (_, record),
        experiment.bench_of(settings, rules) as bench,
    ):
        bench.register(experiment.store(settings))
        rows = preview.assign(bench)
        record.rows = len(rows)
    treated = sum(row["arm"] == "treatment" for row in rows)
    lines = [f"{len(rows)} unit periods, {treated} of them under the treatment"]
    _tell(as_json, {"rows": len(rows), "treatment": treated, "assignments": rows}, lines)


@group.command()
def simulate(file: File = None, as_json: AsJson = False) -> None:
    """Run both plans, write every hour, and pass the files through the gate in SQL."""
    from ml.experiment import simulate as simulation
    from ml.experiment.opening import evaluation_days

    settings = config.load()
    rules = experiment.load_settings(settings, file)
    with (
        _step(settings, "simulate", "run both plans", quiet=as_json) as (reporter, record),
        experiment.bench_of(settings, rules) as bench,
    ):
        bench.register(experiment.store(settings))
        world = bench.need_world()
        days = evaluation_days(rules, world, bench.plans.trained_through)
        rows = simulation.simulate(world, bench.plans, days, rules, bench.writer, reporter.progress)
        record.rows = rows
        checks = simulation.gate_over(Folders(settings.data).predictions / "sim_outcomes")
    lines = [f"{c.status:<6} {c.name}: {c.observed}" for c in checks]
    _tell(as_json, {"rows": rows, "checks": checks}, lines)
    if any(c.status == "red" for c in checks):
        raise Stop(Exit.DATA_TESTS_FAILED, "the equal-demand gate is red")


@group.command()
def power(file: File = None, as_json: AsJson = False) -> None:
    """Simulate what each design would find, on days before the experiment."""
    from ml.experiment import preview

    settings = config.load()
    rules = experiment.load_settings(settings, file)
    with (
        _step(settings, "power", "simulate the power", quiet=as_json) as (reporter, record),
        experiment.bench_of(settings, rules) as bench,
    ):
        points = preview.power(bench, reporter.progress)
        record.rows = len(points)
    lines = [f"{'design':<20}{'metric':<16}{'days':>5}{'effect':>8}{'power':>8}{'MDE80':>8}"]
    for p in points:
        if p.power is None:
            lines.append(f"{p.design:<20}{p.metric:<16}{p.days:>5}  refused: {p.reason}")
            continue
        least = "none" if p.mde80 is None else f"{p.mde80:.1%}"
        lines.append(
            f"{p.design:<20}{p.metric:<16}{p.days:>5}{p.effect:>8.0%}{p.power:>8.0%}{least:>8}"
        )
    _tell(as_json, {"power": points}, list(dict.fromkeys(lines)))


@group.command()
def analyze(file: File = None, as_json: AsJson = False) -> None:
    """Estimate, judge and decide; refuses when the registered rules were changed."""
    from ml import experiment as stage
    from ml.experiment import simulate as simulation

    settings = config.load()
    rules = experiment.load_settings(settings, file)
    with (
        _step(settings, "analyze", "estimate, judge, decide", quiet=as_json) as (_, record),
        experiment.bench_of(settings, rules) as bench,
    ):
        bench.register(experiment.store(settings))
        written = Folders(settings.data).predictions / "sim_outcomes"
        checks = simulation.gate_over(written) if any(written.glob(simulation.FILES)) else []
        red = [c.name for c in checks if c.status == "red"]
        if red:
            raise Stop(Exit.DATA_TESTS_FAILED, f"the gate over the files is red: {', '.join(red)}")
        done = stage.run(
            bench.features,
            bench.writer,
            bench.world,
            rules,
            registry=experiment.store(settings),
            history=experiment.read_history(settings),
        )
        record.detail = f"verdict {done.verdict}"
    content = {**done.__dict__, "gate_over_files": checks}
    _tell(as_json, content, [f"verdict: {done.verdict}", *(f"  {r}" for r in done.reasons)])


@group.command()
def calibrate(
    file: File = None,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option(help="A hundredth of the runs; nothing is kept.")] = False,
) -> None:
    """Run the whole calibration and say of each goal whether it is met."""
    from regionwise import experiment_calibration

    settings = config.load()
    rules = experiment.load_settings(settings, file)
    with _step(settings, "calibrate", "calibrate the method", quiet=as_json) as (reporter, record):
        found = experiment_calibration.run(settings, rules, reporter.progress, quick=quick)
        met = sum(g.holds is True for g in found.goals)
        record.detail = f"{met} of {len(found.goals)} goals met"
    _tell(as_json, {"goals": found.goals, "rows": found.rows}, experiment_calibration.lines(found))


@group.command()
def report(as_json: AsJson = False) -> None:
    """Write the report of the last experiment as one page with its plots."""
    from ml.experiment.html import write_html

    settings = config.load()
    with _step(settings, "report", "draw the report", quiet=as_json) as (_, record):
        if not (Folders(settings.data).predictions / "experiment_verdict").exists():
            raise Stop(Exit.USAGE, f"no experiment in {settings.data}", "regionwise build")
        paths = write_html(experiment.writer_of(settings))
        record.detail = f"{len(paths)} files"
    _tell(as_json, {"files": [str(p) for p in paths]}, [str(p) for p in paths])
