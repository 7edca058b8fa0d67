"""Registration: what will be done is hashed before it is done, and compared afterwards."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ml.experiment.config import ExperimentSettings

LOCK_NAME = "experiment.lock.json"


@dataclass(frozen=True)
class Registration:
    """Hashes of the configuration and of the two plans."""

    experiment_id: str
    config_sha256: str
    plan_sha256: dict[str, str]
    is_unchanged: bool
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
    folder: Path, settings: ExperimentSettings, plans: dict[str, pd.DataFrame]
) -> Registration:
    """Write the lock, or compare with the lock that is already there.

    New plans start a new registration: nobody has seen their results. The same plans under a
    changed configuration are refused, because the change may have been made after a look.

    Args:
        folder: Where ``experiment.lock.json`` lives.
        settings: Validated configuration.
        plans: Arm name to placements.
    """
    path = folder / LOCK_NAME
    lock = {
        "experiment_id": settings.experiment_id,
        "config_sha256": config_hash(settings),
        "plan_sha256": {name: plan_hash(plan) for name, plan in sorted(plans.items())},
        "seed": settings.seed,
    }
    old = _read(path)
    same = old is not None and all(
        old.get(key) == lock[key] for key in ("experiment_id", "plan_sha256")
    )
    is_unchanged = not same or (old or {}).get("config_sha256") == lock["config_sha256"]
    if is_unchanged:
        path.write_text(json.dumps(lock, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    detail = (
        "configuration and plans equal the registered ones"
        if is_unchanged
        else "configuration changed after these plans were registered: use a new experiment_id"
    )
    return Registration(
        settings.experiment_id,
        config_hash(settings),
        {name: plan_hash(plan) for name, plan in sorted(plans.items())},
        is_unchanged,
        detail,
    )


def _read(path: Path) -> dict[str, object] | None:
    if not path.exists():
        return None
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}
