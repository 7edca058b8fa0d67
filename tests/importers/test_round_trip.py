"""A synthetic world written out as a user's files and landed again is the same world."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from generator import contract
from generator.importers.folder import land
from generator.synthetic import generate


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    generate(folder / "raw", folder / "truth", seed=7, services=25, days=21)
    return folder / "raw"


def _export(raw: Path, target: Path, suffix: str) -> None:
    target.mkdir()
    options = {
        ".csv": "format csv, header",
        ".csv.gz": "format csv, header, compression gzip",
        ".parquet": "format parquet",
    }[suffix]
    with duckdb.connect() as connection:
        for name, table in contract.TABLES.items():
            if table.optional and not pq.read_metadata(raw / f"{name}.parquet").num_rows:
                continue
            connection.execute(
                f"copy (select columns(c -> c not like '\\_%' escape '\\') "
                f"from '{raw / name}.parquet') to '{target / name}{suffix}' ({options})"
            )


def _values(path: Path) -> pa.Table:
    return pq.read_table(path).drop_columns(["_file"]).combine_chunks()


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_export_and_landing_give_the_world_back(suffix: str, world: Path, tmp_path: Path) -> None:
    _export(world, tmp_path / "in", suffix)
    result = land(tmp_path / "in", tmp_path / "raw")
    assert result.rows["traffic_patterns"] > 50_000
    for name in contract.TABLES:
        landed = _values(tmp_path / "raw" / f"{name}.parquet")
        assert landed.equals(_values(world / f"{name}.parquet")), name
