"""Numbers worked by hand: every unit test of the project and every macro."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from ml import contract
from ml.io import Writer
from tests.warehouse.conftest import run_dbt


def test_every_unit_test_passes(small_world: Path, tmp_path: Path) -> None:
    """Builds leave unit tests out, so this is where a wrong formula turns red.

    They need tables with the right columns, not rows: every model is built empty.
    """
    shutil.copytree(small_world / "raw", tmp_path / "raw")
    writer = Writer(tmp_path / "predictions", tmp_path / "models")
    for table in contract.TABLES:
        writer.write(table.name, pd.DataFrame(), "none")
    run_dbt(tmp_path, "run-operation", "test_macros")
    without = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    run_dbt(tmp_path, "build", "--empty", *without)
    run_dbt(tmp_path, "test", "--select", "test_type:unit")
    results = json.loads((tmp_path / "target" / "run_results.json").read_text())["results"]
    assert len(results) >= 25
    assert {result["status"] for result in results} == {"pass"}
