"""Two builds of one data folder exclude each other; a dead one does not stand in the way."""

import subprocess
import sys
from pathlib import Path

import pytest

from regionwise.exits import Exit, Stop
from regionwise.lock import build_lock

HOLD = """
import sys, pathlib
from regionwise.lock import build_lock
with build_lock(pathlib.Path(sys.argv[1]), "regionwise build"):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def test_second_build_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    process = _holder(tmp_path / ".build.lock")
    with pytest.raises(Stop) as stop, build_lock(tmp_path / ".build.lock", "regionwise build"):
        pass
    process.communicate("")
    assert stop.value.code == Exit.LOCKED
    assert f"process {process.pid} (regionwise build) since 20" in stop.value.message


def test_a_killed_build_gives_the_lock_back(tmp_path: Path) -> None:
    process = _holder(tmp_path / ".build.lock")
    process.kill()
    process.communicate()
    with build_lock(tmp_path / ".build.lock", "regionwise build"):
        pass


def test_the_note_is_gone_when_the_lock_is_free(tmp_path: Path) -> None:
    with build_lock(tmp_path / ".build.lock", "regionwise build"):
        assert (tmp_path / ".build.json").exists()
    assert not (tmp_path / ".build.json").exists()
