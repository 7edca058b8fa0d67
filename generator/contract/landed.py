"""The landed form: how every raw table lies in ``data/raw``, whoever made it."""

from __future__ import annotations

import pyarrow as pa

from generator.contract.model import ColumnType, Table

LANDING_COLUMNS = ("_file", "_row", "_unparsed")

_ARROW: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "double": pa.float64(),
    "integer": pa.int64(),
    "decimal": pa.decimal128(18, 6),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


def arrow_type(type_: ColumnType) -> pa.DataType:
    """Return the Arrow type that a contract type is landed as."""
    return _ARROW[type_]


def arrow_schema(table: Table) -> pa.Schema:
    """Return the schema of ``data/raw/<table>.parquet``.

    Every contract column is nullable: a value that could not be read is null here, and its text
    is kept in ``_unparsed`` as a JSON object of column and original text.
    """
    fields = [pa.field(c.name, _ARROW[c.type]) for c in table.columns]
    landing = [
        pa.field("_file", pa.string()),
        pa.field("_row", pa.int64()),
        pa.field("_unparsed", pa.string()),
    ]
    return pa.schema([*fields, *landing])


LANDED_TABLES_SCHEMA = pa.schema(
    [
        pa.field("table_name", pa.string()),
        pa.field("file_name", pa.string()),
        pa.field("is_present", pa.bool_()),
        pa.field("rows_read", pa.int64()),
        pa.field("absent_columns", pa.string()),
        pa.field("unknown_columns", pa.string()),
        pa.field("file_sha256", pa.string()),
    ]
)
"""One row per contract table: which file it came from and what it lacked."""

LANDED_DATASET_SCHEMA = pa.schema(
    [
        pa.field("dataset_kind", pa.string()),
        pa.field("description", pa.string()),
        pa.field("seed", pa.int64()),
        pa.field("dataset_hash", pa.string()),
    ]
)
"""Exactly one row: ``synthetic`` or ``import``, its seed, and a hash over all landed tables."""
