"""How a command ends: one code per kind of ending, the same for every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of ``regionwise``; the README shows the same table, and a test compares them."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    INPUT_REFUSED = 3
    DATA_TESTS_FAILED = 4
    NO_FEASIBLE_PLAN = 5
    STALE_OR_INSUFFICIENT = 6
    GUARDRAIL_BREACHED = 7
    LOCKED = 8


class Stop(Exception):  # noqa: N818 - not an error of the program: a stated ending
    """A build ends here, for a reason a person can act on.

    Args:
        code: Exit code of the command.
        message: What happened, naming file, row, column and rule where they apply.
        hint: The next command or the change that helps.
    """

    def __init__(self, code: Exit, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
