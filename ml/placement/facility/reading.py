"""Reads OR-Library files as published: warehouse location (cap*) and p-median (pmed*).

Both are numbers apart from layout: lines break anywhere. What tells them apart is the first
line, two numbers (sites, customers) or three (nodes, edges, medians).

References:
    Beasley (1990), OR-Library: distributing test problems by electronic mail.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ml.placement.facility.problem import Floats, Medians, Warehouses

_WORD = "capacity"


class DamagedFileError(ValueError):
    """A file does not say what its format asks for.

    Args:
        path: The file.
        line: Where, from 1.
        rule: What the format asks for and what is there instead.
    """

    def __init__(self, path: Path, line: int, rule: str) -> None:
        super().__init__(f"{path}: line {line}: {rule}")
        self.path, self.line, self.rule = path, line, rule


@dataclass(frozen=True)
class Published:
    """A problem as its file states it."""

    problem: Warehouses | Medians
    is_capacity_open: bool = False
    """The file says the word ``capacity``: one number for all sites is to be given."""

    def at(self, capacity: float) -> Warehouses:
        """Return a warehouse problem at a capacity of all its sites.

        Raises:
            ValueError: If the file does not leave it open, or the number is not positive.
        """
        if not self.is_capacity_open or not isinstance(self.problem, Warehouses):
            raise ValueError("a capacity is given, must be left out: the file states its own")
        if not capacity > 0:
            raise ValueError(f"capacity == {capacity}, must be above 0")
        return replace(self.problem, capacity=np.full(len(self.problem.capacity), capacity))


class _Words:
    """The words of a file with their lines, taken one by one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_bytes().decode("ascii")
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            raise DamagedFileError(path, line, "a byte is no ASCII, must be plain text") from None
        self.lines = text.splitlines()
        self.words = self._all()
        self.line = 1

    def _all(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.lines, start=1):
            for word in line.split():
                yield number, word

    def next(self, what: str) -> str:
        """Return the next word; ``what`` says which number it is meant to be."""
        try:
            self.line, word = next(self.words)
        except StopIteration:
            self.line = max(1, len(self.lines))
            raise self.damaged(f"the file ends where {what} must follow") from None
        return word

    def number(self, what: str) -> float:
        """Return the next word as a finite number, not negative."""
        return self.value(self.next(what), what)

    def value(self, word: str, what: str) -> float:
        """Return a word as a finite number, not negative."""
        try:
            value = float(word)
        except ValueError:
            raise self.damaged(f"{what} == {word!r}, must be a number") from None
        if not math.isfinite(value) or value < 0:
            raise self.damaged(f"{what} == {word}, must be finite and not negative")
        return value

    def count(self, what: str, least: int = 1, most: float = math.inf) -> int:
        """Return the next word as a whole number within limits."""
        value = self.number(what)
        if value != int(value) or not least <= value <= most:
            limits = f"at least {least}" if most == math.inf else f"{least} to {most:g}"
            raise self.damaged(f"{what} == {value:g}, must be a whole number, {limits}")
        return int(value)

    def end(self, counts: str) -> None:
        """Refuse words after the last one."""
        for line, word in self.words:
            self.line = line
            raise self.damaged(f"{word!r} follows the last number, must end after {counts}")

    def damaged(self, rule: str) -> DamagedFileError:
        return DamagedFileError(self.path, self.line, rule)


def read(path: Path) -> Published:
    """Read a published file.

    Raises:
        DamagedFileError: If it is not what its first line announces.
    """
    words = _Words(path)
    first = next((n for n, line in enumerate(words.lines) if line.split()), None)
    if first is None:
        raise words.damaged("the file is empty, must begin with 2 or 3 counts")
    head = len(words.lines[first].split())
    if head == 2:
        return _warehouses(words)
    if head == 3:
        return Published(_medians(words))
    words.line = first + 1
    raise words.damaged(f"{head} words, must be 2 (sites, customers) or 3 (nodes, edges, medians)")


def _warehouses(words: _Words) -> Published:
    m, n = words.count("number of sites"), words.count("number of customers")
    # Lists, not arrays of the announced size: a damaged count must not fill the memory.
    capacity: list[str] = []
    fixed: list[float] = []
    demand: list[float] = []
    cost: list[float] = []
    for i in range(1, m + 1):
        capacity.append(words.next(f"capacity of site {i}"))
        if (capacity[-1] == _WORD) != (capacity[0] == _WORD):
            raise words.damaged(f"capacity of site {i} == {capacity[-1]!r}, site 1 says otherwise")
        if capacity[-1] != _WORD:
            words.value(capacity[-1], f"capacity of site {i}")
        fixed.append(words.number(f"fixed cost of site {i}"))
    for j in range(1, n + 1):
        demand.append(words.number(f"demand of customer {j}"))
        cost.extend(words.number(f"cost of customer {j} at site {i}") for i in range(1, m + 1))
    words.end(f"{m} sites and {n} customers")
    is_open = capacity[0] == _WORD
    return Published(
        Warehouses(
            capacity=np.zeros(m) if is_open else np.array([float(word) for word in capacity]),
            fixed_cost=np.array(fixed),
            demand=np.array(demand),
            cost=np.ascontiguousarray(np.array(cost).reshape(n, m).T),
        ),
        is_capacity_open=is_open,
    )


def _medians(words: _Words) -> Medians:
    n, edges = words.count("number of nodes"), words.count("number of edges", 0)
    p = words.count("number of medians", 1, n)
    length: dict[tuple[int, int], float] = {}
    for e in range(1, edges + 1):
        a = words.count(f"first node of edge {e}", 1, n)
        b = words.count(f"second node of edge {e}", 1, n)
        # The library's own rule: an edge named again replaces the one before, longer or shorter.
        length[min(a, b) - 1, max(a, b) - 1] = words.number(f"length of edge {e}")
    words.end(f"{edges} edges")
    if n > edges + 1:
        raise words.damaged(f"{edges} edges cannot join {n} nodes, must be connected")
    distance = _shortest(length, n)
    far = np.argwhere(~np.isfinite(distance))
    if len(far):
        a, b = far[0] + 1
        raise words.damaged(f"no path leads from node {a} to node {b}, must be connected")
    return Medians(distance, p)


def _shortest(length: dict[tuple[int, int], float], n: int) -> Floats:
    """Return shortest paths between all nodes, the same in both directions."""
    pairs = np.array(sorted(length), dtype=np.int64).reshape(-1, 2)
    value = np.array([length[int(a), int(b)] for a, b in pairs], dtype=float)
    keep = pairs[:, 0] != pairs[:, 1]
    graph = csr_array((value[keep], (pairs[keep, 0], pairs[keep, 1])), shape=(n, n))
    distance = np.asarray(dijkstra(graph, directed=False))
    # Paths of fractional lengths may add up differently from their two ends.
    return np.minimum(distance, distance.T)
