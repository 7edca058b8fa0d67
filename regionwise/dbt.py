"""Runs dbt inside this process, which then keeps the database open: a stage's own process.

dbt formats thousands of debug events for loggers that then drop them, about a third of its time.
Here its loggers are off and debug events are dropped before they are formatted; a callback reads
the few events that somebody wants, and ``dbt.log`` holds them in words.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from regionwise.config import ROOT, Settings
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

PROJECT = ROOT / "dbt_project"
_PROGRESS = ("LogModelResult", "LogTestResult", "LogSeedResult", "UnitTestResult")
_READ = ("warn", "error")
_QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-use-colors")
# Thousands of long-lived objects make every full collection slow, and few of them ever die.
_COLLECT_AFTER = 50_000


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment dbt, the judge and the dashboard run in."""
    return os.environ | {
        "REGIONWISE_DATA": str(settings.data),
        "REGIONWISE_THREADS": str(settings.threads),
        "REGIONWISE_MEMORY": settings.memory_limit,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "False",
        "OMP_WAIT_POLICY": "PASSIVE",
    }


@dataclass
class _Reader:
    """Reads dbt's events: progress for people, warnings and errors for the log."""

    say: Callable[[str, float | None], None]
    log: TextIO
    lines: list[str] = field(default_factory=list)

    def __call__(self, event: Any) -> None:
        info = event.info
        is_progress = info.name in _PROGRESS
        if not is_progress and info.level not in _READ and info.name != "EndOfRunSummary":
            return
        self.lines.append(info.msg)
        print(f"{info.level} {info.msg}", file=self.log, flush=True)
        if is_progress:
            data = event.data
            # Results of models count up to `total`, those of tests to `num_models`.
            total = getattr(data, "total", 0) or getattr(data, "num_models", 0)
            if total:
                self.say(f"dbt {data.node_info.node_name}", data.index / total)


def _drop_debug_events() -> None:
    """Let dbt turn only those events into messages that :class:`_Reader` may want."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    class Quiet(EventManager):
        def fire_event(
            self, e: Any, level: Any = None, node: Any = None, *args: Any, **named: Any
        ) -> None:
            if (level or e.level_tag()) is not EventLevel.DEBUG:
                super().fire_event(e, level, node, *args, **named)

    ctx_set_event_manager(Quiet())


def parse(settings: Settings, selector: str) -> Manifest:
    """Read the project for one half, ``features`` or ``marts``; needs no data.

    Raises:
        Stop: If the project cannot be read.
    """
    from dbt.cli.main import dbtRunner

    gc.set_threshold(_COLLECT_AFTER, 20, 100)
    _drop_debug_events()
    os.environ.update(environment(settings))
    target = _target(settings, selector)
    target.mkdir(parents=True, exist_ok=True)
    _reuse_parse(target)
    result = dbtRunner().invoke(["parse", *_where(target), *_QUIET])
    if not result.success:
        raise Stop(Exit.UNEXPECTED, f"dbt could not read the project: {result.exception}")
    manifest: Manifest = result.result
    return manifest


def build(
    settings: Settings,
    selector: str,
    manifest: Manifest,
    say: Callable[[str, float | None], None],
) -> dict[str, int]:
    """Run ``dbt build`` on one half of the project.

    Args:
        settings: Where the data lie, threads and memory.
        selector: ``features`` or ``marts``.
        manifest: What :func:`parse` read for it.
        say: Told the node being built and the share done.

    Returns:
        Number of results by ``kind:status``, for example ``model:success``.

    Raises:
        Stop: With exit code 4 and the failing nodes, when a model or a test failed.
    """
    from dbt.cli.main import dbtRunner

    target = _target(settings, selector)
    (target / "run_results.json").unlink(missing_ok=True)
    # Unit tests judge the code, not the data: tests/warehouse runs them, not every build.
    what = ("--selector", selector, "--exclude-resource-type", "unit_test")
    log = target / "logs" / "dbt.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as lines:
        reader = _Reader(say, lines)
        runner = dbtRunner(manifest=manifest, callbacks=[reader])
        result = runner.invoke(["build", *what, *_where(target), *_QUIET])
        print(result.exception or "", file=lines)
    if result.exception is not None or not (target / "run_results.json").exists():
        tail = "\n".join([*reader.lines[-15:], str(result.exception or "")])
        raise Stop(Exit.UNEXPECTED, f"dbt could not run the {selector} half:\n{tail}")
    results = json.loads((target / "run_results.json").read_text())["results"]
    failed = [r for r in results if r["status"] in ("error", "fail", "runtime error")]
    if failed:
        raise Stop(Exit.DATA_TESTS_FAILED, _explain(failed), f"see {log}")
    return dict(Counter(f"{r['unique_id'].split('.')[0]}:{r['status']}" for r in results))


def _target(settings: Settings, selector: str) -> Path:
    return Folders(settings.data).build / f"dbt_{selector}"


def _where(target: Path) -> tuple[str, ...]:
    project = ("--project-dir", str(PROJECT), "--profiles-dir", str(ROOT))
    return (*project, "--target-path", str(target), "--log-path", str(target / "logs"))


def _reuse_parse(target: Path) -> None:
    """Give a half the newest parse of the project: the other half reads the same files."""
    parses = target.parent.glob("dbt_*/partial_parse.msgpack")
    newest = max(parses, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is not None and newest.parent != target:
        shutil.copy2(newest, target / newest.name)


def _explain(failed: list[dict[str, Any]]) -> str:
    shown = [f"  {r['unique_id'].split('.', 2)[-1]}: {r.get('message') or ''}" for r in failed[:10]]
    more = [f"  … and {len(failed) - 10} more"] if len(failed) > 10 else []
    return "\n".join([f"{len(failed)} dbt nodes failed:", *shown, *more])


def manifest(settings: Settings, selector: str = "marts") -> dict[str, Any]:
    """Return dbt's manifest of the last run of one half."""
    path = _target(settings, selector) / "manifest.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded
