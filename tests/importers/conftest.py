"""The folder of odd rows, landed once for all tests of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.importers.folder import LandResult, land
from tests.importers import village as v
from tests.importers.row_cases import odd_village


@pytest.fixture(scope="session")
def odd_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder whose raw set holds every odd row."""
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="session", autouse=True)
def odd_result(odd_data: Path) -> LandResult:
    """What landing the odd rows said."""
    return land(v.write(odd_village(), odd_data / "in"), odd_data / "raw")
