"""How builds end when they cannot end well: the exit code, the words, and readers undisturbed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT, run_cli

pytestmark = pytest.mark.e2e


def _snapshot_of(data: Path) -> dict[str, tuple[int, int]]:
    files = sorted(p for p in (data / "serving").rglob("*") if p.is_file())
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in files}


@pytest.fixture
def published(demo_data: Path, tmp_path: Path) -> Path:
    """A data folder with something published, cheap to make and free to break."""
    data = tmp_path / "data"
    shutil.copytree(demo_data / "serving", data / "serving")
    shutil.copytree(demo_data / "raw", data / "raw")
    return data


def test_a_refused_input_exits_3_and_changes_nothing(published: Path, tmp_path: Path) -> None:
    source = tmp_path / "broken"
    source.mkdir()
    (source / "regions.csv").write_text("region_id,provider\nus-east-1,aws\n")
    before = _snapshot_of(published)
    raw = {p.name: p.stat().st_mtime_ns for p in (published / "raw").iterdir()}
    done = run_cli(published, "build", "--input", str(source))
    assert done.returncode == 3
    for word in ("regions.csv", "country_code", "services"):
        assert word in done.stderr
    assert _snapshot_of(published) == before
    assert {p.name: p.stat().st_mtime_ns for p in (published / "raw").iterdir()} == raw


def test_a_missing_folder_is_refused(published: Path, tmp_path: Path) -> None:
    done = run_cli(published, "build", "--input", str(tmp_path / "nowhere"))
    assert done.returncode == 3
    assert "nowhere" in done.stderr


def test_a_wrong_option_or_value_exits_2(published: Path) -> None:
    assert run_cli(published, "build", "--colour", "blue").returncode == 2
    done = run_cli(published, "build", "--services", "3")
    assert done.returncode == 2
    assert "services" in done.stderr
    assert run_cli(published, "stage", "dance").returncode == 2


def test_a_second_build_exits_8_and_names_the_first(published: Path) -> None:
    hold = (
        "import sys, pathlib\nfrom regionwise.lock import build_lock\n"
        "with build_lock(pathlib.Path(sys.argv[1]), 'regionwise build'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", hold, str(published / ".build.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ,
    )
    assert first.stdout is not None
    assert first.stdout.readline().strip() == "held"
    done = run_cli(published, "build")
    first.communicate("")
    assert done.returncode == 8
    assert str(first.pid) in done.stderr


def test_nothing_published_names_the_command(tmp_path: Path) -> None:
    done = run_cli(tmp_path, "export", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "make build" in done.stderr


def test_export_writes_every_mart_in_both_forms(published: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_cli(published, "export", "--out", str(out)).returncode == 0
    marts = set(json.loads((out / "data_dictionary.json").read_text()))
    assert {p.stem for p in out.glob("*.csv")} == marts == {p.stem for p in out.glob("*.parquet")}
