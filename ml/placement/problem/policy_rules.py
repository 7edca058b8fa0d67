"""What each key of ``placement.yml`` may hold: type, range, and the sentence a refusal says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


class PolicyError(ValueError):
    """A weight or rule was refused; the message names file, key, value and the rule it broke."""

    def __init__(self, file: str, key: str, value: object, rule: str) -> None:
        super().__init__(f"{file}: {key} == {value!r}, {rule}")


class RefusedError(ValueError):
    """A value breaks the rule that is the message."""


Reader = Callable[[Any], Any]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RefusedError("must be a finite number")
    return float(value)


def share(value: Any) -> float:
    """Return a share, 0 to 1."""
    found = _number(value)
    if not 0 <= found <= 1:
        raise RefusedError("must lie in [0, 1]")
    return found


def amount(value: Any) -> float:
    """Return a number that is not negative."""
    found = _number(value)
    if found < 0:
        raise RefusedError("must be finite and not negative")
    return found


def count(low: int) -> Reader:
    """Return the reader of whole numbers from ``low``."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise RefusedError(f"must be a whole number of at least {low}")
        return int(value)

    return read


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise RefusedError("must be true or false")
    return value


def optional(read: Reader) -> Reader:
    """Return the reader that lets null through: the rule or term is off."""
    return lambda value: None if value is None else read(value)


def numbers(value: Any) -> tuple[int, ...]:
    """Return a list of whole numbers."""
    found = _items(value)
    if any(isinstance(v, bool) or not isinstance(v, int) for v in found):
        raise RefusedError("must be a list of whole numbers")
    return tuple(found)


def names(value: Any) -> tuple[str, ...]:
    """Return a list of ids."""
    found = _items(value)
    if any(not isinstance(v, str) or not v for v in found):
        raise RefusedError("must be a list of ids")
    return tuple(found)


def _items(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise RefusedError("must be a list")
    return tuple(value)


def _pairs(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        value = dict(value)
    if not isinstance(value, Mapping) or any(not isinstance(k, str) or not k for k in value):
        raise RefusedError("must map ids to values")
    return sorted(value.items())


def amounts_by_id(value: Any) -> tuple[tuple[str, float], ...]:
    """Return pairs of id and amount, sorted."""
    return tuple((name, amount(v)) for name, v in _pairs(value))


def names_by_id(value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return pairs of id and a list of different ids, sorted."""
    found = tuple((name, names(v)) for name, v in _pairs(value))
    if any(not v or len(set(v)) < len(v) for _, v in found):
        raise RefusedError("must map each id to at least one id, none twice")
    return found


def limits_by_id(value: Any) -> tuple[tuple[str, tuple[int | None, int | None]], ...]:
    """Return pairs of id and (min_regions, max_regions), sorted; null keeps what the data say."""
    rule = "must map each id to {min_regions: n, max_regions: m} with 1 <= n <= m"
    found = []
    for name, limits in _pairs(value):
        if isinstance(limits, tuple):
            limits = dict(zip(("min_regions", "max_regions"), limits, strict=True))
        if not isinstance(limits, Mapping) or set(limits) - {"min_regions", "max_regions"}:
            raise RefusedError(rule)
        least, most = limits.get("min_regions"), limits.get("max_regions")
        given = [n for n in (least, most) if n is not None]
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in given):
            raise RefusedError(rule)
        if given != sorted(given):
            raise RefusedError(rule)
        found.append((name, (least, most)))
    return tuple(found)
