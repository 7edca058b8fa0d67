"""The model as files: trees in XGBoost's binary JSON, constants in Parquet, no pickle.

``model_id`` is the SHA-256 of the content in one canonical order: the same model has the same id
wherever and whenever it was fitted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb

from ml.latency.calls import call_factors
from ml.latency.candidates import Fitted
from ml.latency.graph import Fleet, FloatArray
from ml.latency.model import Core, assemble, pick_kind, predict
from ml.latency.physics import Physics
from ml.latency.residual import Kind, Templates, as_booster, context
from ml.latency.services import Own
from ml.latency.settings import LatencySettings
from ml.latency.slopes import Slopes

_KINDS: tuple[Kind, ...] = ("full", "region", "cold")


def save(models_dir: Path, fitted: Fitted, fleet: Fleet, settings: LatencySettings) -> str:
    """Write the model under its content hash and return that hash.

    Args:
        models_dir: Folder of all models.
        fitted: Model, intervals and percentile.
        fleet: Services, regions and calls in the order of the model's arrays.
        settings: Parameters it was fitted with; part of its identity.
    """
    tables = _tables(fitted, fleet)
    trees = dict(sorted(fitted.core.trees.items()))
    blobs = {f"{kind}.ubj": bytes(booster.save_raw("ubj")) for kind, booster in trees.items()}
    if fitted.percentile is not None:
        blobs["p95.ubj"] = bytes(fitted.percentile.trees.save_raw("ubj"))
    meta = _meta(fitted, settings)
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for table in tables.values():
        digest.update(table.to_csv(index=False, float_format="%.17g").encode())
    for name, blob in sorted(blobs.items()):
        digest.update(name.encode() + hashlib.sha256(blob).digest())
    model_id = digest.hexdigest()
    folder = models_dir / model_id
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    for name, blob in blobs.items():
        (folder / name).write_bytes(blob)
    meta["sha256"] = {name: hashlib.sha256(blobs[name]).hexdigest() for name in sorted(blobs)}
    (folder / "model.json").write_text(json.dumps(meta, sort_keys=True, indent=1))
    return model_id


def _tables(fitted: Fitted, fleet: Fleet) -> dict[str, pd.DataFrame]:
    """Return the constants of services, regions and calls by the name of their file."""
    physics = fitted.core.physics
    services = pd.DataFrame(
        {
            "service_id": fleet.services.astype(str),
            "base_ms": physics.base_ms,
            "trips": physics.own.trips,
            "queue": physics.own.queue,
            "is_cold": physics.is_cold,
            "width": fitted.intervals.widths.service,
        }
    )
    if fitted.percentile is not None:
        services["p95_variation"] = fitted.percentile.variation
        services["p95_width"] = fitted.percentile.width
    regions = pd.DataFrame(
        {"region_id": fleet.regions.astype(str), "is_seen": fitted.core.is_region_seen}
    )
    return {"services": services, "regions": regions, "calls": call_factors(fleet, physics)}


def _meta(fitted: Fitted, settings: LatencySettings) -> dict[str, object]:
    physics, intervals = fitted.core.physics, fitted.intervals
    return {
        "kind": "latency",
        "slopes": asdict(physics.slopes),
        "template_base_ms": physics.template_base_ms,
        "templates": list(fitted.core.templates.names),
        "calm_quantile": float(intervals.calm[-1]),
        "busy_quantile": float(intervals.busy[-1]),
        "unseen_service_width": intervals.unseen_service,
        "unseen_region_factor": intervals.unseen_region,
        "p95_quantile": fitted.percentile.quantile if fitted.percentile else None,
        "p95_lasting_quantile": fitted.percentile.lasting if fitted.percentile else None,
        "settings": asdict(settings),
    }


def predict_stored(folder: Path, rows: pd.DataFrame) -> FloatArray:
    """Return the mean latency, ms, that the model in ``folder`` predicts.

    Args:
        folder: ``models_dir / model_id``.
        rows: Columns of ``feat_latency__service_region_days``, with ``dep_rtt_ms`` and
            ``dep_full_ms`` as the model's own walk over the calls gives them.

    Raises:
        ValueError: If a file of trees is not the one the model was stored with.
    """
    meta = json.loads((folder / "model.json").read_text())
    services = pd.read_parquet(folder / "services.parquet").set_index("service_id")
    regions = pd.read_parquet(folder / "regions.parquet").set_index("region_id")
    core = _core(folder, meta, services, regions)
    base = services["base_ms"].reindex(rows["service_id"]).to_numpy(np.float64)
    medians = meta["template_base_ms"]
    kin = rows["template"].map(lambda name: medians.get(str(name), medians["*"]))
    is_cold = services["is_cold"].reindex(rows["service_id"]).to_numpy(object) != False  # noqa: E712
    is_seen = regions["is_seen"].reindex(rows["region_id"]).to_numpy(object) == True  # noqa: E712
    slopes = core.physics.slopes
    usual = slopes.network + slopes.entry * (rows["service_class"] == "entry").to_numpy(bool)
    trips = services["trips"].reindex(rows["service_id"]).to_numpy(np.float64)
    queue = services["queue"].reindex(rows["service_id"]).to_numpy(np.float64)
    parts = {
        "network_ms": np.where(np.isfinite(trips), trips, usual)
        * rows["rtt_w_ms"].to_numpy(np.float64),
        "cpu_ms": rows["demand_ms"].to_numpy(np.float64),
        "queue_ms": np.where(np.isfinite(queue), queue, slopes.queue)
        * rows["q_hat_ms"].to_numpy(np.float64),
        "dependency_ms": slopes.calls * rows["dep_full_ms"].to_numpy(np.float64),
        "base_ms": np.where(np.isfinite(base), base, kin.to_numpy(np.float64)),
    }
    features = context(rows, core.templates)
    waiting = rows["dep_rtt_ms"].to_numpy(np.float64)
    return predict(core, assemble(parts, features, waiting, pick_kind(is_cold, is_seen), core))


def _core(
    folder: Path, meta: dict[str, object], services: pd.DataFrame, regions: pd.DataFrame
) -> Core:
    trees: dict[Kind, xgb.Booster] = {}
    hashes = meta["sha256"]
    assert isinstance(hashes, dict)
    for kind in _KINDS:
        if f"{kind}.ubj" not in hashes:
            continue
        blob = (folder / f"{kind}.ubj").read_bytes()
        if hashlib.sha256(blob).hexdigest() != hashes[f"{kind}.ubj"]:
            raise ValueError(f"{kind}.ubj of model {folder.name} is not the file that was stored")
        trees[kind] = as_booster(blob)
    slopes, medians, templates = meta["slopes"], meta["template_base_ms"], meta["templates"]
    assert isinstance(slopes, dict)
    assert isinstance(medians, dict)
    assert isinstance(templates, list)
    nothing = np.zeros((0, 0, 0))
    physics = Physics(
        slopes=Slopes(**slopes),
        own=Own(services["trips"].to_numpy(), services["queue"].to_numpy(), ()),
        base_ms=services["base_ms"].to_numpy(np.float64),
        is_cold=services["is_cold"].to_numpy(bool),
        template_base_ms=medians,
        waiting_ms=nothing,
        network_waiting_ms=nothing,
    )
    return Core(physics, Templates(tuple(templates)), trees, regions["is_seen"].to_numpy(bool))
