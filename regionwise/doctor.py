"""Looks at the machine and the data folder, and says one fix per finding."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from filelock import FileLock, Timeout

from regionwise import publish
from regionwise.config import Settings
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders
from regionwise.lock import holder

_MIN_FREE_GB = 2.0
_MIN_MEMORY_GB = 3.0
_DASHBOARD_PORT = 8501


@dataclass(frozen=True)
class Finding:
    """One thing looked at; ``fix`` is empty where nothing needs to be done."""

    what: str
    seen: str
    fix: str = ""


def run(settings: Settings) -> int:
    """Print what was found and return 0, or 2 if something needs a hand."""
    findings = list(examine(settings))
    for finding in findings:
        print(f"{'ok ' if not finding.fix else 'FIX'}  {finding.what}: {finding.seen}")
        if finding.fix:
            print(f"     → {finding.fix}")
    return Exit.USAGE if any(f.fix for f in findings) else Exit.DONE


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield one finding per thing that can keep a build from ending well."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python,
        _libraries,
        _memory,
        _disk,
        _writable,
        _lock,
        _snapshot,
        _port,
    )
    for check in checks:
        yield check(settings)


def _python(_: Settings) -> Finding:
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding("Python", sys.version.split()[0], "" if good else "use Python 3.11 to 3.13")


def _libraries(_: Settings) -> Finding:
    names = ("dbt-core", "dbt-duckdb", "duckdb", "streamlit", "xgboost-cpu", "great-expectations")
    try:
        return Finding("libraries", ", ".join(f"{name} {version(name)}" for name in names))
    except PackageNotFoundError as error:
        return Finding("libraries", f"{error.name} is missing", "rm -rf .venv && make setup")


def _memory(_: Settings) -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    fix = "" if total >= _MIN_MEMORY_GB else "lower REGIONWISE_MEMORY_LIMIT, or build fewer days"
    return Finding("memory", f"{total:.1f} GB, {os.cpu_count()} cores", fix)


def _disk(settings: Settings) -> Finding:
    nearest = settings.data
    while not nearest.exists():
        nearest = nearest.parent
    free = shutil.disk_usage(nearest).free / 2**30
    return Finding(
        "free disk", f"{free:.1f} GB", "" if free >= _MIN_FREE_GB else "free 2 GB, or make clean"
    )


def _writable(settings: Settings) -> Finding:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        probe = settings.data / ".doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        fix = "set REGIONWISE_DATA to a folder you may write"
        return Finding("data folder", f"{settings.data}: {error.strerror}", fix)
    return Finding("data folder", str(settings.data))


def _lock(settings: Settings) -> Finding:
    path = Folders(settings.data).lock
    if not path.exists():
        return Finding("build lock", "free")
    try:
        with FileLock(path, timeout=0):
            return Finding("build lock", "free")
    except Timeout:
        return Finding("build lock", f"held by {holder(path)}", "wait for that build, or stop it")


def _snapshot(settings: Settings) -> Finding:
    try:
        path = publish.current(settings)
    except Stop as stop:
        return Finding("published answer", "none yet", stop.hint)
    if not path.exists():
        return Finding("published answer", f"{path} is gone", "make build")
    age = datetime.now(UTC) - datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Finding(
        "published answer", f"{path.parent.name}, {age.total_seconds() / 3600:.1f} h old"
    )


def _port(_: Settings) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        used = probe.connect_ex(("127.0.0.1", _DASHBOARD_PORT)) == 0
    fix = f"stop what listens there, or regionwise dashboard --port {_DASHBOARD_PORT + 1}"
    return Finding(f"port {_DASHBOARD_PORT}", "in use" if used else "free", fix if used else "")
