"""The one module of ``ml/`` that touches files: one reader of features, one writer of results."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract import TABLES, Column, Table

_BY_NAME = {table.name: table for table in TABLES}
_ARROW = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "usd": pa.decimal128(18, 6),
}


class PredictionContractError(ValueError):
    """A stage tried to hand over a frame that its table's contract does not allow."""


class Features:
    """Read-only view of the feature tables that dbt built.

    Args:
        warehouse: DuckDB file that dbt wrote; nobody else may hold it open for writing.
    """

    def __init__(self, warehouse: Path) -> None:
        self._connection = duckdb.connect(str(warehouse), read_only=True)

    def __enter__(self) -> Self:
        """Return the reader itself; leaving the block closes the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file so that dbt can open it again."""
        self._connection.close()

    def has(self, table: str) -> bool:
        """Say whether ``table`` exists in the warehouse."""
        found = self._connection.execute(
            "select count(*) from information_schema.tables where table_name = ?", [table]
        ).fetchone()
        return bool(found and found[0])

    def read(self, table: str) -> pd.DataFrame:
        """Return the whole of one feature table, rows in one fixed order.

        Args:
            table: A model whose name starts with ``feat_``; ``ml/`` may read nothing else.

        Raises:
            ValueError: If ``table`` is not a feature table.
        """
        if not table.startswith("feat_"):
            msg = f"table == {table!r}, must start with 'feat_': ml/ reads feature tables only"
            raise ValueError(msg)
        # `order by all` makes the frame independent of the thread that wrote each row group.
        return self._connection.execute(f'select * from "{table}" order by all').df()


class Writer:
    """Writes prediction tables that keep their contract, one file per table and stage.

    Args:
        predictions: Folder that dbt reads as the source ``ml``.
        models: Folder of model artefacts.
    """

    def __init__(self, predictions: Path, models: Path) -> None:
        self._predictions = predictions
        self.models_dir = models
        self.artifacts_dir = predictions / "artifacts"
        self.artifacts_dir.mkdir(parents=True, exist_ok=True)
        models.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, frame: pd.DataFrame, stage: str) -> Path:
        """Validate ``frame`` against its contract, sort it by key and write it.

        Args:
            name: Table of :data:`ml.contract.TABLES`.
            frame: Rows; unknown columns are refused, missing optional ones become null.
            stage: Who writes; another stage's rows of the same table stay as they are.

        Returns:
            The file written.

        Raises:
            PredictionContractError: Naming table, column and rule.
        """
        table = _BY_NAME[name]
        arrow = to_arrow(table, frame)
        path = self._predictions / name / f"{stage}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(arrow, path, compression="zstd")
        return path

    def read(self, name: str) -> pd.DataFrame:
        """Return what all stages so far wrote to table ``name``, sorted by key."""
        table = _BY_NAME[name]
        parts = sorted((self._predictions / name).glob("*.parquet"))
        if not parts:
            empty: pd.DataFrame = to_arrow(table, pd.DataFrame()).to_pandas()
            return empty
        # Money comes back as floats: decimals are for storage and for sums in SQL.
        frame: pd.DataFrame = pd.concat([_floats(pq.read_table(p)).to_pandas() for p in parts])
        return frame.sort_values(list(table.key), kind="stable", ignore_index=True)


def _floats(table: pa.Table) -> pa.Table:
    fields = [
        pa.field(f.name, pa.float64()) if pa.types.is_decimal(f.type) else f for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    """Return ``frame`` as an Arrow table in the contract's columns, types and key order.

    Raises:
        PredictionContractError: Naming table, column and rule.
    """
    names = [column.name for column in table.columns]
    unknown = sorted(set(frame.columns) - set(names))
    if unknown:
        raise PredictionContractError(f"{table.name}: unknown columns {unknown}")
    if frame.empty:
        if not table.may_be_empty and len(frame.columns):
            raise PredictionContractError(f"{table.name}: has no rows")
        return _schema(table).empty_table()
    ordered = frame.reindex(columns=names).sort_values(list(table.key), kind="stable")
    if ordered.duplicated(list(table.key)).any():
        first = ordered.loc[ordered.duplicated(list(table.key)), list(table.key)].iloc[0].to_dict()
        raise PredictionContractError(f"{table.name}: two rows with key {first}")
    arrays = []
    for column in table.columns:
        _check(table, column, ordered[column.name])
        arrays.append(_array(column, ordered[column.name]))
    return pa.Table.from_arrays(arrays, schema=_schema(table))


def _schema(table: Table) -> pa.Schema:
    return pa.schema([pa.field(c.name, _ARROW[c.type]) for c in table.columns])


def _array(column: Column, values: pd.Series) -> pa.Array:
    target = _ARROW[column.type]
    if column.type == "usd":
        # Micro-dollars first: a float cast straight to decimal(18,6) fails on its last bits.
        return pa.array(values.astype("float64").round(6), from_pandas=True).cast(
            target, safe=False
        )
    if column.type == "date":
        return pa.array(pd.to_datetime(values).dt.date, type=target, from_pandas=True)
    return pa.array(values, from_pandas=True).cast(target)


def _check(table: Table, column: Column, values: pd.Series) -> None:
    where = f"{table.name}.{column.name}"
    known = values.dropna()
    if column.required and len(known) < len(values):
        raise PredictionContractError(
            f"{where}: {len(values) - len(known)} nulls in a required column"
        )
    if column.values and not set(known) <= set(column.values):
        raise PredictionContractError(
            f"{where}: {sorted(set(known) - set(column.values))} not allowed"
        )
    if column.type in ("double", "bigint", "usd") and len(known):
        numbers = known.astype("float64")
        low = column.low if column.low is not None else -float("inf")
        high = column.high if column.high is not None else float("inf")
        bad = numbers[
            (numbers < low) | (numbers > high) | numbers.isin([float("inf"), -float("inf")])
        ]
        if len(bad):
            raise PredictionContractError(f"{where}: {bad.iloc[0]} outside [{low}, {high}]")
