"""Lands all tables of a folder into an empty folder; nothing here replaces anything."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from generator import contract
from generator.contract import ContractError, Finding
from generator.importers._files import find_sources
from generator.importers._table import LandedTable, land_absent, land_table


@dataclass(frozen=True)
class LandResult:
    """What landing a folder gave.

    Attributes:
        tables: One entry per contract table, in the contract's order.
        ignored_files: Names in the folder that are no contract table.
        dataset_hash: Hash over the landed tables' source files; same files, same hash.
    """

    tables: tuple[LandedTable, ...]
    ignored_files: tuple[str, ...]
    dataset_hash: str

    @property
    def rows(self) -> dict[str, int]:
        """Rows read per table."""
        return {table.table_name: table.rows_read for table in self.tables}


def land_tables(
    source: Path, target: Path
) -> tuple[list[LandedTable], list[Finding], tuple[str, ...]]:
    """Land every table that can be landed; return those, all findings and the files left out."""
    sources, findings, ignored = find_sources(source)
    by_table = {s.table: s for s in sources}
    landed: list[LandedTable] = []
    with engine(target) as connection:
        for table in contract.TABLES.values():
            path = target / f"{table.name}.parquet"
            try:
                if table.name in by_table:
                    landed.append(land_table(connection, table, by_table[table.name], path))
                elif table.optional:
                    landed.append(land_absent(table, path))
            except ContractError as error:
                findings.extend(error.findings)
    return landed, sorted(findings, key=_finding_order), ignored


def land_into(source: Path, target: Path, *, description: str | None = None) -> LandResult:
    """Land ``source`` into the existing empty folder ``target``, with its two records.

    Raises:
        ContractError: With every finding over all files; ``target`` then holds no whole set.
    """
    landed, findings, ignored = land_tables(source, target)
    if findings:
        raise ContractError(findings)
    dataset_hash = _dataset_hash(landed)
    _write_landed_tables(landed, target)
    _write_landed_dataset(description or f"folder {source.name}", dataset_hash, target)
    return LandResult(tuple(landed), ignored, dataset_hash)


@contextmanager
def engine(work: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that streams, spills beside the data and never asks the network."""
    spill = work / ".spill"
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "temp_directory": str(spill),
        "memory_limit": os.environ.get("REGIONWISE_MEMORY", "2GB"),
        "threads": os.environ.get("REGIONWISE_THREADS", "2"),
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def _finding_order(finding: Finding) -> tuple[str, int, str, str]:
    return finding.file, finding.row or 0, finding.column or "", finding.rule


def _dataset_hash(landed: Sequence[LandedTable]) -> str:
    lines = [f"contract {contract.CONTRACT_VERSION}"]
    lines += [f"{t.table_name} {t.file_sha256}" for t in landed]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _write_landed_tables(landed: Sequence[LandedTable], target: Path) -> None:
    rows = [
        {
            "table_name": t.table_name,
            "file_name": t.file_name,
            "is_present": t.is_present,
            "rows_read": t.rows_read,
            "absent_columns": ";".join(t.absent_columns),
            "unknown_columns": ";".join(t.unknown_columns),
            "file_sha256": t.file_sha256,
        }
        for t in landed
    ]
    arrow = pa.Table.from_pylist(rows, schema=contract.LANDED_TABLES_SCHEMA)
    pq.write_table(arrow, target / "landed_tables.parquet", compression="zstd")


def _write_landed_dataset(description: str, dataset_hash: str, target: Path) -> None:
    row = {
        "dataset_kind": "import",
        "description": description,
        "seed": None,
        "dataset_hash": dataset_hash,
    }
    arrow = pa.Table.from_pylist([row], schema=contract.LANDED_DATASET_SCHEMA)
    pq.write_table(arrow, target / "landed_dataset.parquet", compression="zstd")
