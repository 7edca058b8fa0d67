"""The problem and its plan in one file, so that a question can be asked long after the build.

Arrays and texts only, nothing that runs when it is read. The same problem gives the same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ml.placement.problem.instance import Edges, Instance, Ints, Latency
from ml.placement.problem.policy import load_policy

FILE = "placement_problem.zip"
_FORMAT = 1
_TEXTS = "texts.json"
_PARTS = {"edges": Edges, "latency": Latency}
# A zip entry states a time; a fixed one keeps the bytes the same.
_STAMP = (1980, 1, 1, 0, 0, 0)


class SavedProblemError(ValueError):
    """The file is not a saved problem of this version."""


@dataclass(frozen=True)
class Problem:
    """A problem, the plan recommended for it, and the bounds that were certified."""

    instance: Instance
    member: Ints
    """Regions of the recommended plan, 0 or 1, ``(S, R)``."""
    lower_micro: int
    upper_micro: int


def save(folder: Path, problem: Problem) -> Path:
    """Write a problem into ``folder``; returns the file."""
    instance = problem.instance
    arrays: dict[str, Any] = {"member": problem.member.astype(np.int8)}
    texts: dict[str, Any] = {
        "format": _FORMAT,
        "policy": asdict(instance.policy),
        "lower_micro": problem.lower_micro,
        "upper_micro": problem.upper_micro,
        "trained_through": instance.trained_through.isoformat(),
        "values": {},
    }
    for part, value in (("", instance), *((name, getattr(instance, name)) for name in _PARTS)):
        for field in fields(value):
            content = getattr(value, field.name)
            name = f"{part}.{field.name}" if part else field.name
            if isinstance(content, np.ndarray):
                arrays[name] = content
            elif name not in ("policy", "trained_through", *_PARTS):
                texts["values"][name] = content
    path = folder / FILE
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        _add(file, _TEXTS, json.dumps(texts, sort_keys=True).encode())
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[name]))
            _add(file, f"{name}.npy", buffer.getvalue())
    return path


def _add(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _STAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    file.writestr(entry, content)


def load(path: Path) -> Problem:
    """Read what :func:`save` wrote.

    Raises:
        SavedProblemError: If the file is missing, damaged or of another version.
    """
    try:
        with zipfile.ZipFile(path) as file:
            texts = json.loads(file.read(_TEXTS))
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(file.read(name)), allow_pickle=False
                )
                for name in file.namelist()
                if name.endswith(".npy")
            }
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise SavedProblemError(f"{path} holds no saved problem: {error}") from error
    if texts.get("format") != _FORMAT:
        raise SavedProblemError(f"{path} has format {texts.get('format')}, this reads {_FORMAT}")
    member = arrays.pop("member")
    return Problem(
        _instance(texts, arrays), member, int(texts["lower_micro"]), int(texts["upper_micro"])
    )


def _instance(texts: Mapping[str, Any], arrays: Mapping[str, Any]) -> Instance:
    values = {name: _frozen(value) for name, value in texts["values"].items()}
    found = {**values, **arrays}
    parts: dict[str, Any] = {
        part: kind(**{field.name: found.pop(f"{part}.{field.name}") for field in fields(kind)})
        for part, kind in _PARTS.items()
    }
    return Instance(
        policy=load_policy(texts["policy"]),
        trained_through=date.fromisoformat(texts["trained_through"]),
        **parts,
        **found,
    )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
