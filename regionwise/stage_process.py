"""One stage in a process of its own: ``python -m regionwise.stage_process``, started by a build.

The build writes two lines to its standard input: the job, and later ``go``. In between the stage
imports what it needs, so that it can begin the moment its inputs exist. It answers in JSON lines:
``ready``, any number of ``progress``, then ``done`` or ``failed``. Where the input ends, the build
is gone, and so is the stage: nobody may write into a data folder whose lock was given back.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from regionwise import stages
from regionwise.config import Settings
from regionwise.console import StepRecord
from regionwise.exits import Exit, Stop


class Channel:
    """Writes JSON lines to whoever started this process."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._lock = threading.Lock()

    def send(self, kind: str, **content: Any) -> None:
        """Send one line."""
        with self._lock:
            print(json.dumps({"kind": kind, **content}), file=self._out, flush=True)

    def progress(self, message: str, share: float | None = None) -> None:
        """Say how far the stage is."""
        self.send("progress", message=message, share=share)


def main() -> int:
    """Prepare one stage, wait for the word, run it, and say how it ended."""
    channel = Channel(_own_output())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.UNEXPECTED))
    job = json.loads(sys.stdin.readline())
    source = None if job["source"] is None else Path(job["source"])
    context = stages.Context(Settings(**job["settings"]), source, channel.progress)
    stage = stages.BY_NAME[job["stage"]]
    try:
        work = stage.prepare(context)
        channel.send("ready", peak_memory_mb=_peak_memory_mb())
        if not sys.stdin.readline():
            return Exit.DONE
        threading.Thread(target=_end_with_the_build, daemon=True).start()
        record = StepRecord(stage.name, stage.title)
        work(record)
    except Stop as stop:
        channel.send("failed", code=int(stop.code), message=stop.message, hint=stop.hint)
        return stop.code
    except Exception as error:
        message = f"{traceback.format_exc()}stage {stage.name}: unexpected error: {error}"
        channel.send("failed", code=int(Exit.UNEXPECTED), message=message, hint="")
        return Exit.UNEXPECTED
    channel.send(
        "done",
        rows=record.rows,
        detail=record.detail,
        notes=record.notes,
        peak_memory_mb=_peak_memory_mb(),
        cpu_seconds=sum(os.times()[:4]),
    )
    return Exit.DONE


def _own_output() -> IO[str]:
    """Keep the standard output for the answer: what a library prints goes to the errors."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return own


def _end_with_the_build() -> None:
    """Wait for the end of the input, then end this process and everything it started."""
    # Not by ``sys.stdin``: a thread that waits in it holds its lock, and a copy of this process
    # (ml.beside) that closes its input would wait for that lock for ever.
    while os.read(0, 4096):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _peak_memory_mb() -> float:
    """Return this process's largest resident set and that of its largest child, in MB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        # Linux counts what the starting process held as this one's, in `ru_maxrss` alone.
        lines = Path("/proc/self/status").read_text().splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024.0


if __name__ == "__main__":
    raise SystemExit(main())
