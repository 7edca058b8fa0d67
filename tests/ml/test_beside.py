"""Work beside the caller gives what it would have given in its place."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from ml.beside import beside
from ml.placement.errors import InfeasibleError


def test_the_result_comes_from_another_process_where_there_is_a_second_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    result = beside(lambda: (os.getpid(), sum(range(10))))
    pid, total = result()
    assert total == 45
    assert (pid != os.getpid()) == (sys.platform == "linux")


def test_with_one_core_the_work_is_done_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    assert beside(os.getpid)() == os.getpid()


def test_work_beside_may_itself_ask_for_work_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)

    def work() -> tuple[int, int]:
        return os.getpid(), beside(os.getpid)()

    outer, inner = beside(work)()
    assert outer == inner


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    def fail() -> None:
        raise ValueError("no such plan")

    result = beside(fail)
    with pytest.raises(ValueError, match="no such plan"):
        result()


def test_a_contradiction_names_its_rules_wherever_it_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)

    def fail() -> None:
        raise InfeasibleError(("MOVE_BUDGET",), "3 regions must be added, 2 may be")

    with pytest.raises(InfeasibleError, match="3 regions must be added") as found:
        beside(fail)()
    assert found.value.rules == ("MOVE_BUDGET",)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_a_process_that_was_killed_is_an_error_and_no_endless_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    result = beside(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RuntimeError, match="-9"):
        result()
