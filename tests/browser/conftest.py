"""A running dashboard and a real browser: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
# Without these Chromium itself asks its maker's servers for updates.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60


@pytest.fixture(scope="session")
def dashboard_data(request: pytest.FixtureRequest) -> Path:
    """Return the data folder to look at: the built demo, unless the environment names another."""
    named = os.environ.get("REGIONWISE_BROWSER_DATA")
    return Path(named) if named else Path(request.getfixturevalue("demo_data"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def dashboard(dashboard_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the dashboard as a user would, and return its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("dashboard") / "server.log"
    environment = os.environ | {"REGIONWISE_DATA": str(dashboard_data)}
    command = [sys.executable, "-m", "streamlit", "run", "dashboards/app.py"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, f"--server.port={port}"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(f"{address}/_stcore/health", server, log)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the dashboard did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Return a browser with a new profile."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        # Pages that nobody looked at must not count as looked at.
        pytest.fail(f"no {CHROMIUM}: scripts/chromium.sh installs it (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()
