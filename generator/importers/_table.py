"""Lands one table: file in, typed Parquet with its origin out, or the reasons why not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from generator import contract
from generator.contract import Finding, Table
from generator.importers._casts import SQL_TYPES, trimmed, typed
from generator.importers._files import ScannedFile, SourceFile, scan
from generator.importers._header import Header, csv_names, match

_ROW_GROUP_ROWS = 122_880
# Types that hold no single value: no cast to text would bring back what the user meant.
_NESTED = ("STRUCT", "MAP", "UNION", "BLOB", "BIT")


@dataclass(frozen=True)
class LandedTable:
    """How one contract table was landed; one row of ``landed_tables``.

    Attributes:
        table_name: Contract table.
        file_name: File it came from; empty when the optional table is absent.
        is_present: A file was there.
        rows_read: Data rows in the file, all of them landed.
        absent_columns: Optional columns the file lacks; they are landed as null.
        unknown_columns: Columns of the file that the contract does not have; left out.
        file_sha256: Hash of the file; empty when absent.
    """

    table_name: str
    file_name: str
    is_present: bool
    rows_read: int
    absent_columns: tuple[str, ...]
    unknown_columns: tuple[str, ...]
    file_sha256: str


def land_absent(table: Table, target: Path) -> LandedTable:
    """Write the table that the source does not have: all columns, no row."""
    pq.write_table(contract.arrow_schema(table).empty_table(), target, compression="zstd")
    return LandedTable(table.name, "", False, 0, table.optional_columns, (), "")


def land_table(
    connection: duckdb.DuckDBPyConnection, table: Table, source: SourceFile, target: Path
) -> LandedTable:
    """Write ``source`` in the landed form to ``target``.

    Raises:
        contract.ContractError: With everything found wrong with this file.
    """
    scanned = scan(source)
    reader, names, types = (
        _parquet_reader(connection, source)
        if source.suffix == ".parquet"
        else _csv_reader(source, scanned)
    )
    header, findings = match(table, source.name, names)
    findings.extend(_nested(table, source, header, types))
    if findings:
        raise contract.ContractError(findings)
    try:
        connection.execute(_copy_sql(table, source, header, types, reader, target))
        rows, findings = _check(connection, table, source, header, target)
    except duckdb.Error as error:
        raise contract.ContractError([_read_error(source, error)]) from error
    if findings:
        raise contract.ContractError(findings)
    return LandedTable(
        table.name, source.name, True, rows, header.absent, header.unknown, scanned.sha256
    )


def literal(text: str) -> str:
    """Return ``text`` as an SQL literal, so that no name can end the string it stands in."""
    return "'" + text.replace("'", "''") + "'"


def _path_literal(path: Path) -> str:
    # Glob characters in a folder's name would read other folders as well.
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path.resolve())))


def _csv_reader(source: SourceFile, scanned: ScannedFile) -> tuple[str, list[str], list[str]]:
    names = csv_names(scanned.head)
    if names is None:
        message = "has no header line; expected the names of the columns, separated by commas"
        raise contract.ContractError([Finding(source.name, None, None, "no_header", message)])
    # Columns go by position (c0, c1, ...): DuckDB would take `A` and `a` for one name.
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
    compression = "gzip" if source.suffix == ".csv.gz" else "none"
    reader = (
        f"read_csv({_path_literal(source.path)}, auto_detect = false, header = true, "
        f"delim = ',', quote = '\"', escape = '\"', strict_mode = true, null_padding = false, "
        f"compression = '{compression}', columns = {{{columns}}})"
    )
    return reader, names, ["VARCHAR"] * len(names)


def _parquet_reader(
    connection: duckdb.DuckDBPyConnection, source: SourceFile
) -> tuple[str, list[str], list[str]]:
    try:
        names: list[str] = list(pq.read_schema(source.path).names)
        aliases = ", ".join(f"c{i}" for i in range(len(names)))
        reader = (
            f"read_parquet({_path_literal(source.path)}, hive_partitioning = false) as t({aliases})"
        )
        types = [str(row[1]) for row in connection.execute(f"describe from {reader}").fetchall()]
    except (pa.ArrowException, OSError, duckdb.Error) as error:
        message = (
            f"not a whole Parquet file ({_first_line(error)}); expected Parquet: copy it again"
        )
        raise contract.ContractError(
            [Finding(source.name, None, None, "unreadable_file", message)]
        ) from error
    return reader, names, types


def _nested(
    table: Table, source: SourceFile, header: Header, types: Sequence[str]
) -> list[Finding]:
    return [
        Finding(
            source.name,
            None,
            name,
            "wrong_type",
            f"holds {types[i][:60]}; expected {table.column(name).type}",
        )
        for name, i in sorted(header.positions.items())
        if types[i].startswith(_NESTED) or types[i].endswith("]")
    ]


def _copy_sql(
    table: Table,
    source: SourceFile,
    header: Header,
    types: Sequence[str],
    reader: str,
    target: Path,
) -> str:
    """Return one streaming statement that reads, types and writes the file."""
    values, faults = [], []
    for column in table.columns:
        position = header.positions.get(column.name)
        if position is None:
            values.append(f'cast(null as {SQL_TYPES[column.type]}) as "{column.name}"')
            continue
        values.append(f'{typed(f"c{position}", column.type, types[position])} as "{column.name}"')
        if column.type != "text":
            original = trimmed(f"c{position}")
            pair = f"'\"{column.name}\":' || to_json(cast(c{position} as varchar))"
            faults.append(
                f'case when "{column.name}" is null and {original} is not null then {pair} end'
            )
    unparsed = f"nullif(concat_ws(',', {', '.join(faults)}), '')" if faults else "null"
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    # Without a sort: row_number() over nothing follows the file, and the plan stays streaming.
    return (
        f"copy (with source as (select *, row_number() over () as _row from {reader}), "
        f"typed as (select {', '.join(values)}, * from source) "
        f"select {names}, {literal(source.name)} as _file, _row, "
        f"cast('{{' || {unparsed} || '}}' as varchar) as _unparsed from typed) "
        f"to {literal(str(target))} (format parquet, compression zstd, "
        f"row_group_size {_ROW_GROUP_ROWS})"
    )


def _check(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    source: SourceFile,
    header: Header,
    target: Path,
) -> tuple[int, list[Finding]]:
    """Return the number of rows landed and what makes the table unusable as a whole."""
    usable = [
        f"nullif(trim(cast(\"{c.name}\" as varchar)), '') is not null"
        for c in table.columns
        if c.required and not c.nullable
    ]
    read = [c for c in table.columns if c.name in header.positions and c.type != "text"]
    parts = ["count(*)", f"count(*) filter ({' and '.join(usable)})"]
    for column in read:
        is_bad = f"_unparsed is not null and json_exists(_unparsed, '$.{column.name}')"
        text = f"json_extract_string(_unparsed, '$.{column.name}')"
        parts += [
            f'count("{column.name}")',
            f"count(*) filter ({is_bad})",
            f"min(_row) filter ({is_bad})",
            f"arg_min({text}, _row) filter ({is_bad})",
        ]
    landed = f"read_parquet({_path_literal(target)})"
    row = connection.execute(f"select {', '.join(parts)} from {landed}").fetchone() or ()
    rows, usable_rows = int(row[0]), int(row[1])
    findings = []
    for column, start in zip(read, range(2, len(row), 4), strict=True):
        good, bad, first, sample = row[start : start + 4]
        if bad > good:
            message = (
                f"{bad:,} of {good + bad:,} values cannot be read, first {_shown(sample)}; "
                f"expected {column.type}{_example(column.type)}"
            )
            findings.append(Finding(source.name, int(first), column.name, "wrong_type", message))
    if not table.optional and not findings and usable_rows == 0:
        message = (
            f"none of {rows:,} rows has all of {', '.join(table.required_columns)}; "
            "expected at least one"
        )
        findings.append(Finding(source.name, None, None, "no_usable_row", message))
    return rows, findings


def _example(type_: str) -> str:
    examples = {
        "double": " such as 1234.5",
        "decimal": " such as 1234.5",
        "integer": " such as 1234",
        "boolean": " such as true",
        "date": " such as 2026-06-01",
        "timestamp": " such as 2026-06-01T13:00:00Z",
    }
    return examples.get(type_, "")


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _read_error(source: SourceFile, error: duckdb.Error) -> Finding:
    """Say in the user's words what DuckDB found wrong with a file."""
    text = str(error)
    found = re.search(r"CSV Error on Line: (\d+)", text)
    if source.suffix == ".parquet" or found is None:
        message = f"cannot be read ({_first_line(error)}); expected a whole, well-formed file"
        return Finding(source.name, None, None, "unreadable_file", message)
    line = int(found.group(1))
    width = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if width:
        what = (
            f"{width.group(2)} values; expected {width.group(1)} as in the header "
            "(a decimal comma, a thousands separator or a cut line?)"
        )
    elif "quote" in text:
        what = 'a quote that does not close; expected "..." with inner quotes doubled'
    else:
        what = f"{_first_line(error)}; expected well-formed CSV"
    message = f"line {line} has {what}"
    return Finding(source.name, max(line - 1, 1), None, "malformed_row", message)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
