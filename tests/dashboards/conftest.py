"""Shared by the page tests: the repository on the path, and a clean cache for each test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data folder that the pages read."""
    monkeypatch.setenv("REGIONWISE_DATA", str(tmp_path))
    return tmp_path
