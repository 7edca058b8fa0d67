"""Publishing: the public marts, with their comments, as one read-only set that appears at once.

Readers follow ``serving/current.json``. A versioned folder with a pointer is needed because a
process that still holds a replaced DuckDB file re-opens the old database under the same name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import duckdb

from regionwise import dbt
from regionwise.config import Settings
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders

PROBLEM = "placement_problem.zip"
"""The placement problem and its plan, as the placement stage saved them."""


def publish(settings: Settings, build_id: str) -> dict[str, int]:
    """Copy the public marts into a new snapshot and point readers at it.

    Args:
        settings: Where the data lie and how many builds to keep.
        build_id: Name of the snapshot's folder; must not exist yet.

    Returns:
        Rows by mart.

    Raises:
        Stop: If the build published this id before, or a mart is missing.
    """
    folders = Folders(settings.data)
    marts = _public_marts(dbt.manifest(settings))
    final = folders.serving / build_id
    if final.exists():
        raise Stop(Exit.UNEXPECTED, f"build {build_id} is already published")
    draft = folders.serving / f".draft-{build_id}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    rows = _copy(folders.warehouse, draft, marts)
    problem = folders.predictions / "artifacts" / PROBLEM
    if problem.exists():
        # What-if questions are asked of the published build, like every other question.
        shutil.copyfile(problem, draft / PROBLEM)
    _write_json(draft / "manifest.json", _contents(draft, build_id, marts, rows))
    for path in draft.iterdir():
        path.chmod(0o444)
    draft.rename(final)
    pointer = {"build_id": build_id, "path": f"{build_id}/warehouse.duckdb"}
    draft_pointer = folders.pointer.with_suffix(".draft")
    _write_json(draft_pointer, pointer)
    # The pointer moves last and in one step: until here, readers saw only the former build.
    draft_pointer.replace(folders.pointer)
    _prune(folders.serving, build_id, settings.keep_builds)
    return rows


def _public_marts(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    nodes = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"].get("access") == "public"
    ]
    return sorted(nodes, key=lambda node: str(node["name"]))


def _copy(warehouse: Path, draft: Path, marts: list[dict[str, Any]]) -> dict[str, int]:
    rows: dict[str, int] = {}
    # One thread: the order of rows, and so the bytes of the files, must not depend on timing.
    with duckdb.connect(str(draft / "warehouse.duckdb"), config={"threads": 1}) as connection:
        connection.execute(f"attach {_text(str(warehouse))} as build (read_only)")
        # One transaction: each would else wait for the disk, and there is one per column.
        connection.execute("begin")
        for node in marts:
            name = _identifier(node["name"])
            connection.execute(
                f"create table {name} as select * from build.main.{name} order by all"
            )
            file = draft / f"{node['name']}.parquet"
            connection.execute(
                f"copy {name} to {_text(str(file))} (format parquet, compression zstd)"
            )
            found = connection.execute(f"select count(*) from {name}").fetchone()
            rows[node["name"]] = int(found[0]) if found else 0
            # `create table as` loses comments, and comments are what makes the file explain itself.
            connection.execute(f"comment on table {name} is {_text(node['description'])}")
            for column in node["columns"].values():
                where = f"{name}.{_identifier(column['name'])}"
                connection.execute(f"comment on column {where} is {_text(column['description'])}")
        connection.execute("commit")
        connection.execute("detach build")
        connection.execute("checkpoint")
    return rows


def _contents(
    draft: Path, build_id: str, marts: list[dict[str, Any]], rows: dict[str, int]
) -> dict[str, Any]:
    return {
        "build_id": build_id,
        "marts": {
            node["name"]: {
                "description": node["description"],
                "rows": rows[node["name"]],
                "file": f"{node['name']}.parquet",
                "sha256": hashlib.sha256(
                    (draft / f"{node['name']}.parquet").read_bytes()
                ).hexdigest(),
                "columns": {
                    column["name"]: {
                        "type": column.get("data_type"),
                        "description": column["description"],
                    }
                    for column in node["columns"].values()
                },
            }
            for node in marts
        },
    }


def current(settings: Settings) -> Path:
    """Return the published database that readers see now.

    Raises:
        Stop: If nothing was published yet.
    """
    folders = Folders(settings.data)
    try:
        pointer = json.loads(folders.pointer.read_text())
    except FileNotFoundError as error:
        message = f"nothing is published in {folders.data}"
        raise Stop(Exit.USAGE, message, "run: make build") from error
    return folders.serving / str(pointer["path"])


def _prune(serving: Path, build_id: str, keep: int) -> None:
    # Build ids begin with their time, so the names sort from old to new.
    builds = sorted(p for p in serving.iterdir() if p.is_dir() and p.name != build_id)
    for old in builds[: max(0, len(builds) - (keep - 1))]:
        shutil.rmtree(old)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
