"""A stage in a process of its own: how it ends, and that it never outlives its build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT, run_cli


def test_a_failing_stage_keeps_its_exit_code_and_its_words(tmp_path: Path) -> None:
    done = run_cli(tmp_path, "stage", "judge-raw")
    assert done.returncode == 3
    assert "[layout]" in done.stderr
    assert "failed" in done.stdout


def test_an_unexpected_error_shows_where_it_arose(tmp_path: Path) -> None:
    done = run_cli(tmp_path, "stage", "latency")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "warehouse.duckdb" in done.stderr


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        # A zombie is dead already: only its parent has not looked yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's process table")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_stages_do_not_outlive_a_build_however_it_ends(
    tmp_path: Path, ending: signal.Signals
) -> None:
    build = subprocess.Popen(
        [sys.executable, "-m", "regionwise", "build", "--services", "25", "--days", "30"],
        cwd=ROOT,
        env=os.environ | {"REGIONWISE_DATA": str(tmp_path), "REGIONWISE_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # A shell starts what it puts into the background deaf to an interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert build.stdout is not None
    assert build.stdout.readline().startswith("[1/")
    children = _children(build.pid)
    assert children
    build.send_signal(ending)
    build.wait()
    for _ in range(300):
        if not any(_is_alive(child) for child in children):
            break
        time.sleep(0.1)
    assert not any(_is_alive(child) for child in children)
    assert not (tmp_path / "serving").exists()


def test_a_relative_input_is_found_from_where_the_command_was_given(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "regions.csv").write_text("region_id\nus-east-1\n")
    done = subprocess.run(
        [sys.executable, "-m", "regionwise", "stage", "ingest", "--input", "mine"],
        cwd=tmp_path,
        env=os.environ | {"REGIONWISE_DATA": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "regions.csv" in done.stderr
