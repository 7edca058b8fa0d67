"""The commands of ``regionwise bench``: one a measurement, each importing only what it measures."""

from __future__ import annotations

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
