"""What a raw table is: its columns, their types, units, keys and sane bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "double", "integer", "decimal", "boolean", "date", "timestamp"]


@dataclass(frozen=True)
class Column:
    """One column of a raw table.

    Attributes:
        name: Name in the file, exact spelling.
        type: Logical type; ``decimal`` is money with six places, ``timestamp`` is naive UTC.
        unit: Unit of a number (``ms``, ``USD``, ``GB`` ...), empty when it has none.
        required: The column must be there and may not be null, unless ``nullable`` says so.
        description: What the value means.
        low: Smallest sane value, inclusive.
        high: Largest sane value, inclusive.
        values: Allowed words; empty means any.
        nullable: Null (unknown) is allowed. True for every optional column.
    """

    name: str
    type: ColumnType
    unit: str
    required: bool
    description: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One raw table.

    Attributes:
        name: Name of the table and stem of its file.
        key: Columns that together identify a row.
        columns: All columns, in the order of the landed file.
        optional: The whole table may be absent.
        description: Grain and meaning.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    optional: bool
    description: str

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Names of the columns that must be in the file."""
        return tuple(c.name for c in self.columns if c.required)

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """Names of the columns that may be absent."""
        return tuple(c.name for c in self.columns if not c.required)

    def column(self, name: str) -> Column:
        """Return the column called ``name``.

        Raises:
            KeyError: If the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}")


def must(
    name: str,
    type_: ColumnType,
    description: str,
    unit: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    values: tuple[str, ...] = (),
    nullable: bool = False,
) -> Column:
    """Return a required column."""
    return Column(name, type_, unit, True, description, low, high, values, nullable)


def may(
    name: str,
    type_: ColumnType,
    description: str,
    unit: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    values: tuple[str, ...] = (),
) -> Column:
    """Return an optional column."""
    return Column(name, type_, unit, False, description, low, high, values, True)
