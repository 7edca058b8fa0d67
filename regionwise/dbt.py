"""Runs dbt as a process of its own: a dbt inside this process would keep the database open."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regionwise.config import ROOT, Settings
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders

PROJECT = ROOT / "dbt_project"
_HANDLED_FAILURE = 1


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


def build(
    settings: Settings, selector: str, say: Callable[[str, float | None], None]
) -> dict[str, int]:
    """Run ``dbt build`` on one half of the project.

    Args:
        settings: Where the data lie, threads and memory.
        selector: ``features`` or ``marts``.
        say: Told the node being built and the share done.

    Returns:
        Number of results by ``kind:status``, for example ``model:success``.

    Raises:
        Stop: With exit code 4 and the failing nodes, when a model or a test failed.
    """
    target = Folders(settings.data).build / f"dbt_{selector}"
    (target / "run_results.json").unlink(missing_ok=True)
    _reuse_parse(target)
    command = [
        *(sys.executable, "-m", "regionwise.dbt_process", "build"),
        *("--selector", selector, "--project-dir", str(PROJECT), "--profiles-dir", str(ROOT)),
        *("--target-path", str(target), "--log-path", str(target / "logs")),
        # Unit tests judge the code, not the data: tests/warehouse runs them, not every build.
        *("--exclude-resource-type", "unit_test"),
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = _follow(process, say)
    if process.wait() > _HANDLED_FAILURE or not (target / "run_results.json").exists():
        tail = "\n".join(output[-15:])
        raise Stop(Exit.UNEXPECTED, f"dbt could not run the {selector} half:\n{tail}")
    results = json.loads((target / "run_results.json").read_text())["results"]
    failed = [r for r in results if r["status"] in ("error", "fail", "runtime error")]
    if failed:
        raise Stop(Exit.DATA_TESTS_FAILED, _explain(failed), f"see {target / 'logs' / 'dbt.log'}")
    return dict(Counter(f"{r['unique_id'].split('.')[0]}:{r['status']}" for r in results))


def _reuse_parse(target: Path) -> None:
    """Give a half the newest parse of the project: the other half reads the same files."""
    parses = target.parent.glob("dbt_*/partial_parse.msgpack")
    newest = max(parses, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is not None and newest.parent != target:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(newest, target / newest.name)


def _follow(process: subprocess.Popen[str], say: Callable[[str, float | None], None]) -> list[str]:
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            lines.append(line.rstrip())
            continue
        lines.append(str(event.get("message", "")))
        if event.get("total"):
            say(f"dbt {event['node']}", event["index"] / event["total"])
    return lines


def _explain(failed: list[dict[str, Any]]) -> str:
    shown = [f"  {r['unique_id'].split('.', 2)[-1]}: {r.get('message') or ''}" for r in failed[:10]]
    more = [f"  … and {len(failed) - 10} more"] if len(failed) > 10 else []
    return "\n".join([f"{len(failed)} dbt nodes failed:", *shown, *more])


def manifest(settings: Settings, selector: str = "marts") -> dict[str, Any]:
    """Return dbt's manifest of the last run of one half."""
    path: Path = Folders(settings.data).build / f"dbt_{selector}" / "manifest.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded
