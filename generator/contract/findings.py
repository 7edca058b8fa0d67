"""How a source tells that it breaks the contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One way in which a source breaks the contract.

    Attributes:
        file: Source file name, or the table's name when there is no file.
        row: Row number in the file (first data row = 1); None when the whole file is meant.
        column: Column; None when the whole row or file is meant.
        rule: Short name of the broken rule, such as ``missing_column``.
        message: What was found and what was expected, in words.
    """

    file: str
    row: int | None
    column: str | None
    rule: str
    message: str

    def __str__(self) -> str:
        """Return ``file:row: column: message [rule]``, without the parts that are unknown."""
        where = self.file if self.row is None else f"{self.file}:{self.row}"
        what = self.message if self.column is None else f"{self.column}: {self.message}"
        return f"{where}: {what} [{self.rule}]"


class ContractError(ValueError):
    """The input breaks the raw contract so badly that nothing downstream may change.

    Args:
        findings: Every broken rule, at least one.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(str(f) for f in self.findings))
