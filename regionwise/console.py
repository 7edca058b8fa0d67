"""What a person sees while a build runs: step n of N, what it does, rows, time, progress."""

from __future__ import annotations

import resource
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


@dataclass
class StepRecord:
    """What one step did: for the run report."""

    name: str
    title: str
    seconds: float = 0.0
    rows: int | None = None
    detail: str = ""
    status: str = "running"
    notes: list[str] = field(default_factory=list)


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


class Reporter:
    """Prints the steps of one run and keeps their records.

    Args:
        total: Number of steps, the N of n/N.
        quiet: Print nothing but errors.
    """

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False, stderr=False)
        self.total = total
        self.records: list[StepRecord] = []
        self.progress = Progress()

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[StepRecord]:
        """Announce a step, keep it visibly alive, and print what it did."""
        record = StepRecord(name, title)
        self.records.append(record)
        number = f"[{len(self.records)}/{self.total}]"
        self.progress = Progress()
        begun = time.perf_counter()
        stop = threading.Event()
        watcher = threading.Thread(
            target=self._watch, args=(number, title, begun, stop, self.progress), daemon=True
        )
        self.console.print(f"{number} {title}", markup=False, soft_wrap=True)
        watcher.start()
        try:
            yield record
            record.status = "done"
        except BaseException:
            record.status = "failed"
            raise
        finally:
            stop.set()
            watcher.join()
            record.seconds = time.perf_counter() - begun
            rows = "" if record.rows is None else f"{record.rows:,} rows · "
            detail = f"{record.detail} · " if record.detail else ""
            self.console.print(
                f"      {record.status} · {rows}{detail}{record.seconds:.1f} s",
                markup=False,
                soft_wrap=True,
            )

    def _watch(
        self, number: str, title: str, begun: float, stop: threading.Event, progress: Progress
    ) -> None:
        live = sys.stdout.isatty() and not self.console.quiet
        if stop.wait(_QUIET_SECONDS):
            return
        while True:
            elapsed = time.perf_counter() - begun
            line = f"      … {progress.text() or title} ({elapsed:.0f} s)"
            if live:
                print(f"\r\x1b[2K{line}", end="", flush=True)
            else:
                self.console.print(line, markup=False, soft_wrap=True)
            ended = stop.wait(0.5 if live else _PLAIN_INTERVAL_SECONDS)
            if live:
                print("\r\x1b[2K", end="", flush=True)
            if ended:
                return

    def peak_memory_mb(self) -> float:
        """Return the largest resident set of this process or of any finished child, in MB."""
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return max(own, children) / 1024.0
