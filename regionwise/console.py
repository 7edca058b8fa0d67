"""What a person sees while a build runs: step n of N, what it does, rows, time, progress."""

from __future__ import annotations

import resource
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

# A step that takes longer than this shows that it is alive.
_QUIET_SECONDS = 2.0
_PLAIN_INTERVAL_SECONDS = 10.0
_LIVE_INTERVAL_SECONDS = 0.5
_CLEAR_LINE = "\r\x1b[2K"


@dataclass
class StepRecord:
    """What one step did: for the run report.

    Attributes:
        begun_after: Seconds from the begin of the run to the begin of this step.
        seconds: How long the step took; two steps may run side by side.
        peak_memory_mb: Largest resident set of a step that had a process of its own.
        cpu_seconds: Processor time of such a step, of its preparation too.
    """

    name: str
    title: str
    begun_after: float = 0.0
    seconds: float = 0.0
    rows: int | None = None
    detail: str = ""
    status: str = "running"
    notes: list[str] = field(default_factory=list)
    peak_memory_mb: float | None = None
    cpu_seconds: float | None = None


class Progress:
    """Handed to a step: it says how far it is, the console decides whether to show it."""

    def __init__(self) -> None:
        self.message = ""
        self.share: float | None = None

    def __call__(self, message: str, share: float | None = None) -> None:
        """Note what is being done and, where known, how much of it is done (0 to 1)."""
        self.message, self.share = message, share

    def text(self) -> str:
        """Return the last thing said, in words."""
        share = "" if self.share is None else f" {100 * self.share:.0f} %"
        return f"{self.message}{share}".strip()


@dataclass(frozen=True)
class Memory:
    """The largest resident set of a process between two moments of ``time.perf_counter``."""

    begun: float
    ended: float
    mb: float


@dataclass(frozen=True, eq=False)
class Step:
    """One step under way."""

    number: str
    record: StepRecord
    progress: Progress
    begun: float

    def alive(self) -> str:
        """Say which step this is, what it is doing and for how long."""
        elapsed = time.perf_counter() - self.begun
        return f"{self.number} {self.progress.text() or self.record.title} ({elapsed:.0f} s)"


class Reporter:
    """Prints the steps of one run and keeps their records; several may run at a time.

    Args:
        total: Number of steps, the N of n/N.
        quiet: Print nothing but errors.
    """

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False, stderr=False)
        self.total = total
        self.records: list[StepRecord] = []
        self.memory: list[Memory] = []
        self.seen_mb: float | None = None
        self.progress = Progress()
        self._begun = time.perf_counter()
        self._active: list[Step] = []
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._watcher = threading.Thread()

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[StepRecord]:
        """Announce a step, keep it visibly alive, and print what it did."""
        step = self.begin(name, title)
        try:
            yield step.record
        except BaseException:
            self.end(step, "failed")
            raise
        self.end(step, "done")

    def begin(self, name: str, title: str) -> Step:
        """Announce a step; whoever begins it also ends it."""
        now = time.perf_counter()
        record = StepRecord(name, title, begun_after=now - self._begun)
        self.records.append(record)
        step = Step(f"[{len(self.records)}/{self.total}]", record, Progress(), now)
        self.progress = step.progress
        with self._lock:
            self._print(f"{step.number} {title}")
            self._active.append(step)
        if not self._watcher.is_alive():
            self._idle.clear()
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        return step

    def end(self, step: Step, status: str) -> None:
        """Print what a step did, and stop watching it."""
        record = step.record
        record.status, record.seconds = status, time.perf_counter() - step.begun
        with self._lock:
            # Where two run side by side, the line must say which of them it is about.
            alone = self._active == [step] and self.records[-1] is record
            number = "" if alone else f"{step.number} "
            self._active.remove(step)
            rows = "" if record.rows is None else f"{record.rows:,} rows · "
            detail = f"{record.detail} · " if record.detail else ""
            self._print(f"      {number}{status} · {rows}{detail}{record.seconds:.1f} s")
        if not self._active:
            self._idle.set()
            self._watcher.join()

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return time.perf_counter() - self._begun

    def peak_memory_mb(self) -> float:
        """Return the most memory that a run was seen to hold, in MB; unseen, an upper bound.

        The bound is this process's largest resident set, plus those of the processes that lived
        side by side where their sum was largest, or the largest finished child of another kind.
        """
        if self.seen_mb is not None:
            return self.seen_mb
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0
        together = [
            sum(other.mb for other in self.memory if other.begun <= one.begun < other.ended)
            for one in self.memory
        ]
        return own + max([children, *together])

    def _print(self, line: str) -> None:
        if self._is_live:
            print(_CLEAR_LINE, end="", flush=True)
        self.console.print(line, markup=False, soft_wrap=True)

    @property
    def _is_live(self) -> bool:
        return sys.stdout.isatty() and not self.console.quiet

    def _watch(self) -> None:
        if self._idle.wait(_QUIET_SECONDS):
            return
        while True:
            with self._lock:
                old = [s for s in self._active if s.begun + _QUIET_SECONDS <= time.perf_counter()]
                if old and self._is_live:
                    line = f"      … {' · '.join(step.alive() for step in old)}"
                    width = shutil.get_terminal_size().columns - 1
                    print(f"{_CLEAR_LINE}{line[:width]}", end="", flush=True)
                elif not self._is_live:
                    for step in old:
                        self._print(f"      … {step.alive()}")
            ended = self._idle.wait(
                _LIVE_INTERVAL_SECONDS if self._is_live else _PLAIN_INTERVAL_SECONDS
            )
            if ended:
                return
