"""What is judged, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

Kind = Literal["raw", "predictions"]


@dataclass(frozen=True)
class Check:
    """One expectation on a batch.

    Attributes:
        rule: Short name, as a failure shows it.
        expected: What has to hold, in words.
        expectation: Name of a Great Expectations class, such as ``ExpectColumnValuesToBeNull``.
        arguments: Its arguments.
        subject: Column that a failure names; empty when the whole table is meant.
    """

    rule: str
    expected: str
    expectation: str
    arguments: Mapping[str, object]
    subject: str = ""


@dataclass(frozen=True, eq=False)
class Batch:
    """A frame of one table and what is expected of it."""

    table: str
    frame: pd.DataFrame
    checks: tuple[Check, ...]


@dataclass(frozen=True, order=True)
class Failure:
    """One expectation that did not hold."""

    table: str
    column: str
    rule: str
    expected: str
    observed: str

    def __str__(self) -> str:
        """Return ``table.column: expected ..., observed ... [rule]``."""
        where = f"{self.table}.{self.column}" if self.column else self.table
        return f"{where}: expected {self.expected}; observed {self.observed} [{self.rule}]"


@dataclass(frozen=True)
class Judgement:
    """The outcome of one run.

    Attributes:
        kind: What was judged.
        tables: Number of batches judged.
        checks: Number of expectations judged.
        failures: Those that did not hold, sorted.
        docs: First page of the Data Docs.
    """

    kind: Kind
    tables: int
    checks: int
    failures: tuple[Failure, ...]
    docs: Path
