"""What people decided about a recommendation: an append-only log outside every build.

A build replaces recommendations; it must not lose what people said about them. The log therefore
lives in ``<data>/decisions/decisions.sqlite``, is only ever appended to (triggers refuse updates
and deletes), and is read as one more source by the next build.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

STATUSES = ("open", "accepted", "deferred", "dismissed", "done", "reverted", "superseded")
"""Every status a recommendation can have; ``open`` until somebody decides."""

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "open": ("accepted", "deferred", "dismissed", "superseded"),
    "accepted": ("open", "deferred", "dismissed", "done", "superseded"),
    "deferred": ("open", "accepted", "dismissed", "superseded"),
    "dismissed": ("open", "accepted", "deferred", "superseded"),
    "done": ("reverted",),
    # A reverted move is history; new advice gets a new recommendation id.
    "reverted": (),
    "superseded": (),
}
"""Which status may follow which."""

REASONS: dict[str, tuple[str, ...]] = {
    "open": ("reconsidered",),
    "accepted": ("agreed", "agreed_with_experiment", "required_by_policy"),
    "deferred": ("freeze_period", "other_work_first", "waiting_for_capacity", "needs_review"),
    "dismissed": (
        "model_missed_a_slowdown",
        "constraint_not_modelled",
        "saving_too_small",
        "risk_too_high",
        "data_wrong",
        "service_being_retired",
    ),
    "done": ("rolled_out",),
    "reverted": ("users_slower", "cost_higher", "incident", "other_reasons"),
    "superseded": ("newer_build",),
}
"""The fixed list of reasons for each status; anything else goes into the note."""

NOTE_LIMIT = 2000
"""Longest note, in characters: a note is a sentence, not an attachment."""

_SCHEMA = """
create table if not exists decisions (
    decision_id integer primary key autoincrement,
    recommendation_id text not null,
    service_id text not null,
    status text not null,
    reason text not null,
    note text not null,
    decided_by text not null,
    decided_at text not null
);
create index if not exists decisions_by_recommendation on decisions (recommendation_id);
create trigger if not exists decisions_no_update before update on decisions
begin select raise(abort, 'decisions are append-only'); end;
create trigger if not exists decisions_no_delete before delete on decisions
begin select raise(abort, 'decisions are append-only'); end;
"""


class DecisionError(ValueError):
    """A decision that the log refuses; the message says what to change."""


@dataclass(frozen=True)
class Decision:
    """One line of the log; ``decided_at`` is UTC in ISO 8601."""

    decision_id: int
    recommendation_id: str
    service_id: str
    status: str
    reason: str
    note: str
    decided_by: str
    decided_at: str


_COLUMNS = tuple(field.name for field in fields(Decision))


def log_path(data_dir: Path) -> Path:
    """Return where the log of a data folder lives; it need not exist yet."""
    return data_dir / "decisions" / "decisions.sqlite"


def record(
    data_dir: Path,
    recommendation_id: str,
    service_id: str,
    status: str,
    reason: str,
    note: str,
    decided_by: str,
) -> Decision:
    """Append one decision and return it as written.

    Args:
        data_dir: The data folder (``REGIONWISE_DATA``).
        recommendation_id: Which recommendation was decided on.
        service_id: Its service, so that the line stays readable once ids have changed.
        status: The new status; must be a legal step from the present one (:data:`TRANSITIONS`).
        reason: One of :data:`REASONS` for that status.
        note: Free text, may be empty.
        decided_by: Who decided; must not be empty.

    Raises:
        DecisionError: If a value is unknown or the step is not legal.
    """
    _check(recommendation_id, service_id, status, reason, note, decided_by)
    decided_at = datetime.now(UTC).isoformat(timespec="seconds")
    with _open(log_path(data_dir)) as connection:
        # The lock comes before the look: two people deciding at once must not both be "first".
        connection.execute("begin immediate")
        present = _present_status(connection, recommendation_id)
        if status not in TRANSITIONS[present]:
            legal = ", ".join(TRANSITIONS[present]) or "nothing"
            connection.execute("rollback")
            msg = f"status == {status!r}, but {present!r} may only be followed by {legal}"
            raise DecisionError(msg)
        cursor = connection.execute(
            "insert into decisions (recommendation_id, service_id, status, reason, note,"
            " decided_by, decided_at) values (?, ?, ?, ?, ?, ?, ?)",
            (recommendation_id, service_id, status, reason, note, decided_by, decided_at),
        )
        decision_id = int(cursor.lastrowid or 0)
        connection.execute("commit")
    return Decision(
        decision_id, recommendation_id, service_id, status, reason, note, decided_by, decided_at
    )


def read(data_dir: Path) -> pd.DataFrame:
    """Return the whole log, oldest first; an absent log is an empty one.

    Returns:
        One row per decision with the columns of :class:`Decision`.
    """
    path = log_path(data_dir)
    rows: list[tuple[object, ...]] = []
    if path.exists():
        with _open(path) as connection:
            rows = connection.execute(
                f"select {', '.join(_COLUMNS)} from decisions order by decision_id"
            ).fetchall()
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    return frame.astype({name: "int64" if name == "decision_id" else "str" for name in _COLUMNS})


def latest(data_dir: Path) -> pd.DataFrame:
    """Return the newest decision per recommendation, sorted by recommendation."""
    log = read(data_dir)
    newest = log.groupby("recommendation_id", sort=True).tail(1)
    return newest.sort_values("recommendation_id", ignore_index=True)


def _check(
    recommendation_id: str, service_id: str, status: str, reason: str, note: str, decided_by: str
) -> None:
    named = (
        ("recommendation_id", recommendation_id),
        ("service_id", service_id),
        ("decided_by", decided_by),
    )
    for name, value in named:
        if not value.strip():
            msg = f"{name} == {value!r}, must not be empty"
            raise DecisionError(msg)
    if status not in STATUSES:
        msg = f"status == {status!r}, must be one of {', '.join(STATUSES)}"
        raise DecisionError(msg)
    if reason not in REASONS[status]:
        msg = f"reason == {reason!r}, for {status} must be one of {', '.join(REASONS[status])}"
        raise DecisionError(msg)
    if len(note) > NOTE_LIMIT:
        msg = f"note has {len(note)} characters, must have at most {NOTE_LIMIT}"
        raise DecisionError(msg)


def _present_status(connection: sqlite3.Connection, recommendation_id: str) -> str:
    row = connection.execute(
        "select status from decisions where recommendation_id = ?"
        " order by decision_id desc limit 1",
        (recommendation_id,),
    ).fetchone()
    return "open" if row is None else str(row[0])


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        yield connection
