"""The latency stage: fit, judge, store, and write what the next stages read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ml.io import Features, Writer
from ml.latency.baselines import baselines
from ml.latency.calls import call_factors
from ml.latency.candidates import Fitted, build_candidates
from ml.latency.degrade import Degradation, degradation_frame, fit_degraded, reasons
from ml.latency.evaluate import Judged, coverage_rows, fold_rows, forward_rows, load_row
from ml.latency.folds import run_folds
from ml.latency.importance import importances
from ml.latency.inputs import LatencyInputs, read_inputs
from ml.latency.intervals import fit_intervals
from ml.latency.metrics import metric_frame
from ml.latency.model import Data, Rows, fit_core, predict, prepare, rows_of
from ml.latency.monotony import lowered_by_load
from ml.latency.p95_data import p95_rows_of
from ml.latency.p95_report import p95_rows
from ml.latency.percentile import fit_percentile
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split, time_split
from ml.latency.store import save

STAGE = "latency"


@dataclass(frozen=True)
class LatencyResult:
    """Summary of the stage.

    Attributes:
        model_id: Content hash of the served model.
        is_trained: False when physics serves alone.
        rows: Rows predicted.
        headline: Measures of the run report, e.g. ``mae_ms`` on test days.
        degradations: Reason codes.
    """

    model_id: str
    is_trained: bool
    rows: int
    headline: dict[str, float]
    degradations: tuple[str, ...]


@dataclass(frozen=True)
class LatencyTables:
    """Frames of the tables that the stage writes, and the identifier of the model."""

    model_id: str
    is_trained: bool
    predictions: pd.DataFrame
    candidates: pd.DataFrame
    calls: pd.DataFrame
    metrics: pd.DataFrame
    importances: pd.DataFrame
    degradations: pd.DataFrame


def run(features: Features, writer: Writer, settings: LatencySettings) -> LatencyResult:
    """Fit the latency model on the feature tables and write everything it can say.

    Args:
        features: Reader of the warehouse.
        writer: Writer of predictions; its ``models_dir`` receives the model.
        settings: Parameters.
    """
    known = set()
    if features.has("feat_degradations"):
        known = set(features.read("feat_degradations")["code"])
    tables = compute(read_inputs(features), writer, settings, known)
    writer.write("latency_predictions", tables.predictions, STAGE)
    writer.write("latency_candidates", tables.candidates, STAGE)
    writer.write("latency_calls", tables.calls, STAGE)
    writer.write("model_metrics", tables.metrics, STAGE)
    writer.write("feature_importances", tables.importances, STAGE)
    writer.write("run_degradations", tables.degradations, STAGE)
    metrics = tables.metrics
    top = metrics[
        (metrics["variant"] == "model")
        & (metrics["split"] == "forward")
        & (metrics["slice"] == "all")
        & (metrics["model_name"] == "latency")
    ].dropna(subset=["value"])
    return LatencyResult(
        tables.model_id,
        tables.is_trained,
        len(tables.predictions),
        {str(k): float(v) for k, v in zip(top["metric"], top["value"], strict=True)},
        tuple(sorted(tables.degradations["code"])) if len(tables.degradations) else (),
    )


def compute(
    inputs: LatencyInputs, writer: Writer, settings: LatencySettings, known: set[str]
) -> LatencyTables:
    """Return all tables of the stage and store the model.

    Args:
        inputs: Feature tables.
        writer: Gives the folder of models.
        settings: Parameters.
        known: Reason codes that the warehouse reported already.
    """
    data = prepare(inputs)
    split = time_split(inputs.days, settings)
    why = reasons(data, split, settings)
    if any(reason.stops_training for reason in why):
        return _degraded(data, split, writer, settings, why, known)
    train = split.train(data.day) & data.columns.is_labelled
    core = fit_core(data, train, settings, learn=not any(r.keeps_neutral for r in why))
    rows = rows_of(data, core)
    predicted = predict(core, rows)
    folds = run_folds(data, split, settings)
    intervals = fit_intervals(data, predicted, folds, split, settings)
    asked = settings.of_candidates
    offered = fit_intervals(data, predicted, folds, split, asked)
    p95 = p95_rows_of(data, core, rows, predicted, settings)
    percentile = fit_percentile(data, core.physics, p95, split, settings)
    fitted = Fitted(core, intervals, percentile)
    model_id = save(writer.models_dir, fitted, data.fleet, settings)
    half = _half_widths(data, fitted, rows, settings)
    judged = Judged(
        predicted,
        predicted * np.exp(-half),
        predicted * np.exp(half),
        baselines(data, core, train, settings),
    )
    metrics = forward_rows(data, split, judged, settings, model_id)
    metrics += coverage_rows(data, split, judged, settings, model_id)
    metrics += fold_rows(data, split, folds, settings, model_id)
    metrics += load_row(lowered_by_load(data, core), len(predicted), model_id)
    if percentile is not None:
        metrics += p95_rows(data, p95, percentile, split, settings, model_id)
    test = split.test(data.day) & data.columns.is_labelled
    return LatencyTables(
        model_id,
        True,
        _prediction_frame(data, rows, judged, split, settings, model_id),
        build_candidates(data, replace(fitted, intervals=offered), asked, model_id),
        call_factors(data.fleet, core.physics).assign(model_id=model_id),
        metric_frame(metrics),
        importances(data, core, test, settings, model_id),
        degradation_frame(why, known),
    )


def _degraded(
    data: Data,
    split: Split,
    writer: Writer,
    settings: LatencySettings,
    why: list[Degradation],
    known: set[str],
) -> LatencyTables:
    """Return tables of the physics estimate with neutral constants and a wide interval."""
    enough = int((split.test(data.day) & data.columns.is_labelled).sum()) >= settings.min_group_rows
    if not enough:  # nothing to judge on, so nothing to hold back
        split = Split(split.days, split.days, split.days)
    fitted = fit_degraded(data, split, settings)
    offered = fit_degraded(data, split, settings.of_candidates)
    rows = rows_of(data, fitted.core)
    predicted = predict(fitted.core, rows)
    model_id = save(writer.models_dir, fitted, data.fleet, settings)
    half = _half_widths(data, fitted, rows, settings)
    train = split.train(data.day) & data.columns.is_labelled
    found = baselines(data, fitted.core, train, settings) if train.any() else {}
    found.setdefault("service_region_mean", predicted)
    judged = Judged(predicted, predicted * np.exp(-half), predicted * np.exp(half), found)
    metrics = forward_rows(data, split, judged, settings, model_id)
    metrics += coverage_rows(data, split, judged, settings, model_id)
    metrics += load_row(lowered_by_load(data, fitted.core), len(predicted), model_id)
    return LatencyTables(
        model_id,
        False,
        _prediction_frame(data, rows, judged, split, settings, model_id),
        build_candidates(data, offered, settings.of_candidates, model_id),
        call_factors(data.fleet, fitted.core.physics).assign(model_id=model_id),
        metric_frame(metrics),
        pd.DataFrame(),
        degradation_frame(why, known),
    )


def _half_widths(
    data: Data, fitted: Fitted, rows: Rows, settings: LatencySettings
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    busy = np.nan_to_num(data.rho) >= settings.load_group_rho
    intervals = fitted.intervals
    quantile = np.where(busy, intervals.busy[data.day], intervals.calm[data.day])
    return intervals.half_width(data.columns.service, rows.kind == 2, quantile)


def _prediction_frame(
    data: Data,
    rows: Rows,
    judged: Judged,
    split: Split,
    settings: LatencySettings,
    model_id: str,
) -> pd.DataFrame:
    keep = np.flatnonzero(data.columns.is_labelled)
    table = data.inputs.rows
    out = table[["service_id", "region_id", "placed_on"]].assign(
        model_id=model_id,
        split=split.name(data.day),
        observed_ms=data.columns.observed_ms,
        predicted_ms=judged.predicted,
        predicted_lo_ms=judged.low,
        predicted_hi_ms=judged.high,
        interval_level=settings.level,
        physics_ms=rows.phys_ms,
        utilization=data.rho,
    )
    for name, values in rows.parts.items():
        out[name] = values
    return out.iloc[keep].reset_index(drop=True)
