"""What a person sees while a build runs."""

import pytest

from regionwise.console import Reporter


def test_a_step_says_its_number_what_it_did_and_how_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = Reporter(2)
    with reporter.step("one", "count things") as record:
        record.rows, record.detail = 1234, "3 kinds"
    out = capsys.readouterr().out
    assert "[1/2] count things" in out
    assert "1,234 rows · 3 kinds · " in out
    assert reporter.records[0].status == "done"


def test_a_failing_step_says_so_and_lets_the_error_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = Reporter(1)
    with pytest.raises(RuntimeError), reporter.step("one", "break"):
        raise RuntimeError
    assert "failed" in capsys.readouterr().out
    assert reporter.records[0].status == "failed"


def test_a_long_step_shows_that_it_is_alive(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regionwise.console._QUIET_SECONDS", 0.0)
    reporter = Reporter(1)
    seen = ""
    with reporter.step("one", "dig"):
        reporter.progress("hole 3 of 4", 0.75)
        # The watcher speaks at once; wait for it rather than for a clock.
        while "…" not in seen:
            seen += capsys.readouterr().out
    assert "… " in seen


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter(1, quiet=True).step("one", "whisper"):
        pass
    assert capsys.readouterr().out == ""
