"""Solves published problems whose best answers are known, and says what is proved."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

from ml.placement.facility import (
    DamagedFileError,
    Limits,
    Medians,
    NoPlanError,
    Published,
    Solved,
    Warehouses,
    read,
    solve,
    violations,
)
from ml.placement.problem.bounds import relative_gap
from regionwise.exits import Exit, Stop

# Agreement with a published value: the library prints its optima to three decimals.
_MATCH = 1e-6
# The library publishes its largest files without a capacity, and optima at these.
_PUBLISHED_CAPACITIES = {
    "capa": (8000.0, 10000.0, 12000.0, 14000.0),
    "capb": (5000.0, 6000.0, 7000.0, 8000.0),
    "capc": (5000.0, 5750.0, 6500.0, 7250.0),
}


@dataclass(frozen=True)
class Case:
    """A problem to solve, and the names it may have in a table of optima."""

    file: Path
    problem: Warehouses | Medians
    capacity: float | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What came out of one problem."""

    file: str
    family: str
    capacity: float | None
    """Given to a file that leaves it open; ``null`` where the file states it, or for no limit."""
    objective: float
    lower_bound: float
    gap: float
    proved: bool
    stop_reason: str
    nodes: int
    seconds: float
    published_optimum: float | None
    match: bool | None
    """Whether the objective is the published optimum; ``null`` where none is at hand."""


def run(
    files: list[Path],
    capacities: tuple[float, ...] = (),
    *,
    node_limit: int | None = None,
    time_limit: float | None = None,
    as_json: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Solve every file and return a table, or JSON.

    Args:
        files: Warehouse location or p-median files as OR-Library publishes them.
        capacities: For files that leave the capacity open; without any, the published ones.
        node_limit: Nodes a problem may take; the rest is then left unproved.
        time_limit: Seconds a problem may take, an emergency stop.
        as_json: Return JSON instead of a table.
        say: Told each problem before it is solved.

    Raises:
        Stop: If a file is damaged, or a problem has no plan.
    """
    cases = [case for file in files for case in _cases(file, capacities)]
    rows = []
    for case in cases:
        say(f"solving {_title(case.file.name, case.capacity)} …")
        rows.append(_solved(case, node_limit, time_limit))
    if as_json:
        return json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False)
    return _table(rows)


def _cases(file: Path, capacities: tuple[float, ...]) -> list[Case]:
    """Return the problems of a file: one, or one per capacity where the file leaves it open."""
    try:
        published = read(file)
    except DamagedFileError as error:
        hint = "compare the file with the one OR-Library publishes"
        raise Stop(Exit.INPUT_REFUSED, str(error), hint) from None
    if not published.is_capacity_open:
        return [Case(file, published.problem, None, (file.stem,))]
    known = _PUBLISHED_CAPACITIES.get(file.stem, ())
    wanted = capacities or known
    if not wanted:
        message = f"{file}: line 2: the capacity is left open, must be given"
        raise Stop(Exit.USAGE, message, "add --capacity and a number")
    return [_at(file, published, capacity, known) for capacity in wanted]


def _at(file: Path, published: Published, capacity: float, known: tuple[float, ...]) -> Case:
    try:
        problem = published.at(capacity)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{file}: {error}") from None
    names = [f"{file.stem}-{capacity:g}", f"{file.stem}_{capacity:g}"]
    if capacity in known:
        names.append(f"{file.stem}{known.index(capacity) + 1}")
    if not isfinite(capacity):
        names.append(file.stem)
    return Case(file, problem, capacity if isfinite(capacity) else None, tuple(names))


def _solved(case: Case, node_limit: int | None, time_limit: float | None) -> Row:
    begun = time.perf_counter()
    is_over = None
    if time_limit is not None:
        until = begun + time_limit
        is_over = lambda: time.perf_counter() > until  # noqa: E731
    nodes = Limits.nodes if node_limit is None else node_limit
    try:
        found = solve(case.problem, Limits(nodes=nodes, is_over=is_over))
    except NoPlanError as error:
        raise Stop(Exit.NO_FEASIBLE_PLAN, f"{case.file}: {error}") from None
    seconds = time.perf_counter() - begun
    wrong = violations(case.problem, found.plan)
    if wrong:
        raise Stop(Exit.UNEXPECTED, f"{case.file}: the plan does not check: {wrong[0]}")
    return _row(case, found, seconds)


def _row(case: Case, found: Solved, seconds: float) -> Row:
    optimum = _optimum(case)
    cost = found.plan.cost
    return Row(
        file=str(case.file),
        family=case.problem.family,
        capacity=case.capacity,
        objective=cost,
        lower_bound=found.lower_bound,
        gap=relative_gap(cost, found.lower_bound),
        proved=found.is_proved,
        stop_reason=found.stop_reason,
        nodes=found.nodes,
        seconds=round(seconds, 3),
        published_optimum=optimum,
        match=None if optimum is None else abs(cost - optimum) <= _MATCH * max(1.0, abs(optimum)),
    )


def _optimum(case: Case) -> float | None:
    """Return the optimum from a table beside the file, if there is one that knows it."""
    table = case.file.parent / "optima.csv"
    if not table.is_file():
        return None
    with table.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            if row.get("instance") not in case.names:
                continue
            try:
                return float(row["published_optimum"])
            except (KeyError, TypeError, ValueError):
                message = f"{table}: line {number}: published_optimum must be a number"
                raise Stop(Exit.INPUT_REFUSED, message) from None
    return None


def _title(name: str, capacity: float | None) -> str:
    return name if capacity is None else f"{name} at {capacity:g}"


def _table(rows: list[Row]) -> str:
    lines = [
        "| file | objective | lower bound | gap | proved | nodes | seconds | published optimum |",
        "|---" * 8 + "|",
    ]
    for row in rows:
        known = "–" if row.published_optimum is None else f"{row.published_optimum:,.3f}"
        verdict = {None: "", True: " ✓", False: " ✗"}[row.match]
        cells = (
            _title(Path(row.file).name, row.capacity),
            f"{row.objective:,.3f}",
            f"{row.lower_bound:,.3f}",
            f"{row.gap:.1e}",
            "yes" if row.proved else f"no ({row.stop_reason})",
            f"{row.nodes:,}",
            f"{row.seconds:.2f}",
            known + verdict,
        )
        lines.append("| " + " | ".join(cells) + " |")
    proved = sum(row.proved for row in rows)
    spent = sum(row.seconds for row in rows)
    lines.append(f"\n{proved} of {len(rows)} proved, {spent:.1f} s")
    return "\n".join(lines)
