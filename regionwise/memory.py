"""Memory of this process and all it started, with what they share counted once."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

_PROC = Path("/proc")
_EVERY_SECONDS = 0.5


def tree_mb(root: int, proc: Path = _PROC) -> float | None:
    """Return the proportional set size of a process and its descendants, MB; None if unknown.

    Linux divides each page among the processes that map it (``Pss``, proc(5)), so the sum is what
    they hold together. A process that ends meanwhile counts nothing.
    """
    total, todo, known = 0, [root], False
    while todo:
        pid = todo.pop()
        try:
            lines = (proc / str(pid) / "smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            known = True
            for task in (proc / str(pid) / "task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, StopIteration):
            continue
    return total / 1024.0 if known else None


class MemoryWatch:
    """Looks twice a second, while entered, how much the processes of a run hold together.

    Attributes:
        peak_mb: The most seen; None where the system does not say.
    """

    def __init__(self, root: int) -> None:
        """Watch the process ``root``."""
        self.peak_mb: float | None = None
        self._root, self._over = root, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look no longer."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            now = tree_mb(self._root)
            if now is None:
                return
            self.peak_mb = max(now, self.peak_mb or 0.0)
            if self._over.wait(_EVERY_SECONDS):
                return
