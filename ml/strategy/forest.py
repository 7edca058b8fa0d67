"""The random forest: fit, content hash, storage without pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from ml.strategy.labels import CLASSES
from ml.strategy.settings import StrategySettings

# Everything that may be built when a stored forest is read; anything else stops the read.
TRUSTED = ["sklearn.tree._tree.Tree"]
_FIXED = (
    *("log_demand", "origin_entropy", "largest_origin_share", "best_single_rtt_ms", "cpu_cores"),
    *("memory_mb", "is_latency_critical", "demand_ms", "demand_variation", "out_degree", "tier"),
)


def feature_names(frame: pd.DataFrame) -> list[str]:
    """Return the columns that the forest may use, those that exist, in a fixed order."""
    shares = sorted(c for c in frame.columns if c.startswith("share_"))
    return [name for name in _FIXED if name in frame.columns] + shares


def feature_matrix(frame: pd.DataFrame, names: list[str]) -> NDArray[np.float32]:
    """Return the features as floats; null stays missing."""
    columns = [
        pd.to_numeric(frame[name].astype("object"), errors="coerce").to_numpy(
            np.float64, na_value=np.nan
        )
        for name in names
    ]
    return np.column_stack(columns).astype(np.float32)


def fit_forest(
    features: NDArray[np.float32], labels: NDArray[np.object_], settings: StrategySettings
) -> RandomForestClassifier:
    """Fit the forest; rare classes weigh as much as common ones.

    One thread: votes summed by several threads come back in another order, one bit apart.
    """
    forest = RandomForestClassifier(
        n_estimators=settings.trees,
        min_samples_leaf=settings.min_leaf,
        class_weight="balanced",
        random_state=settings.seed,
        n_jobs=1,
    )
    return forest.fit(features, [CLASSES.index(str(name)) for name in labels])


def probabilities(
    forest: RandomForestClassifier, features: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the probability of every class, shape (N, 3); 0 for one the forest never saw."""
    out = np.zeros((len(features), len(CLASSES)))
    if len(features):
        out[:, forest.classes_.astype(int)] = forest.predict_proba(features)
    return out


def content_id(forest: RandomForestClassifier, names: list[str], settings: StrategySettings) -> str:
    """Return the SHA-256 of parameters, features and every split of every tree.

    Two dumps of one forest differ in bytes; their content does not.
    """
    meta = {"features": names, "settings": asdict(settings), "classes": list(CLASSES)}
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    digest.update(np.asarray(forest.classes_, dtype=np.int64).tobytes())
    for estimator in forest.estimators_:
        tree = estimator.tree_
        for array in (tree.children_left, tree.children_right, tree.feature):
            digest.update(np.asarray(array, dtype=np.int64).tobytes())
        for array in (tree.threshold, tree.value):
            digest.update(np.asarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()


def save_forest(
    models_dir: Path,
    forest: RandomForestClassifier,
    names: list[str],
    settings: StrategySettings,
) -> str:
    """Write the forest under its content hash and return that hash."""
    model_id = content_id(forest, names, settings)
    folder = models_dir / model_id
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "forest.skops"
    skops.io.dump(forest, path)
    meta = {
        "kind": "strategy",
        "features": names,
        "classes": list(CLASSES),
        "settings": asdict(settings),
        "sha256": {"forest.skops": hashlib.sha256(path.read_bytes()).hexdigest()},
    }
    (folder / "model.json").write_text(json.dumps(meta, sort_keys=True, indent=1))
    return model_id


def load_forest(folder: Path) -> tuple[RandomForestClassifier, list[str]]:
    """Return a stored forest and its feature names.

    Raises:
        ValueError: If the file is not the one that was stored, or holds a type that may not be
            built.
    """
    meta = json.loads((folder / "model.json").read_text())
    path = folder / "forest.skops"
    if hashlib.sha256(path.read_bytes()).hexdigest() != meta["sha256"]["forest.skops"]:
        raise ValueError(f"forest.skops of model {folder.name} is not the file that was stored")
    unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
    if unknown:
        raise ValueError(f"forest.skops of model {folder.name} holds unknown types {unknown}")
    return skops.io.load(path, trusted=TRUSTED), list(meta["features"])
