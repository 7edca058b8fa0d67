"""One dbt command in a process of its own: ``python -m regionwise.dbt_process build ...``.

dbt formats thousands of debug events for loggers that then drop them, about a fifth of a build's
time. With its loggers off, a callback passes on the few events that somebody reads, one JSON
object a line, and ``dbt.log`` holds the same in words.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from dbt.cli.main import dbtRunner

_PROGRESS = ("LogModelResult", "LogTestResult", "LogSeedResult", "UnitTestResult")
_READ = ("warn", "error")
# Thousands of long-lived objects make every full collection slow, and few of them ever die.
_COLLECT_AFTER = 50_000


def _reader(out: TextIO, log: TextIO) -> Any:
    """Return the callback that writes progress, warnings and errors."""

    def read(event: Any) -> None:
        info = event.info
        is_progress = info.name in _PROGRESS
        if not is_progress and info.level not in _READ and info.name != "EndOfRunSummary":
            return
        line: dict[str, Any] = {"level": info.level, "message": info.msg}
        if is_progress:
            data = event.data
            # Results of models count up to `total`, those of tests to `num_models`.
            total = getattr(data, "total", 0) or getattr(data, "num_models", 0)
            line |= {"node": data.node_info.node_name, "index": data.index, "total": total}
        print(json.dumps(line), file=out, flush=True)
        print(f"{info.level} {info.msg}", file=log, flush=True)

    return read


def main(arguments: Sequence[str]) -> int:
    """Run one dbt command.

    Args:
        arguments: The command line after ``dbt``; must name a ``--log-path``.

    Returns:
        0 when all went well, 1 when a node failed, 2 when dbt could not run.
    """
    folder = Path(arguments[arguments.index("--log-path") + 1])
    folder.mkdir(parents=True, exist_ok=True)
    gc.set_threshold(_COLLECT_AFTER, 20, 100)
    with (folder / "dbt.log").open("w", encoding="utf-8") as log:
        runner = dbtRunner(callbacks=[_reader(sys.stdout, log)])
        quiet = ("--log-level", "none", "--log-level-file", "none", "--no-use-colors")
        result = runner.invoke([*arguments, *quiet])
        if result.exception is not None:
            print(result.exception, flush=True)
            print(result.exception, file=log)
            return 2
    return 0 if result.success else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
