"""What tests of several rooms share: data folders built once per run, however many workers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.helpers import ROOT, built

# Tests start before anything imports XGBoost; spinning threads would slow every fit down.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def shared_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = (base.parent if is_worker else base) / "builds"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def demo_data(shared_builds: Path) -> Path:
    """The demo as `make build` makes it: 150 services, 5 regions, 90 days."""
    return built(shared_builds, "demo")


@pytest.fixture(scope="session")
def demo_snapshot(demo_data: Path) -> Path:
    """The published database of the demo."""
    serving = demo_data / "serving"
    return serving / str(json.loads((serving / "current.json").read_text())["path"])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real measurements; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("REGIONWISE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real measurements are not at {folder}: set REGIONWISE_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def petshop_data(shared_builds: Path, shared_data: Path) -> Path:
    """A build on real measurements of a real application."""
    return built(shared_builds, "petshop", "--input", str(shared_data / "petshop"))
