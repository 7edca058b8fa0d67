"""The kinds of check both suites are made of, and narrow reading of Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from regionwise.judge.model import Batch, Check


def row_count() -> Check:
    """Return the check that a table has rows."""
    return Check("no_rows", "at least one row", "ExpectTableRowCountToBeBetween", {"min_value": 1})


def not_null(column: str, mostly: float = 1.0) -> Check:
    """Return the check that a share of a column's values is known."""
    return Check(
        "completeness",
        f"a value in {mostly:.0%} of rows",
        "ExpectColumnValuesToNotBeNull",
        {"column": column, "mostly": mostly},
    )


def between(
    column: str, low: float | None, high: float | None, mostly: float = 1.0, rule: str = "range"
) -> Check:
    """Return the check that a share of the known values lies within bounds, inclusive."""
    words = f"{mostly:.0%} of values from {_bound(low)} to {_bound(high)}"
    # A bound that is not there must still keep infinity out.
    arguments = {
        "column": column,
        "min_value": -1e300 if low is None else low,
        "max_value": 1e300 if high is None else high,
        "mostly": mostly,
    }
    return Check(rule, words, "ExpectColumnValuesToBeBetween", arguments)


def one_of(column: str, values: Sequence[object], mostly: float = 1.0) -> Check:
    """Return the check that a share of the known values is one of a list of words."""
    words = f"{mostly:.0%} of values among {', '.join(map(str, values))}"
    arguments = {"column": column, "value_set": list(values), "mostly": mostly}
    return Check("value_set", words, "ExpectColumnValuesToBeInSet", arguments)


def median(column: str, low: float, high: float) -> Check:
    """Return the check that a column is in the unit it says it is in."""
    words = f"a median from {low:g} to {high:g}: is the unit right?"
    ranges = {"quantiles": [0.5], "value_ranges": [[low, high]]}
    return Check(
        "unit",
        words,
        "ExpectColumnQuantileValuesToBeBetween",
        {"column": column, "quantile_ranges": ranges},
    )


def covers(column: str, wanted: Sequence[str]) -> Check:
    """Return the check that every wanted id has a row."""
    return Check(
        "coverage",
        f"rows for all {len(wanted)} active services",
        "ExpectColumnDistinctValuesToContainSet",
        {"column": column, "value_set": list(wanted)},
    )


def layout_batch(
    schemas: Mapping[str, pa.Schema], paths: Mapping[str, Path]
) -> tuple[Batch, set[str]]:
    """Compare the columns, order and types of files with their contract.

    Args:
        schemas: Contract schema of every file.
        paths: Where each file lies.

    Returns:
        The batch that judges it, and the names of the files whose layout is as agreed.
    """
    rows, sound = [], set()
    for name, schema in schemas.items():
        expected = _fields(name, schema)
        observed = _observed_fields(name, paths[name])
        if observed == expected:
            sound.add(name)
        width = max(len(expected), len(observed))
        for i in range(width):
            want = expected[i] if i < len(expected) else "(no column)"
            have = observed[i] if i < len(observed) else "(no column)"
            rows.append((have, f"{want}"))
    frame = pd.DataFrame(rows, columns=["observed", "expected"])
    check = Check(
        "layout",
        "the contract's columns in its order and types",
        "ExpectColumnPairValuesToBeEqual",
        {"column_A": "observed", "column_B": "expected"},
    )
    return Batch("layout", frame, (check,)), sound


def _fields(name: str, schema: pa.Schema) -> list[str]:
    return [f"{name}.{field.name} {_type_name(field.type)}" for field in schema]


def _type_name(type_: pa.DataType) -> str:
    # Writers differ in how text is encoded; for every reader it is the same text.
    return "string" if pa.types.is_large_string(type_) else str(type_)


def _observed_fields(name: str, path: Path) -> list[str]:
    try:
        return _fields(name, pq.read_schema(path))
    except FileNotFoundError:
        return [f"{name} (no file)"]
    except (pa.ArrowException, OSError):
        return [f"{name} (unreadable file)"]


def read_narrow(path: Path, columns: Sequence[str], presence: Sequence[str] = ()) -> pd.DataFrame:
    """Return some columns of a Parquet file as a frame that is cheap to judge.

    Text comes as categories and money as floats: a million Python objects would take seconds.

    Args:
        path: The file.
        columns: Columns to read, one after another, so that only one is held in full.
        presence: Columns of which only null or not matters; they take one byte a row.
    """
    schema = pq.read_schema(path)
    found = {}
    for name in columns:
        is_text = pa.types.is_string(schema.field(name).type)
        table = pq.read_table(path, columns=[name], read_dictionary=[name] if is_text else [])
        if name in presence:
            is_known = pc.is_valid(table[name]).to_numpy()
            codes = np.where(is_known, 0, -1).astype(np.int8)
            found[name] = pd.Series(
                pd.Categorical.from_codes(codes, categories=pd.Index(["(a value)"]))
            )
        else:
            found[name] = floats(table).to_pandas()[name]
    return pd.DataFrame(found)


def floats(table: pa.Table) -> pa.Table:
    """Return ``table`` with decimals as doubles."""
    fields = [
        pa.field(f.name, pa.float64()) if pa.types.is_decimal(f.type) else f for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def without_outliers(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the whole numbers within five spans of the middle 90 % around their median.

    Example:
        >>> without_outliers(np.array([1, 2, 3, 4, 5, 1_000_000])).tolist()
        [1, 2, 3, 4, 5]
    """
    low, middle, high = np.quantile(steps, [0.05, 0.5, 0.95], method="nearest")
    if len(steps) < 20:
        low, high = np.quantile(steps, [0.25, 0.75], method="nearest")
    reach = 5 * max(high - low, 1)
    kept: NDArray[np.int64] = steps[np.abs(steps - middle) <= reach]
    return kept


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:.9g}"
