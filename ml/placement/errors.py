"""What placement says when the rules contradict each other."""

from __future__ import annotations


class InfeasibleError(RuntimeError):
    """No plan of the fleet keeps every rule.

    Args:
        rules: Codes of the rules that conflict, such as ``MOVE_BUDGET`` and ``MIN_REGIONS``.
        message: What conflicts, with numbers, and what relaxing it takes.
    """

    def __init__(self, rules: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.rules = rules

    def __reduce__(self) -> tuple[type[InfeasibleError], tuple[tuple[str, ...], str]]:
        """Say how to make it again: it may be raised in a process beside the one that asks."""
        return InfeasibleError, (self.rules, str(self))
