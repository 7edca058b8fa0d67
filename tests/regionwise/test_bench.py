"""The command group of measurements."""

from typer.testing import CliRunner

from regionwise.bench import building
from regionwise.cli import app


def test_a_bare_bench_lists_its_measurements_and_measures_nothing() -> None:
    done = CliRunner().invoke(app, ["bench"])
    assert done.exit_code == 2
    assert "build" in done.output


def test_a_build_is_measured_at_sizes_given_as_factors() -> None:
    done = CliRunner().invoke(app, ["bench", "build", "--help"])
    assert done.exit_code == 0
    assert "--factors" in done.output
    assert "--json" in done.output


def test_sizes_stand_side_by_side_with_how_the_ends_compare() -> None:
    def content(factor: float) -> dict[str, object]:
        step = {"name": "solve", "seconds": 2.0 * factor, "cpu_seconds": 3.0 * factor}
        publish = {"name": "publish", "seconds": 1.0, "cpu_seconds": None}
        return {
            "steps": [
                step | {"peak_memory_mb": 100.0 * factor},
                publish | {"peak_memory_mb": None},
            ],
            "seconds": 2.5 * factor,
            "peak_memory_mb": 150.0,
        }

    one, ten = building._measurement(content(1)), building._measurement(content(10))
    assert ten.cpu_seconds == {"solve": 30.0, "publish": 0.0, "total": 30.0}
    table = building._table("seconds", {"1x": one.seconds, "10x": ten.seconds})
    assert table.splitlines()[0] == "| seconds | 1x | 10x | last / first |"
    assert "| solve | 2.0 | 20.0 | 10.0 |" in table
    assert "| total | 2.5 | 25.0 | 10.0 |" in table
