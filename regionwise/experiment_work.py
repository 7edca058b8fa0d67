"""What each command of ``regionwise experiment`` does, apart from locking, printing and ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regionwise import experiment, experiment_calibration
from regionwise.config import Settings
from regionwise.console import Progress
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders

if TYPE_CHECKING:
    from ml.experiment import ExperimentSettings
    from ml.experiment.gate import Check
    from ml.experiment.power import PowerPoint
    from ml.experiment.preview import Bench


@dataclass(frozen=True)
class Desk:
    """What every command is given: settings, the rules as read, and whom to tell of progress."""

    settings: Settings
    rules: ExperimentSettings
    say: Progress


@dataclass(frozen=True)
class Answer:
    """What a command has to say; ``red`` names what ends it with exit code 4 once it was said."""

    content: dict[str, Any]
    lines: list[str]
    rows: int | None = None
    detail: str | None = None
    red: str | None = None


Work = Callable[[Desk], Answer]


def on_plans(work: Callable[[Desk, Bench], Answer], *, registers: bool = True) -> Work:
    """Return work on the plans of the last build, their rules registered first."""

    def opened(desk: Desk) -> Answer:
        with experiment.bench_of(desk.settings, desk.rules) as bench:
            if registers:
                bench.register(experiment.store(desk.settings))
            return work(desk, bench)

    return opened


def design(desk: Desk, bench: Bench) -> Answer:
    """Say what is registered."""
    found = bench.register(experiment.store(desk.settings))
    rules = desk.rules
    return Answer(
        {**found.__dict__, "config": rules.model_dump(mode="json", by_alias=True)},
        [
            f"{found.experiment_id}: {', '.join(rules.mode)}",
            f"configuration {found.config_sha256}",
            *(f"{arm} plan {digest}" for arm, digest in found.plan_sha256.items()),
        ],
        detail=found.detail,
    )


def assign(_: Desk, bench: Bench) -> Answer:
    """Draw the coins."""
    from ml.experiment import preview

    rows = preview.assign(bench)
    treated = sum(row["arm"] == "treatment" for row in rows)
    return Answer(
        {"rows": len(rows), "treatment": treated, "assignments": rows},
        [f"{len(rows)} unit periods, {treated} of them under the treatment"],
        rows=len(rows),
    )


def simulate(desk: Desk, bench: Bench) -> Answer:
    """Run both plans, write every hour, and hold the files against the gate."""
    from ml.experiment import simulate as simulation
    from ml.experiment.opening import evaluation_days

    world = bench.need_world()
    days = evaluation_days(desk.rules, world, bench.plans.trained_through)
    rows = simulation.simulate(world, bench.plans, days, desk.rules, bench.writer, desk.say)
    checks = simulation.gate_over(Folders(desk.settings.data).predictions / "sim_outcomes")
    return Answer(
        {"rows": rows, "checks": checks},
        [f"{c.status:<6} {c.name}: {c.observed}" for c in checks],
        rows=rows,
        red="the equal-demand gate is red" if _red(checks) else None,
    )


def power(desk: Desk, bench: Bench) -> Answer:
    """Simulate what each design would find."""
    from ml.experiment import preview

    points = preview.power(bench, desk.say)
    head = f"{'design':<20}{'metric':<16}{'days':>5}{'effect':>8}{'power':>8}{'MDE80':>8}"
    # A refused design says the same for every effect: once is enough.
    lines = list(dict.fromkeys([head, *map(_power_line, points)]))
    return Answer({"power": points}, lines, rows=len(points))


def _power_line(p: PowerPoint) -> str:
    if p.power is None:
        return f"{p.design:<20}{p.metric:<16}{p.days:>5}  refused: {p.reason}"
    least = "none" if p.mde80 is None else f"{p.mde80:.1%}"
    return f"{p.design:<20}{p.metric:<16}{p.days:>5}{p.effect:>8.0%}{p.power:>8.0%}{least:>8}"


def analyze(desk: Desk, bench: Bench) -> Answer:
    """Estimate, judge and decide; hours that were written must pass the gate again.

    Raises:
        Stop: With exit code 4 where they do not.
    """
    from ml import experiment as stage
    from ml.experiment import simulate as simulation

    written = Folders(desk.settings.data).predictions / "sim_outcomes"
    checks = simulation.gate_over(written) if any(written.glob(simulation.FILES)) else []
    red = _red(checks)
    if red:
        raise Stop(Exit.DATA_TESTS_FAILED, f"the gate over the files is red: {', '.join(red)}")
    done = stage.run(
        bench.features,
        bench.writer,
        bench.world,
        desk.rules,
        registry=experiment.store(desk.settings),
        history=experiment.read_history(desk.settings),
    )
    return Answer(
        {**done.__dict__, "gate_over_files": checks},
        [f"verdict: {done.verdict}", *(f"  {r}" for r in done.reasons)],
        detail=f"verdict {done.verdict}",
    )


def calibrate(*, quick: bool) -> Work:
    """Return the whole calibration, or a hundredth of its runs."""

    def work(desk: Desk) -> Answer:
        from ml.experiment.rates import LEVELS

        found = experiment_calibration.run(desk.settings, desk.rules, desk.say, quick=quick)
        met = sum(g.holds is True for g in found.goals)
        return Answer(
            {"goals": found.goals, "rows": found.rows, "levels": LEVELS},
            experiment_calibration.lines(found),
            detail=f"{met} of {len(found.goals)} goals met",
        )

    return work


def report(desk: Desk) -> Answer:
    """Write the page of the last experiment.

    Raises:
        Stop: If there was none.
    """
    from ml.experiment.html import write_html

    data = desk.settings.data
    if not (Folders(data).predictions / "experiment_verdict").exists():
        raise Stop(Exit.USAGE, f"no experiment in {data}", "regionwise build")
    paths = [str(path) for path in write_html(experiment.writer_of(desk.settings))]
    return Answer({"files": paths}, paths, detail=f"{len(paths)} files")


def _red(checks: Sequence[Check]) -> list[str]:
    return [c.name for c in checks if c.status == "red"]
