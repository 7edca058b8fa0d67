"""Past moves of real services: rows with a grade, a sentence where one may be said, feedback."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ml.experiment.config import ExperimentSettings
from ml.experiment.metrics import relative
from ml.experiment.move_windows import ESTIMATORS
from ml.experiment.moves import MoveEffect, MoveReader, Pooled
from ml.experiment.panel import Move, Panel
from ml.experiment.result_rows import Row, result_row
from ml.experiment.rng import generator
from ml.experiment.synthetic import HEAVIEST, HEAVY, HeavyEffect, read_heavy

MODE = "observational"
UNKNOWN = "unknown"
_METHOD = (
    "group-time difference in differences, matched on four weeks before; p from fake moves; "
    "nothing was randomised"
)


@dataclass(frozen=True)
class History:
    """What earlier builds advised and what people recorded; both may be empty.

    Attributes:
        advice: recommendation_id, plan_id, service_id, advised_through_on, from_regions,
            to_regions, predicted_before_ms, predicted_delta_ms, predicted_delta_lo_ms,
            predicted_delta_hi_ms, interval_level.
        reasons: service_id, to_regions, recorded (why the move was made).
    """

    advice: pd.DataFrame = field(default_factory=pd.DataFrame)
    reasons: pd.DataFrame = field(default_factory=pd.DataFrame)

    def recorded(self, service: str, regions: str) -> str:
        """Return the recorded reason of a move, ``unknown`` if nobody said."""
        if self.reasons.empty:
            return UNKNOWN
        rows = self.reasons
        found = rows[(rows["service_id"] == service) & (rows["to_regions"] == regions)]
        return str(found["recorded"].iloc[-1]) if len(found) else UNKNOWN


@dataclass(frozen=True)
class ReadMove:
    """One past move and what could be said of it: an effect, or the reason there is none."""

    move: Move
    service_id: str
    recorded: str
    effect: MoveEffect | str
    heavy: HeavyEffect | None = None


@dataclass(frozen=True)
class Observed:
    """Every past move that was looked at, and all readable ones together.

    ``reader`` is None where no move can be read: nothing else can be said of them either.
    """

    panel: Panel
    moves: tuple[ReadMove, ...]
    pooled: Pooled | None
    reason: str | None
    reader: MoveReader | None = None


def observe_moves(settings: ExperimentSettings, panel: Panel, history: History) -> Observed:
    """Estimate the newest registered number of past moves."""
    rng = generator(settings.experiment_id, settings.seed, "past moves")
    rules = settings.observational
    reader = MoveReader(panel, rules, rng)
    newest = sorted(panel.moves, key=lambda m: (-m.day, m.service))
    read = [_read(reader, panel, move, history) for move in newest]
    # A move that cannot be read is a row too, but may not push out one that can.
    read.sort(key=lambda r: (isinstance(r.effect, str), -r.move.day, r.move.service))
    kept = read[: rules.max_moves]
    usable = [r for r in kept if isinstance(r.effect, MoveEffect)]
    if not usable:
        why = f"none of {len(read)} past moves can be read"
        why += f": {kept[0].effect}" if kept else ""
        return Observed(panel, tuple(kept), None, why)
    traffic = panel.traffic()
    heaviest = sorted(usable, key=lambda r: (-traffic[r.move.service], r.move.service))[:HEAVIEST]
    weighed = read_heavy(reader, [(r.move.service, r.move.day) for r in heaviest])
    heavy = {id(r): effect for r, effect in zip(heaviest, weighed, strict=True)}
    kept = [replace(r, heavy=heavy.get(id(r))) for r in kept]
    reasons = {r.recorded for r in usable}
    pooled = reader.pool(
        [r.effect for r in usable if isinstance(r.effect, MoveEffect)],
        np.maximum(traffic[[r.move.service for r in usable]], 1e-12),
        reasons.pop() if len(reasons) == 1 else UNKNOWN,
        rng,
    )
    return Observed(panel, tuple(kept), pooled, None, reader)


def _read(reader: MoveReader, panel: Panel, move: Move, history: History) -> ReadMove:
    service = panel.service_ids[move.service]
    recorded = history.recorded(service, move.to_regions)
    return ReadMove(move, service, recorded, reader.read(move.service, move.day, recorded))


def move_rows(settings: ExperimentSettings, found: Observed) -> list[Row]:
    """Return a row per move and estimator; a refused move has null effects and its reason.

    Four estimators of every move, two more of the heaviest services.
    """
    traffic = found.panel.traffic()
    rows: list[Row] = []
    for read in found.moves:
        head = {
            "experiment_id": settings.experiment_id,
            "service_id": read.service_id,
            "moved_on": found.panel.date_of(read.move.day),
            "from_regions": read.move.from_regions,
            "to_regions": read.move.to_regions,
            "move_reason": read.recorded,
            "traffic_share": float(traffic[read.move.service]),
        }
        for estimator in ESTIMATORS:
            rows.append(head | {"estimator": estimator} | _numbers(read, estimator, read.effect))
        if read.heavy is not None:
            for estimator in HEAVY:
                rows.append(head | {"estimator": estimator} | _numbers(read, estimator, read.heavy))
    return rows


def _numbers(read: ReadMove, estimator: str, effect: MoveEffect | HeavyEffect | str) -> Row:
    graded = read.effect
    if isinstance(effect, str) or isinstance(graded, str):
        return {"placebos": 0, "status": "refused", "reason": graded}
    value, band = effect.effects[estimator], effect.bands[estimator]
    return {
        "rel_effect": relative(value),
        "rel_lo": relative(value - band),
        "rel_hi": relative(value + band),
        "placebo_p": effect.p_values[estimator],
        "placebos": effect.placebos,
        "grade": graded.grade,
        "status": "ok",
        "reason": graded.reason,
        "sentence": _sentence(read, estimator),
    }


def _sentence(read: ReadMove, estimator: str) -> str | None:
    """Return what may be said; grades C and D never yield a sentence about a saving."""
    effect = read.effect
    if isinstance(effect, str) or effect.grade not in ("A", "B") or estimator != "matched_did":
        return None
    value, band = effect.effects[estimator], effect.bands[estimator]
    if abs(value) <= band:
        return f"{read.service_id}: no clear change of latency after the move"
    word = "faster" if value < 0 else "slower"
    return (
        f"{read.service_id} was {abs(math.expm1(value)):.0%} {word} after the move than services "
        f"that stayed (grade {effect.grade}, correlation)"
    )


def pooled_rows(settings: ExperimentSettings, found: Observed) -> list[Row]:
    """Return all moves together by estimator, weighted and not; null effects for grades C and D."""
    if found.pooled is None:
        return [
            result_row(
                settings.experiment_id,
                MODE,
                "latency_mean",
                "diagnostic",
                method=_METHOD,
                status="refused",
                verdict="not_judged",
                reason=found.reason,
            )
        ]
    rows = []
    for estimator in ESTIMATORS:
        for weighting in ("weighted", "unweighted"):
            rows.append(_pooled_row(settings, found.pooled, estimator, weighting))
    return rows


def _pooled_row(
    settings: ExperimentSettings, pooled: Pooled, estimator: str, weighting: str
) -> Row:
    effects = pooled.weighted if weighting == "weighted" else pooled.unweighted
    value, band = effects[estimator], pooled.bands[estimator]
    row = result_row(
        settings.experiment_id,
        MODE,
        "latency_mean",
        "diagnostic",
        segment="estimator",
        segment_value=f"{estimator}, {weighting}",
        method=_METHOD,
        blocks=pooled.moves,
        verdict="reported",
        reason=f"grade {pooled.grade}: {pooled.reason}",
    )
    if pooled.grade in ("C", "D"):
        # An effect that may not be put in words may not stand in a headline column either.
        return row | {"status": "refused", "verdict": "not_judged"}
    row |= {"rel_effect": relative(value)}
    if weighting == "unweighted":
        # The fake moves behind the band and the p-value are unweighted means.
        row |= {
            "rel_lo": relative(value - band),
            "rel_hi": relative(value + band),
            "interval_level": 0.95,
            "p_value": pooled.p_values[estimator],
        }
    return row
