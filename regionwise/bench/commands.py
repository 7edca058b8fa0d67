"""The commands of ``regionwise bench``: one a measurement, each importing only what it measures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from regionwise import config

bench = typer.Typer(
    help="Measure what a build costs, and the solvers on problems of any size.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@bench.command()
def build(
    factors: Annotated[str, typer.Option(help="Sizes, as multiples of 150 services.")] = "1,10",
    as_json: AsJson = False,
) -> None:
    """Measure time and memory of a build, stage by stage, in folders of its own."""
    from regionwise.bench import building

    sizes = tuple(float(part) for part in factors.split(","))
    print(building.run(config.load(), sizes, as_json=as_json))


@bench.command()
def orlib(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="cap*.txt or pmed*.txt of OR-Library."),
    ],
    capacity: Annotated[
        list[float] | None,
        typer.Option(help="For files that leave it open; repeat for several, inf for none."),
    ] = None,
    node_limit: Annotated[
        int | None, typer.Option(min=1, help="Nodes per problem; the rest stays unproved.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds per problem: an emergency stop.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Solve published problems to proven optimality and compare with the known optima."""
    from regionwise.bench import orlib as published

    print(
        published.run(
            files,
            tuple(capacity or ()),
            node_limit=node_limit,
            time_limit=time_limit,
            as_json=as_json,
            say=lambda line: print(line, file=sys.stderr),
        )
    )


@bench.command()
def placement(
    services: Annotated[int, typer.Option(min=1, help="Services to draw.")] = 1_000,
    regions: Annotated[int, typer.Option(min=2, help="Regions, the first of the list.")] = 12,
    capacity: Annotated[bool, typer.Option(help="Limit the busiest half of the regions.")] = False,
    call_graph: Annotated[bool, typer.Option(help="Let the services call each other.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the fleet.")] = 0,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds; the best plan so far then counts.")
    ] = None,
    compare: Annotated[
        float | None, typer.Option(help="Seconds for HiGHS and for CP-SAT, side by side.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Place a drawn fleet of any size, with its gap, an independent check and simpler rules."""
    from regionwise.bench import placement as fleets

    print(
        fleets.run(
            services,
            regions,
            seed=seed,
            capacity=capacity,
            call_graph=call_graph,
            time_limit=time_limit,
            compare=compare,
            as_json=as_json,
            say=lambda line: print(line, file=sys.stderr),
        )
    )
