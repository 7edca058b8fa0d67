"""The command line: thin, one function a command, every ending with its exit code."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from regionwise import config
from regionwise.bench.commands import bench
from regionwise.exits import Exit, Stop
from regionwise.experiment_commands import group as experiment_group

app = typer.Typer(
    help="Where should each service run? Decided on your data, with a proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")
app.add_typer(experiment_group, name="experiment")
Input = Annotated[
    Path | None,
    typer.Option("--input", help="Folder of raw tables; without it a synthetic world is built."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the synthetic world.")]
Services = Annotated[int | None, typer.Option(help="Services of the synthetic world.")]
Regions = Annotated[int | None, typer.Option(help="Regions of the synthetic world.")]
Days = Annotated[int | None, typer.Option(help="Days of history of the synthetic world.")]
Threads = Annotated[int | None, typer.Option(help="With 1, stages run one after the other.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def build(
    input_: Input = None,
    seed: Seed = None,
    services: Services = None,
    regions: Regions = None,
    days: Days = None,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    gate: Annotated[bool, typer.Option(help="Exit 6 or 7 on stale data or a breach.")] = False,
) -> None:
    """Build everything, from raw tables to a published answer."""
    from regionwise import build as builder
    from regionwise import report

    settings = config.load(
        seed=seed, services=services, regions=regions, days=days, threads=threads
    )
    done = builder.build(settings, input_, quiet=quiet or as_json, gate=False)
    if as_json:
        print(json.dumps(done.content, indent=2, sort_keys=True))
    elif not quiet:
        print(done.summary)
    if gate:
        report.gate(done)


@app.command()
def stage(name: str, input_: Input = None, quiet: Quiet = False) -> None:
    """Run one stage again on what the stages before it left behind."""
    from regionwise import build as builder

    builder.run_stage(config.load(), name, input_, quiet=quiet)


@app.command()
def validate(folder: Path, as_json: AsJson = False) -> None:
    """Check a folder of raw tables without building anything."""
    from regionwise import validation

    text, content, code = validation.validate(folder)
    print(json.dumps(content, indent=2, sort_keys=True, default=str) if as_json else text)
    raise typer.Exit(code)


@app.command()
def doctor() -> None:
    """Look at this machine and this data folder; one fix per finding."""
    from regionwise import doctor as check

    raise typer.Exit(check.run(config.load()))


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    headless: Annotated[bool, typer.Option(help="Do not open a browser.")] = False,
) -> None:
    """Serve the dashboard over the published answer."""
    from regionwise import doors

    raise typer.Exit(doors.dashboard(config.load(), address, port, headless=headless))


@app.command()
def sql() -> None:
    """Open a read-only SQL shell on the published answer."""
    from regionwise import doors

    raise typer.Exit(doors.sql(config.load()))


@app.command()
def docs() -> None:
    """Write the warehouse's documentation as one offline page."""
    from regionwise import doors

    print(doors.docs(config.load()))


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("data/export"),
) -> None:
    """Write every mart as CSV and Parquet, with a data dictionary."""
    from regionwise import doors

    print(doors.export(config.load(), out))


Names = Annotated[list[str] | None, typer.Option(help="May be given more than once.")]


@app.command()
def whatif(
    ban: Names = None,
    lose: Names = None,
    price: Annotated[list[str] | None, typer.Option(help="REGION=+20%, prices there.")] = None,
    capacity: Annotated[list[str] | None, typer.Option(help="REGION=-5%, vCPU there.")] = None,
    weight: Annotated[float, typer.Option(help="Worth of a millisecond, as a multiple.")] = 1.0,
    slo: Annotated[str | None, typer.Option(help="Latency objectives, as 0.8 or -20%.")] = None,
    min_regions: Annotated[int | None, typer.Option(help="Fewest regions of any service.")] = None,
    move_budget: Annotated[str | None, typer.Option(help="Regions to add, or none.")] = None,
    freeze: Annotated[list[str] | None, typer.Option(help="Service that stays.")] = None,
    pin: Annotated[list[str] | None, typer.Option(help="SERVICE=REGION+REGION.")] = None,
    as_json: AsJson = False,
) -> None:
    """Solve the last build's plan again under other weights, prices and rules."""
    from regionwise import whatif as asked

    scenario = asked.scenario_of(
        weight=weight,
        slo=slo,
        ban=ban or (),
        lose=lose or (),
        price=price or (),
        capacity=capacity or (),
        min_regions=min_regions,
        move_budget=move_budget,
        freeze=freeze or (),
        pin=pin or (),
    )
    print(asked.run(config.load(), scenario, as_json=as_json))


@app.command()
def decide(
    service_id: str,
    status: str,
    reason: Annotated[str, typer.Option(help="One of the reasons in the README of dashboards.")],
    by: Annotated[str, typer.Option(help="Who decided.")],
    note: Annotated[str, typer.Option(help="In your own words.")] = "",
) -> None:
    """Record what people decided about a recommendation."""
    from regionwise import doors

    print(doors.decide(config.load(), service_id, status, reason, note, by))


def main() -> None:
    """Run the command line; every ending has its exit code."""
    errors = Console(stderr=True, highlight=False)
    try:
        app()
    except Stop as stop:
        errors.print(f"regionwise: {stop.message}", markup=False, soft_wrap=True)
        if stop.hint:
            errors.print(f"  next: {stop.hint}", markup=False, soft_wrap=True)
        sys.exit(stop.code)
    except Exception as error:
        errors.print("".join(traceback.format_exception(error)), markup=False, soft_wrap=True)
        errors.print(f"regionwise: unexpected error: {error}", markup=False, soft_wrap=True)
        sys.exit(Exit.UNEXPECTED)


if __name__ == "__main__":
    main()
