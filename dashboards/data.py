"""The published snapshot, and nothing else: the pages' only way to a number.

Readers follow ``data/serving/current.json`` at each interaction and open the file it names,
read-only. The build's working file is never opened: a reader there would block the writer.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import streamlit as st

CACHED_RESULTS = 400
"""Results kept in memory; a page asks about a dozen questions, and old builds fall out."""


class SnapshotError(Exception):
    """The pointer names something that cannot be read; the message is for people."""


@dataclass(frozen=True)
class Snapshot:
    """One published build."""

    build_id: str
    path: Path


def data_dir() -> Path:
    """Return the data folder: ``REGIONWISE_DATA``, or ``data`` beside the code."""
    named = os.environ.get("REGIONWISE_DATA")
    return Path(named) if named else Path(__file__).resolve().parent.parent / "data"


def current(folder: Path) -> Snapshot | None:
    """Return the build that ``current.json`` points at, or None before the first one.

    Args:
        folder: The data folder.

    Raises:
        SnapshotError: If the pointer is unreadable or names a file that is not there.
    """
    pointer = folder / "serving" / "current.json"
    try:
        text = pointer.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        record = json.loads(text)
        build_id, relative = str(record["build_id"]), str(record["path"])
    except (ValueError, KeyError, TypeError) as error:
        msg = "The pointer to the published build (serving/current.json) cannot be read."
        raise SnapshotError(msg) from error
    found = folder / "serving" / relative
    if found.is_file():
        return Snapshot(build_id, found)
    msg = f"The published build {build_id} has no file to read."
    raise SnapshotError(msg)


@st.cache_data(max_entries=CACHED_RESULTS, show_spinner=False)
def _ask(build_id: str, path: str, sql: str, parameters: tuple[Any, ...]) -> pd.DataFrame:
    # build_id is part of the cache key: a new build is a new question.
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql, list(parameters)).df()


def ask(snapshot: Snapshot, sql: str, *parameters: Any) -> pd.DataFrame:
    """Return the answer to one SQL question about one build.

    Args:
        snapshot: Which build.
        sql: A select over published marts; ``?`` stands for each parameter.
        parameters: Values for the placeholders.
    """
    return _ask(snapshot.build_id, str(snapshot.path), sql, parameters)
