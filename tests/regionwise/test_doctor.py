"""The doctor: one fix per finding, and no fix where nothing is wrong."""

import socket
from pathlib import Path

import pytest

from regionwise import doctor
from regionwise.config import Settings
from regionwise.lock import build_lock


def _by_name(settings: Settings) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(settings)}


def test_a_fresh_folder_lacks_only_a_build(tmp_path: Path) -> None:
    found = _by_name(Settings(data=tmp_path))
    assert found["Python"].fix == ""
    assert found["build lock"].seen == "free"
    assert "make build" in found["published answer"].fix


def test_a_held_lock_is_named(tmp_path: Path) -> None:
    import subprocess
    import sys

    with build_lock(tmp_path / ".build.lock", "regionwise build"):
        # Another process looks: the holder itself may always take its own lock again.
        code = (
            "import sys, pathlib\n"
            "from regionwise import doctor\nfrom regionwise.config import Settings\n"
            "s = Settings(data=pathlib.Path(sys.argv[1]))\n"
            "print([f.seen for f in doctor.examine(s) if f.what == 'build lock'][0])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
    assert "held by process" in done.stdout


def test_a_used_port_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setattr(doctor, "_DASHBOARD_PORT", port)
        found = _by_name(Settings(data=tmp_path))[f"port {port}"]
    assert found.seen == "in use"
    assert str(port + 1) in found.fix


def test_little_memory_and_disk_are_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_MIN_FREE_GB", 1e9)
    monkeypatch.setattr(doctor, "_MIN_MEMORY_GB", 1e9)
    found = _by_name(Settings(data=tmp_path))
    assert found["free disk"].fix
    assert found["memory"].fix
    assert doctor.run(Settings(data=tmp_path)) == 2
