"""The command group of measurements."""

from typer.testing import CliRunner

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
