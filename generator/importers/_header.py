"""Which column of a file is which contract column, for CSV and Parquet alike."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from generator.contract import Finding, Table

# One field may hold a whole document; the csv module's own limit is 131,072.
_FIELD_LIMIT = 1 << 20
_OTHER_SEPARATORS = {";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass(frozen=True)
class Header:
    """The columns of one file, matched to its table.

    Attributes:
        width: Number of columns in the file.
        positions: Position in the file of every contract column that is there.
        absent: Optional contract columns that are not there.
        unknown: Columns of the file that the contract does not have.
    """

    width: int
    positions: dict[str, int]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]


def csv_names(head: bytes) -> list[str] | None:
    """Return the names in the first record of a CSV file; None when it has no end."""
    text = head.decode("utf-8", errors="ignore")
    csv.field_size_limit(_FIELD_LIMIT)
    try:
        record = next(csv.reader(io.StringIO(text, newline=""), strict=True), None)
    except csv.Error:
        return None
    return [name.strip() for name in record] if record else None


def match(table: Table, file: str, names: Sequence[str]) -> tuple[Header, list[Finding]]:
    """Match the names of a file to the columns of ``table``.

    Names are compared exactly (after trimming): two spellings of one column would be a guess.
    """
    counts = Counter(names)
    known = {column.name for column in table.columns}
    findings = [
        Finding(
            file,
            None,
            name,
            "duplicate_column",
            f"the header names it {counts[name]} times; expected once",
        )
        for name in sorted(known)
        if counts[name] > 1
    ]
    missing = [name for name in table.required_columns if name not in counts]
    if missing and (separator := _other_separator(names)):
        message = f"columns are separated by a {separator}; expected commas: export it again"
        findings.append(Finding(file, None, None, "separator", message))
    else:
        findings.extend(_missing(table, file, name, names) for name in missing)
    header = Header(
        width=len(names),
        positions={name: names.index(name) for name in counts if name in known},
        absent=tuple(name for name in table.optional_columns if name not in counts),
        unknown=tuple(sorted(name or "(no name)" for name in counts if name not in known)),
    )
    return header, findings


def _other_separator(names: Sequence[str]) -> str | None:
    if len(names) != 1:
        return None
    found = [word for mark, word in _OTHER_SEPARATORS.items() if mark in names[0]]
    return found[0] if found else None


def _missing(table: Table, file: str, name: str, names: Sequence[str]) -> Finding:
    wanted = _plain(name)
    similar = [n for n in names if _plain(n) == wanted]
    hint = f"; the header has {similar[0]!r}" if similar else ""
    type_ = table.column(name).type
    message = f"required column is missing; expected {name!r} ({type_}) in the header{hint}"
    return Finding(file, None, name, "missing_column", message)


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
