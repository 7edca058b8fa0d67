"""One build at a time per data folder; a process that dies gives the lock back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from regionwise.exits import Exit, Stop


@contextmanager
def build_lock(path: Path, command: str) -> Iterator[None]:
    """Hold the build lock of a data folder.

    The kernel releases it when the process ends, however it ends; the note beside it only tells
    people who holds it.

    Raises:
        Stop: With exit code 8, naming the process and since when it holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    note = path.with_suffix(".json")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Stop(
            Exit.LOCKED,
            f"another build holds {path.parent}: {holder(path)}",
            "wait for it, or stop that process; readers are not affected",
        ) from error
    try:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        note.write_text(json.dumps({"pid": os.getpid(), "since": started, "command": command}))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def holder(path: Path) -> str:
    """Say in words who holds the lock, as far as the note beside it tells."""
    try:
        said = json.loads(path.with_suffix(".json").read_text())
        return f"process {said['pid']} ({said['command']}) since {said['since']}"
    except (OSError, ValueError, KeyError):
        return "a process that left no note"
