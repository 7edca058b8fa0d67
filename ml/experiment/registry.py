"""Registration: what will be done is hashed before it is done, and compared afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ml.experiment.config import ExperimentSettings

LOCK_NAME = "experiment.lock.json"


class RegistrationChangedError(ValueError):
    """The plan was registered under other rules; the message names every rule that changed."""


@dataclass(frozen=True)
class Registration:
    """Hashes of the configuration and of the two plans."""

    experiment_id: str
    config_sha256: str
    plan_sha256: dict[str, str]
    detail: str


def config_hash(settings: ExperimentSettings) -> str:
    """Return the SHA-256 of the validated configuration, key order and defaults removed."""
    text = json.dumps(settings.model_dump(mode="json", by_alias=True), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def plan_hash(plan: pd.DataFrame) -> str:
    """Return the SHA-256 of a plan's placements, independent of row order."""
    rows = sorted(zip(plan["service_id"], plan["region_id"], plan["instances"], strict=True))
    text = "\n".join(f"{service},{region},{int(count)}" for service, region, count in rows)
    return hashlib.sha256(text.encode()).hexdigest()


def register(
    folders: Sequence[Path], settings: ExperimentSettings, plans: dict[str, pd.DataFrame]
) -> Registration:
    """Write the lock, or compare with the lock that is already there.

    New plans start a new registration: nobody has seen their results. The same plans under a
    changed configuration are refused, because the change may have been made after a look.

    Args:
        folders: Where ``experiment.lock.json`` is kept; the first one that has it counts.
        settings: Validated configuration.
        plans: Arm name to placements.

    Raises:
        RegistrationChangedError: Naming every key that changed, from and to.
    """
    lock = {
        "experiment_id": settings.experiment_id,
        "config": settings.model_dump(mode="json", by_alias=True),
        "config_sha256": config_hash(settings),
        "plan_sha256": {name: plan_hash(plan) for name, plan in sorted(plans.items())},
        "seed": settings.seed,
    }
    old = next((found for folder in folders if (found := _read(folder / LOCK_NAME))), {})
    is_same = all(old.get(key) == lock[key] for key in ("experiment_id", "plan_sha256"))
    if is_same and old.get("config_sha256") != lock["config_sha256"]:
        changed = changes(old.get("config"), lock["config"])
        msg = (
            f"experiment {settings.experiment_id!r} was registered for these plans under other "
            f"rules: {'; '.join(changed) or 'the rules of an earlier version'}"
        )
        raise RegistrationChangedError(msg)
    text = json.dumps(lock, indent=1, sort_keys=True) + "\n"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK_NAME).write_text(text, encoding="utf-8", newline="\n")
    return Registration(
        settings.experiment_id,
        config_hash(settings),
        {name: plan_hash(plan) for name, plan in sorted(plans.items())},
        "configuration and plans equal the registered ones"
        if is_same
        else "registered now: nobody has seen a result of these plans",
    )


def changes(old: Any, new: Any, where: str = "") -> list[str]:
    """Return what differs between two configurations, key by key.

    Example:
        >>> changes({"alpha": 0.05, "twin": {"days": 28}}, {"alpha": 0.1, "twin": {"days": 28}})
        ['alpha: 0.05 -> 0.1']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted({*old, *new}):
            found += changes(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
        return found
    if old == new:
        return []
    return [f"{where}: {json.dumps(old)} -> {json.dumps(new)}"] if where else []


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}
