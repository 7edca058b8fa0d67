"""What can be learned without a world: past moves, advice that was followed, the shadow."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ml.experiment.config import ExperimentSettings
from ml.experiment.fleet import FeatureReader
from ml.experiment.move_tables import diagnostic_rows, event_rows
from ml.experiment.observational import (
    MODE,
    History,
    Observed,
    move_rows,
    observe_moves,
    pooled_rows,
)
from ml.experiment.outcomes import feedback_rows, outcome_rows
from ml.experiment.panel import DAYS, Panel, read_panel
from ml.experiment.plans import PlanSet
from ml.experiment.result_rows import Row, result_row
from ml.experiment.shadow import MODE as SHADOW
from ml.experiment.shadow import calibrate_shadow, fleet_effect, foretold, shadow_row
from ml.io import Writer


@dataclass(frozen=True)
class Past:
    """Rows of results, of moves and of advice that was followed."""

    results: list[Row] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)


def read_past(
    settings: ExperimentSettings,
    features: FeatureReader,
    writer: Writer,
    plans: PlanSet,
    history: History,
    *,
    has_world: bool,
) -> Past:
    """Read past moves where that is registered, or where nothing else can be read.

    Args:
        settings: Registered configuration.
        features: Reader of the feature tables.
        writer: Holds predictions and plans.
        plans: Both arms.
        history: Advice of earlier builds and recorded reasons.
        has_world: Without a world past moves are all there is, registered or not.
    """
    wants_moves = MODE in settings.mode or not has_world
    wants_shadow = SHADOW in settings.mode
    if not (wants_moves or wants_shadow or len(history.advice)):
        return Past()
    panel = read_panel(features)
    if panel is None:
        return Past(_refused(settings, wants_moves, wants_shadow, "no day was observed"))
    found = observe_moves(settings, panel, history) if wants_moves or wants_shadow else None
    results: list[Row] = []
    outcomes = outcome_rows(settings, panel, history)
    tables = {
        "recommendation_outcomes": outcomes,
        # Confidence reads these like any other gap in what is known.
        "run_degradations": feedback_rows(outcomes),
    }
    if wants_moves and found:
        results += pooled_rows(settings, found)
        tables["experiment_moves"] = move_rows(settings, found)
        tables["experiment_move_diagnostics"] = diagnostic_rows(settings, found)
        tables["experiment_event_study"] = event_rows(settings, found)
    if wants_shadow and found:
        results.append(_shadow(settings, features, writer, plans, panel, found))
    return Past(results, tables)


def _shadow(
    settings: ExperimentSettings,
    features: FeatureReader,
    writer: Writer,
    plans: PlanSet,
    panel: Panel,
    found: Observed,
) -> Row:
    predictions = writer.read("latency_predictions")
    if len(predictions):
        keys = ["service_id", "region_id", "placed_on"]
        load = features.read(DAYS)[[*keys, "requests_served"]]
        # dbt gives timestamps, Parquet dates: one kind, or nothing matches.
        for frame in (load, predictions):
            frame["placed_on"] = pd.to_datetime(frame["placed_on"])
        predictions = predictions.merge(load, on=keys, how="left").fillna({"requests_served": 0.0})
        predicted, realised, halves = foretold(panel, predictions, found)
    else:
        predicted, realised, halves = foretold(panel, predictions, found)
    calibrated = calibrate_shadow(predicted, realised, halves, settings.shadow.level)
    return shadow_row(settings, calibrated, fleet_effect(plans.services, plans.ids))


def _refused(settings: ExperimentSettings, moves: bool, shadow: bool, reason: str) -> list[Row]:
    modes = [*([MODE] if moves else []), *([SHADOW] if shadow else [])]
    return [
        result_row(
            settings.experiment_id,
            mode,
            "latency_mean",
            "diagnostic",
            status="refused",
            verdict="not_judged",
            reason=reason,
        )
        for mode in modes
    ]
