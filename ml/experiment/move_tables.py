"""Rows about past moves beside the estimates: heavy services, diagnostics, day by day."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ml.experiment.config import ExperimentSettings
from ml.experiment.event_study import EventStudy, Path
from ml.experiment.metrics import relative
from ml.experiment.move_windows import DIAGNOSTICS
from ml.experiment.moves import MoveEffect
from ml.experiment.observational import Observed, ReadMove
from ml.experiment.result_rows import Row
from ml.experiment.rng import generator

ALL_MOVES = "all"


def diagnostic_rows(settings: ExperimentSettings, found: Observed) -> list[Row]:
    """Return what speaks against reading each move, and all of them together, as an effect."""
    rows: list[Row] = []
    for read in found.moves:
        if isinstance(read.effect, MoveEffect):
            rows += [_diagnostic(settings, _head(found, read), read.effect, n) for n in DIAGNOSTICS]
    if found.pooled is not None:
        pooled = found.pooled
        head: Row = {"move_id": ALL_MOVES}
        for name in ("lead", "spike", "neighbour_spill"):
            value = pooled.unweighted.get(name, math.nan)
            band, p_value = (part.get(name, math.nan) for part in (pooled.bands, pooled.p_values))
            rows.append(_row(settings, head, name, value, band, p_value))
    return rows


def _head(found: Observed, read: ReadMove) -> Row:
    moved_on = found.panel.date_of(read.move.day)
    return {
        "move_id": f"{read.service_id} {moved_on}",
        "service_id": read.service_id,
        "moved_on": moved_on,
    }


def _diagnostic(settings: ExperimentSettings, head: Row, effect: MoveEffect, name: str) -> Row:
    value, band, p_value = (part[name] for part in (effect.effects, effect.bands, effect.p_values))
    return _row(settings, head, name, value, band, p_value)


def _row(
    settings: ExperimentSettings, head: Row, name: str, value: float, band: float, p_value: float
) -> Row:
    is_known = math.isfinite(value) and math.isfinite(p_value)
    row = {"experiment_id": settings.experiment_id, **head, "diagnostic": name}
    if not is_known:
        reason = "no caller or callee stood still, or too few fake moves had one that did"
        return row | {"status": "insufficient", "reason": reason}
    return row | {
        "rel_value": relative(value),
        # Relative changes are not symmetric: the band is told on the side of the value.
        "rel_band": relative(math.copysign(band, value)),
        "placebo_p": p_value,
        "is_unusual": p_value <= 0.05,
        "status": "ok",
    }


def event_rows(settings: ExperimentSettings, found: Observed) -> list[Row]:
    """Return the path of every readable move, and of all together, from 28 days before."""
    if found.reader is None:
        return []
    study = EventStudy(found.reader)
    rows: list[Row] = []
    paths: list[Path] = []
    for read in found.moves:
        if not isinstance(read.effect, MoveEffect):
            continue
        path = study.of(read.move.service, read.move.day)
        if path is not None:
            paths.append(path)
            head = _head(found, read) | {"grade": read.effect.grade}
            rows += _path_rows(settings, head, path)
    if paths and found.pooled is not None:
        rng = generator(settings.experiment_id, settings.seed, "event study")
        head = {"move_id": ALL_MOVES, "grade": found.pooled.grade}
        rows += _path_rows(settings, head, study.mean(paths, rng))
    return rows


def _path_rows(settings: ExperimentSettings, head: Row, path: Path) -> Sequence[Row]:
    rows = []
    for day, gap, band, moves in zip(path.days, path.gaps, path.bands, path.moves, strict=True):
        if not np.isfinite(gap):
            continue
        rows.append(
            {
                "experiment_id": settings.experiment_id,
                **head,
                "days_from_move": int(day),
                "moves": int(moves),
                "rel_gap": relative(float(gap)),
                # Where too few fake moves reach the day, the gap stands without a band.
                "rel_lo": relative(float(gap - band)),
                "rel_hi": relative(float(gap + band)),
            }
        )
    return rows
