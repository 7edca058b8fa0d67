"""``regionwise validate``: what is wrong with a folder, line by line, and what its gaps cost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from generator import contract
from generator.contract import Column, Finding, Table
from generator.importers._coverage import Coverage, Degradation, measure
from generator.importers._landing import engine, land_tables
from generator.importers._table import LandedTable

# Enough to see the pattern; the count says how many more there are.
_SHOWN_ROWS = 5

# Which ids a column refers to, over one or two tables.
_REFERENCES: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("region_egress", "source_region"): (("regions", "region_id"),),
    ("region_egress", "target_region"): (("regions", "region_id"),),
    ("service_dependencies", "caller_service_id"): (("services", "service_id"),),
    ("service_dependencies", "callee_service_id"): (("services", "service_id"),),
    ("regional_latency", "source_region"): (("regions", "region_id"), ("origins", "origin_id")),
    ("regional_latency", "target_region"): (("regions", "region_id"),),
    ("traffic_patterns", "service_id"): (("services", "service_id"),),
    ("traffic_patterns", "origin_region"): (("regions", "region_id"), ("origins", "origin_id")),
    ("service_placement", "service_id"): (("services", "service_id"),),
    ("service_placement", "region"): (("regions", "region_id"),),
    ("service_latency_histogram", "service_id"): (("services", "service_id"),),
    ("service_latency_histogram", "region"): (("regions", "region_id"),),
}


@dataclass(frozen=True)
class ValidationReport:
    """What a look at a folder found.

    Attributes:
        findings: Broken contract rules; any of them stops a build.
        row_findings: Rows that staging will clean or set aside, the first few of each kind.
        row_counts: Rows behind each kind, as ``(file, column, rule, rows)``.
        tables: What was landed, table by table.
        ignored_files: Names in the folder that are no contract table.
        coverage: How much of the decision the data carry.
        degradations: What is weaker or off for want of data.
    """

    findings: tuple[Finding, ...]
    row_findings: tuple[Finding, ...]
    row_counts: tuple[tuple[str, str, str, int], ...]
    tables: tuple[LandedTable, ...]
    ignored_files: tuple[str, ...]
    coverage: tuple[Coverage, ...]
    degradations: tuple[Degradation, ...]

    def __str__(self) -> str:
        """Return the report as text, worst first."""
        return "\n".join(_lines(self))


def validate(source: Path) -> ValidationReport:
    """Check the folder ``source`` without changing anything.

    Raises nothing for bad data: everything found is in the report.
    """
    with tempfile.TemporaryDirectory(prefix="regionwise-") as name:
        work = Path(name)
        landed, findings, ignored = land_tables(source, work)
        rows: list[Finding] = []
        counts: list[tuple[str, str, str, int]] = []
        with engine(work) as connection:
            # The unsound tables are left out; what refers to them cannot be judged either.
            sound = {t.table_name: t for t in landed}
            for table_name in sound:
                path = work / f"{table_name}.parquet"
                connection.read_parquet(str(path)).create_view(table_name)
            for table_name, entry in sound.items():
                if entry.is_present:
                    table = contract.TABLES[table_name]
                    for found, count in _row_faults(connection, table, entry, set(sound)):
                        rows.extend(found)
                        first = found[0]
                        counts.append((first.file, first.column or "", first.rule, count))
            coverage, degradations = measure(connection, sound)
    return ValidationReport(
        tuple(findings),
        tuple(rows),
        tuple(counts),
        tuple(landed),
        ignored,
        coverage,
        degradations,
    )


def _row_faults(
    connection: duckdb.DuckDBPyConnection, table: Table, entry: LandedTable, sound: set[str]
) -> Iterator[tuple[list[Finding], int]]:
    """Yield the first rows of every kind of fault in a table, and how many rows have it."""
    for column, rule, condition, shown, expected in _rules(table, entry, sound):
        total = connection.execute(
            f'select count(*) from "{table.name}" where {condition}'
        ).fetchone()
        count = int(total[0]) if total else 0
        if not count:
            continue
        sample = connection.execute(
            f'select _row, {shown} from "{table.name}" where {condition} '
            f"order by _row limit {_SHOWN_ROWS}"
        ).fetchall()
        yield (
            [
                Finding(entry.file_name, int(row), column, rule, f"{value!r}; expected {expected}")
                for row, value in sample
            ],
            count,
        )


def _rules(
    table: Table, entry: LandedTable, sound: set[str]
) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield ``(column, rule, SQL condition, SQL of the value, expected)`` for a table."""
    for column in table.columns:
        if column.name in entry.absent_columns:
            continue
        name = f'"{column.name}"'
        path = f"'$.{column.name}'"
        unread = f"_unparsed is not null and json_exists(_unparsed, {path})"
        text = f"json_extract_string(_unparsed, {path})"
        yield column.name, "unreadable_value", unread, text, column.type
        if column.required and not column.nullable:
            empty = f"nullif(trim(cast({name} as varchar)), '') is null"
            missing = f"{empty} and not coalesce({unread}, false)"
            yield column.name, "required_null", missing, "null", f"a value ({column.type})"
        yield from _value_rules(column, name)
        parents = _REFERENCES.get((table.name, column.name))
        if parents and {parent for parent, _ in parents} <= sound:
            known = " union all ".join(f'select trim("{c}") from "{t}"' for t, c in parents)
            # Without `is not null` in the list, one null id would make every answer unknown.
            unknown = f"trim({name}) not in (select * from ({known}) as k(id) where id is not null)"
            where = " or ".join(parent for parent, _ in parents)
            yield column.name, "unknown_id", unknown, name, f"an id of {where}"
    keys = ", ".join(f'"{key}"' for key in table.key)
    same = " and ".join(f'a."{key}" is not distinct from b."{key}"' for key in table.key)
    # A join with the few repeated keys, not a window over all rows: it fits in memory.
    repeated = (
        f'select {keys}, min(_row) as first from "{table.name}" group by all having count(*) > 1'
    )
    doubled = (
        f'_row in (select a._row from "{table.name}" as a '
        f"inner join ({repeated}) as b on {same} and a._row > b.first)"
    )
    value = f"concat_ws(', ', {keys})"
    yield ", ".join(table.key), "duplicate_key", doubled, value, "every key once"


def _value_rules(column: Column, name: str) -> Iterator[tuple[str, str, str, str, str]]:
    if column.low is not None or column.high is not None:
        low = "-1e300" if column.low is None else repr(float(column.low))
        high = "1e300" if column.high is None else repr(float(column.high))
        # Cast: a price compared as a decimal would refuse the bound's many digits.
        outside = f"not (cast({name} as double) between {low} and {high})"
        words = f"{_bound(column.low)} to {_bound(column.high)} {column.unit}".strip()
        yield column.name, "out_of_range", outside, name, words
    if column.values:
        words = ", ".join(column.values)
        listed = ", ".join(f"'{value}'" for value in column.values)
        yield column.name, "unknown_word", f"trim({name}) not in ({listed})", name, words


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _lines(report: ValidationReport) -> Iterator[str]:
    if report.findings:
        yield f"refused: {len(report.findings)} broken rules"
        yield from (f"  {finding}" for finding in report.findings)
    else:
        yield "accepted: the folder keeps the contract"
    for entry in report.tables:
        yield f"  {_described(entry)}"
    if report.ignored_files:
        yield f"  left out, no contract table: {', '.join(report.ignored_files)}"
    if report.row_counts:
        yield "rows that will be cleaned or set aside"
        for file, column, rule, count in report.row_counts:
            yield f"  {file}: {column}: {count:,} rows [{rule}]"
            same = (f for f in report.row_findings if (f.file, f.rule) == (file, rule))
            yield from (f"    row {f.row}: {f.message}" for f in same if f.column == column)
    if report.coverage:
        yield "coverage"
        yield from (f"  {item}" for item in report.coverage)
    if report.degradations:
        yield "weaker or off"
        yield from (f"  {item}" for item in report.degradations)


def _described(entry: LandedTable) -> str:
    if not entry.is_present:
        return f"{entry.table_name}: absent (optional)"
    words = f"{entry.table_name}: {entry.rows_read:,} rows from {entry.file_name}"
    if entry.absent_columns:
        words += f"; without {', '.join(entry.absent_columns)}"
    if entry.unknown_columns:
        words += f"; left out {', '.join(entry.unknown_columns)}"
    return words
