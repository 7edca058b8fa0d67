"""The warehouse that the analysts' queries run against."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest


@pytest.fixture(scope="session")
def warehouse(request: pytest.FixtureRequest) -> Path:
    """A built warehouse: the one named by the environment, else the demo's snapshot."""
    named = os.environ.get("REGIONWISE_TEST_WAREHOUSE")
    return Path(named) if named else Path(request.getfixturevalue("demo_snapshot"))


@pytest.fixture
def marts(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        yield connection
