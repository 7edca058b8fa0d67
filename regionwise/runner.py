"""Runs stages, each in a process of its own: as soon as what it waits for is done, two at once.

While a core is idle, the next stages import what they need: some take seconds only for that.
Whatever ends first, a run ends as if the stages had run one after the other: with the failure
that comes first in their order. Stages behind it are stopped, stages before it may still fail.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from regionwise.config import ROOT, Settings
from regionwise.console import Memory, Reporter, Step
from regionwise.exits import Exit, Stop
from regionwise.stages import Stage

# Stages that may be prepared ahead of the one under way: each holds some hundred megabytes.
_PREPARED_AHEAD = 3
_SECONDS_TO_END = 3.0

Event = tuple[str, dict[str, Any]]
"""Name of the stage and what its process said; ``kind`` says which."""


class Process(Protocol):
    """One stage's process, as the runner needs it."""

    def go(self) -> None:
        """Let the prepared stage begin."""

    def stop(self) -> None:
        """End the process and everything it started; returns when it is gone."""


Launch = Callable[[Stage, "SimpleQueue[Event]"], Process]


def run(
    stages: Sequence[Stage],
    launch: Launch,
    reporter: Reporter,
    at_once: int,
    before: Callable[[Stage], None] = lambda stage: None,
) -> None:
    """Run ``stages``; a name in ``after`` that is not among them counts as done.

    Args:
        stages: In the order in which they would run one after the other.
        launch: Starts the process of a stage, which then prepares itself.
        reporter: Told what begins and ends.
        at_once: Most stages under way at a time; with 1 they run one after the other.
        before: Called in this process right before a stage begins.

    Raises:
        Stop: Of the first stage in order that failed.
    """
    runner = _Runner(stages, launch, reporter, at_once, before)
    try:
        runner.work()
    finally:
        runner.stop_all()
    if runner.failures:
        raise runner.failures[min(runner.failures)]


class _Runner:
    """The state of one run."""

    def __init__(
        self,
        stages: Sequence[Stage],
        launch: Launch,
        reporter: Reporter,
        at_once: int,
        before: Callable[[Stage], None],
    ) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.order = {name: place for place, name in enumerate(self.stages)}
        self.launch, self.reporter, self.at_once, self.before = launch, reporter, at_once, before
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.processes: dict[str, Process] = {}
        self.prepared: dict[str, tuple[float, float]] = {}
        self.running: dict[str, Step] = {}
        self.done: set[str] = set()
        self.endings: dict[str, dict[str, Any]] = {}
        self.failures: dict[int, Stop] = {}

    def work(self) -> None:
        """Begin what can begin and take in what the stages say, until nothing is left."""
        while True:
            self._begin()
            self._prepare()
            if not self.running:
                return
            name, said = self.events.get()
            self._take(name, said)

    def stop_all(self) -> None:
        """End every process that is left, as when the build itself was interrupted."""
        for name in list(self.processes):
            self._end(name, "stopped")

    def _waiting(self) -> list[str]:
        """Return the stages still to begin, in order: those behind a failure never will."""
        end = min(self.failures, default=len(self.order))
        return [
            name
            for name, place in self.order.items()
            if place < end and name not in self.running and name not in self.done
        ]

    def _begin(self) -> None:
        for name in self._waiting():
            open_ = [n for n in self.stages[name].after if n in self.stages and n not in self.done]
            if open_ or len(self.running) >= self.at_once:
                continue
            stage = self.stages[name]
            self.before(stage)
            if name not in self.processes:
                self.processes[name] = self.launch(stage, self.events)
            self.running[name] = self.reporter.begin(name, stage.title)
            self.processes[name].go()

    def _prepare(self) -> None:
        """Prepare the next stages while fewer processes are at work than there may be."""
        preparing = sum(n not in self.running and n not in self.prepared for n in self.processes)
        for name in self._waiting()[:_PREPARED_AHEAD]:
            if len(self.running) + preparing >= self.at_once:
                return
            if name not in self.processes:
                self.processes[name] = self.launch(self.stages[name], self.events)
                preparing += 1

    def _take(self, name: str, said: dict[str, Any]) -> None:
        if name not in self.processes:
            return  # Stopped before: what it still said on its way out concerns nobody.
        step = self.running.get(name)
        if said["kind"] == "ready":
            self.prepared[name] = (time.perf_counter(), float(said["peak_memory_mb"]))
        elif said["kind"] == "progress" and step is not None:
            step.progress(said["message"], said["share"])
        elif said["kind"] in ("done", "failed"):
            self.endings[name] = said
        elif said["kind"] == "gone":
            self._gone(name, said["returncode"])

    def _gone(self, name: str, code: int) -> None:
        """A stage is over when its process is: only then are its files closed."""
        said = self.endings.get(name, {"kind": "gone"})
        if said["kind"] == "done":
            record = self.running[name].record
            record.rows, record.detail = said["rows"], said["detail"]
            record.notes.extend(said["notes"])
            record.peak_memory_mb = round(float(said["peak_memory_mb"]), 1)
            record.cpu_seconds = round(float(said["cpu_seconds"]), 1)
            self.done.add(name)
            self._end(name, "done")
        elif said["kind"] == "failed":
            self._fail(name, Stop(Exit(said["code"]), said["message"], said["hint"]))
        else:
            words = f"signal {-code}" if code < 0 else f"code {code}"
            hint = "is there enough memory? REGIONWISE_MEMORY limits the warehouse"
            self._fail(name, Stop(Exit.UNEXPECTED, f"stage {name} was ended ({words})", hint))

    def _fail(self, name: str, stop: Stop) -> None:
        self.failures[self.order[name]] = stop
        self._end(name, "failed")
        for other in [n for n in self.processes if self.order[n] > self.order[name]]:
            self._end(other, "stopped")

    def _end(self, name: str, status: str) -> None:
        self._drop(name)
        now = time.perf_counter()
        ready, waiting_mb = self.prepared.pop(name, (now, 0.0))
        step = self.running.pop(name, None)
        begun = now if step is None else step.begun
        self.reporter.memory.append(Memory(ready, max(begun, ready), waiting_mb))
        if step is not None:
            peak = step.record.peak_memory_mb or waiting_mb
            self.reporter.memory.append(Memory(begun, now, peak))
            self.reporter.end(step, status)

    def _drop(self, name: str) -> None:
        self.processes.pop(name).stop()


class StageProcess:
    """The process of one stage; what it says goes into a queue."""

    def __init__(
        self,
        stage: Stage,
        settings: Settings,
        source: Path | None,
        environment: dict[str, str],
        events: SimpleQueue[Event],
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "regionwise.stage_process"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A group of its own: it is ended together with whatever it started.
            start_new_session=True,
        )
        job = {
            "stage": stage.name,
            "settings": settings.model_dump(mode="json"),
            # As the person means it, who may stand in another folder than the project's.
            "source": None if source is None else str(source.absolute()),
        }
        self._say(json.dumps(job))
        self._reader = threading.Thread(target=self._read, args=(stage.name, events), daemon=True)
        self._reader.start()

    def go(self) -> None:
        """Let the prepared stage begin."""
        self._say("go")

    def stop(self) -> None:
        """End the process and everything it started; returns when it is gone."""
        try:
            # Asked first, so that it can tidy up.
            self._process.terminate()
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # It is gone: the reader says so.

    def _read(self, name: str, events: SimpleQueue[Event]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # A line without an end is the last of a process that was killed.
            if line.endswith("\n"):
                events.put((name, json.loads(line)))
        code = self._process.wait()
        events.put((name, {"kind": "gone", "returncode": code}))
