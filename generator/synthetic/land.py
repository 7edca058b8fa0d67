"""Writes landed tables: contract columns, source position, and a hash of what they say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from generator.contract import (
    LANDED_DATASET_SCHEMA,
    LANDED_TABLES_SCHEMA,
    TABLES,
    Table,
    arrow_schema,
)

ROW_GROUP = 262_144


@dataclass(frozen=True)
class Landed:
    """One landed table.

    Attributes:
        table: Name of the contract table.
        rows: Rows written.
        sha256: Hash of the values, independent of compression and file format version.
        absent_columns: Optional columns the source does not have.
        is_present: Whether the source has the table at all.
    """

    table: str
    rows: int
    sha256: str
    absent_columns: tuple[str, ...]
    is_present: bool


class TableWriter:
    """Appends chunks of one contract table to its landed file.

    Args:
        folder: Where ``<table>.parquet`` goes.
        table: The contract table.
    """

    def __init__(self, folder: Path, table: Table) -> None:
        self._table = table
        self._schema = arrow_schema(table)
        self._file = f"{table.name}.parquet"
        self._writer = pq.ParquetWriter(folder / self._file, self._schema, compression="zstd")
        self._hash = hashlib.sha256()
        self._rows = 0
        self._absent: set[str] = set()
        self._is_present = False

    def __enter__(self) -> Self:
        """Return the writer; leaving the block closes the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._writer.close()

    def append(self, columns: Mapping[str, pa.Array]) -> None:
        """Write rows in the given order; an optional column that is not given is null.

        Raises:
            ValueError: If a required column is missing or a column is unknown.
        """
        names = {c.name for c in self._table.columns}
        missing = set(self._table.required_columns) - set(columns)
        if missing or set(columns) - names:
            msg = f"{self._table.name}: missing {sorted(missing)}, or unknown columns"
            raise ValueError(msg)
        rows = len(next(iter(columns.values())))
        self._absent = names - set(columns)
        self._is_present = True
        numbers = np.arange(self._rows + 1, self._rows + rows + 1)
        arrays = [
            _array(columns[f.name], f.type) if f.name in columns else pa.nulls(rows, f.type)
            for f in self._schema
            if not f.name.startswith("_")
        ]
        for array in arrays:
            _update(self._hash, array)
        landing = [pa.repeat(self._file, rows), pa.array(numbers), pa.nulls(rows, pa.string())]
        batch = pa.Table.from_arrays([*arrays, *landing], schema=self._schema)
        self._writer.write_table(batch, row_group_size=ROW_GROUP)
        self._rows += rows

    def landed(self) -> Landed:
        """Return what was written."""
        absent = tuple(c for c in self._table.optional_columns if c in self._absent)
        return Landed(
            self._table.name, self._rows, self._hash.hexdigest(), absent, self._is_present
        )


def _array(values: pa.Array, target: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        return values.dictionary_decode().cast(target)
    if pa.types.is_decimal(target) and pa.types.is_floating(values.type):
        return values.cast(target, safe=False)
    return values.cast(target)


def _update(digest: hashlib._Hash, array: pa.Array) -> None:
    """Add nulls and values of an array to a hash; buffers' padding stays out."""
    digest.update(np.packbits(pc.is_null(array).to_numpy(zero_copy_only=False)).tobytes())
    if pa.types.is_string(array.type):
        known = array.fill_null("")
        digest.update(pc.binary_length(known).to_numpy().tobytes())
        digest.update("".join(known.unique().to_pylist()).encode())
        digest.update(pc.dictionary_encode(known).indices.to_numpy().tobytes())
    elif pa.types.is_decimal(array.type):
        digest.update(pc.multiply(array.cast(pa.float64()), 1e6).fill_null(0).to_numpy().tobytes())
    elif pa.types.is_boolean(array.type):
        digest.update(array.fill_null(False).to_numpy(zero_copy_only=False).tobytes())
    elif pa.types.is_date(array.type):
        digest.update(array.cast(pa.int32()).fill_null(0).to_numpy().tobytes())
    elif pa.types.is_timestamp(array.type):
        digest.update(array.cast(pa.int64()).fill_null(0).to_numpy().tobytes())
    else:
        digest.update(array.fill_null(0).to_numpy().tobytes())


def write_register(folder: Path, landed: list[Landed], seed: int, description: str) -> str:
    """Write ``landed_tables`` and ``landed_dataset``; return the hash of the whole dataset."""
    known = {entry.table: entry for entry in landed}
    rows = []
    digest = hashlib.sha256()
    for name in TABLES:
        entry = known.get(name) or Landed(name, 0, hashlib.sha256().hexdigest(), (), False)
        digest.update(f"{name}:{entry.rows}:{entry.sha256}\n".encode())
        rows.append(
            {
                "table_name": name,
                "file_name": f"{name}.parquet" if entry.is_present else None,
                "is_present": entry.is_present,
                "rows_read": entry.rows,
                "absent_columns": ";".join(entry.absent_columns),
                "unknown_columns": "",
                "file_sha256": entry.sha256 if entry.is_present else None,
            }
        )
    tables = pa.Table.from_pylist(rows, schema=LANDED_TABLES_SCHEMA)
    pq.write_table(tables, folder / "landed_tables.parquet", compression="zstd")
    dataset = {
        "dataset_kind": "synthetic",
        "description": description,
        "seed": seed,
        "dataset_hash": digest.hexdigest(),
    }
    one = pa.Table.from_pylist([dataset], schema=LANDED_DATASET_SCHEMA)
    pq.write_table(one, folder / "landed_dataset.parquet", compression="zstd")
    return digest.hexdigest()
