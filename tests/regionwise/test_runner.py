"""Stages run side by side, and end as if they had run one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from queue import SimpleQueue
from typing import Any

import pytest

from regionwise import runner
from regionwise.console import Reporter
from regionwise.exits import Exit, Stop
from regionwise.stages import BY_NAME, STAGES, Stage

GRAPH = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def _stage(name: str, after: tuple[str, ...]) -> Stage:
    return Stage(name, f"do {name}", lambda context: lambda record: None, after)


class Theatre:
    """Plays every process: those told to go end in the order the script says."""

    def __init__(self, script: Sequence[str], failing: Iterable[str] = ()) -> None:
        self.script, self.failing = list(script), set(failing)
        self.events: SimpleQueue[runner.Event] | None = None
        self.log: list[str] = []
        self.going: set[str] = set()
        self.most_at_once = 0

    def launch(self, stage: Stage, events: SimpleQueue[runner.Event]) -> _Actor:
        self.events = events
        self.log.append(f"launch {stage.name}")
        events.put((stage.name, {"kind": "ready", "peak_memory_mb": 1.0}))
        return _Actor(self, stage.name)

    def go(self, name: str) -> None:
        self.log.append(f"go {name}")
        self.going.add(name)
        self.most_at_once = max(self.most_at_once, len(self.going))
        self.play()

    def play(self) -> None:
        """Let stages end while the next one in the script is under way."""
        while self.script and self.script[0] in self.going:
            name = self.script.pop(0)
            self.going.remove(name)
            assert self.events is not None
            said: dict[str, Any] = {"kind": "done", "rows": 1, "detail": name, "notes": []}
            if name in self.failing:
                said = {"kind": "failed", "code": 4, "message": f"{name} broke", "hint": ""}
            self.events.put((name, said | {"peak_memory_mb": 2.0, "cpu_seconds": 1.0}))
            self.events.put((name, {"kind": "gone", "returncode": 0}))


class _Actor:
    def __init__(self, theatre: Theatre, name: str) -> None:
        self.theatre, self.name = theatre, name

    def go(self) -> None:
        self.theatre.go(self.name)

    def stop(self) -> None:
        if self.name in self.theatre.going:
            self.theatre.going.remove(self.name)
            self.theatre.log.append(f"stop {self.name}")


def _run(theatre: Theatre, at_once: int, graph: dict[str, tuple[str, ...]] = GRAPH) -> Reporter:
    reporter = Reporter(len(graph), quiet=True)
    stages = [_stage(name, after) for name, after in graph.items()]
    runner.run(stages, theatre.launch, reporter, at_once)
    return reporter


def test_what_waits_for_the_same_runs_side_by_side() -> None:
    theatre = Theatre(["a", "c", "b", "d"])
    reporter = _run(theatre, 2)
    assert theatre.most_at_once == 2
    assert [r.status for r in reporter.records] == ["done"] * 4
    assert [r.name for r in reporter.records] == ["a", "b", "c", "d"]


def test_with_one_at_once_each_is_launched_when_the_one_before_it_is_gone() -> None:
    theatre = Theatre(["a", "b", "c", "d"])
    _run(theatre, 1)
    expected = [f"{word} {name}" for name in "abcd" for word in ("launch", "go")]
    assert theatre.log == expected


def test_the_next_is_prepared_while_a_place_is_free() -> None:
    theatre = Theatre(["a", "b", "c", "d"])
    _run(theatre, 2)
    assert theatre.log.index("launch b") < theatre.log.index("go b")
    assert theatre.log[:3] == ["launch a", "go a", "launch b"]


@pytest.mark.parametrize(
    ("script", "failing", "told", "stopped"),
    [
        # The later of two ends first and breaks: the earlier one is heard, and wins if it breaks.
        (["a", "c", "b"], "c", "c broke", []),
        (["a", "c", "b"], "bc", "b broke", []),
        # The earlier one breaks: the later one is stopped at once.
        (["a", "b"], "b", "b broke", ["stop c"]),
    ],
)
def test_the_failure_told_is_the_first_in_order(
    script: list[str], failing: str, told: str, stopped: list[str]
) -> None:
    theatre = Theatre(script, failing)
    with pytest.raises(Stop) as caught:
        _run(theatre, 2)
    assert (caught.value.message, caught.value.code) == (told, Exit.DATA_TESTS_FAILED)
    assert [line for line in theatre.log if line.startswith("stop")] == stopped
    assert "go d" not in theatre.log


def test_a_process_that_ends_without_a_word_is_a_failure() -> None:
    def launch(stage: Stage, events: SimpleQueue[runner.Event]) -> _Actor:
        events.put((stage.name, {"kind": "gone", "returncode": -9}))
        return _Actor(Theatre([]), stage.name)

    with pytest.raises(Stop, match="signal 9"):
        runner.run([_stage("a", ())], launch, Reporter(1, quiet=True), 2)


def test_the_order_of_the_stages_is_one_they_could_run_in() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert set(stage.after) <= seen, stage.name
        seen.add(stage.name)
    # Publishing follows the last: nothing may be left running then.
    needed = {name for stage in STAGES for name in stage.after}
    assert set(BY_NAME) - needed == {STAGES[-1].name}


def test_memory_is_summed_over_what_lives_at_the_same_time() -> None:
    from regionwise.console import Memory

    reporter = Reporter(2, quiet=True)
    alone = reporter.peak_memory_mb()
    reporter.memory = [Memory(0, 2, 1e6), Memory(1, 3, 2e6), Memory(3, 4, 2.5e6)]
    assert reporter.peak_memory_mb() == pytest.approx(3e6, rel=0.01)
    assert alone < 1e5


def test_an_interrupted_build_stops_what_runs_and_says_so() -> None:
    theatre = Theatre(["a"])
    reporter = Reporter(4, quiet=True)

    def before(stage: Stage) -> None:
        if stage.name == "c":
            raise KeyboardInterrupt

    stages = [_stage(name, after) for name, after in GRAPH.items()]
    with pytest.raises(KeyboardInterrupt):
        runner.run(stages, theatre.launch, reporter, 2, before)
    assert [(r.name, r.status) for r in reporter.records] == [("a", "done"), ("b", "stopped")]
    assert theatre.log[-1] == "stop b"
