"""What became of advice that was followed: predicted against realised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from scipy import stats

from ml.experiment.config import ExperimentSettings
from ml.experiment.metrics import relative
from ml.experiment.moves import MoveReader
from ml.experiment.observational import History
from ml.experiment.panel import Move, Panel
from ml.experiment.result_rows import Row
from ml.experiment.rng import generator

MIN_JUDGED = 9


def outcome_rows(
    settings: ExperimentSettings, panel: Panel, history: History, level_default: float = 0.8
) -> list[Row]:
    """Return predicted against realised change of every piece of advice that was followed.

    Args:
        settings: Registered configuration.
        panel: What was observed, days after the advice included.
        history: What earlier builds advised.
        level_default: Level of predicted intervals that do not say theirs.
    """
    if history.advice.empty:
        return []
    rng = generator(settings.experiment_id, settings.seed, "past moves")
    reader = MoveReader(panel, settings.observational, rng)
    position = {service: index for index, service in enumerate(panel.service_ids)}
    rows: list[Row] = []
    listed = history.advice.sort_values("recommendation_id")
    for record in listed.to_dict("records"):
        advice = {str(key): value for key, value in record.items()}
        service = str(advice["service_id"])
        if service not in position:
            continue
        through = pd.Timestamp(advice["advised_through_on"]).date()
        known = (through - panel.first_on).days
        if known >= panel.logs.shape[1] - 1:
            # No day after the advice was imported yet: there is nothing to say.
            continue
        later = [
            move
            for move in panel.moves
            if move.service == position[service]
            and move.day > known
            and move.to_regions == str(advice["to_regions"])
        ]
        rows.append(_outcome(reader, panel, history, advice, later[:1], level_default))
    return rows


def _outcome(
    reader: MoveReader,
    panel: Panel,
    history: History,
    advice: dict[str, object],
    followed: Sequence[Move],
    level_default: float,
) -> Row:
    service, regions = str(advice["service_id"]), str(advice["to_regions"])
    low, middle, high = _predicted(advice)
    level = advice.get("interval_level")
    row: Row = {
        "recommendation_id": advice["recommendation_id"],
        "plan_id": advice["plan_id"],
        "service_id": service,
        "advised_through_on": pd.Timestamp(str(advice["advised_through_on"])).date(),
        "from_regions": advice["from_regions"],
        "to_regions": regions,
        "predicted_effect": middle,
        "predicted_lo": low,
        "predicted_hi": high,
        "interval_level": float(str(level)) if level is not None else level_default,
        "status": "insufficient",
        "reason": "the advised regions have not been seen yet",
    }
    if not followed:
        return row
    move = followed[0]
    row |= {"moved_on": panel.date_of(move.day)}
    effect = reader.read(move.service, move.day, history.recorded(service, regions))
    if isinstance(effect, str):
        return row | {"status": "refused", "reason": effect}
    value, band = effect.effects["matched_did"], effect.bands["matched_did"]
    realised = math.expm1(value)
    half = (high - low) / 2 if low is not None and high is not None else None
    return row | {
        "realised_effect": realised,
        "realised_lo": relative(value - band),
        "realised_hi": relative(value + band),
        "is_covered": None if low is None or high is None else low <= realised <= high,
        "error_ratio": abs(realised - middle) / half if half and middle is not None else None,
        "grade": effect.grade,
        "status": "ok",
        "reason": effect.reason,
    }


def feedback_rows(rows: Sequence[Row]) -> list[Row]:
    """Return what weakens the next advice: predictions that did not come true.

    A service whose followed advice missed its interval, and the whole fleet where so many missed
    that the stated level cannot be true (one-sided binomial test at 5 %, nine pieces or more).
    """
    judged = [r for r in rows if r["status"] == "ok" and r.get("is_covered") is not None]
    found: dict[str, Row] = {}
    for row in judged:
        if not row["is_covered"]:
            scope = f"service:{row['service_id']}"
            detail = (
                f"predicted {row['predicted_effect']:+.1%}, realised {row['realised_effect']:+.1%} "
                f"after the move of {row['moved_on']}"
            )
            found[scope] = {"code": "PREDICTION_MISSED", "scope": scope, "detail": detail}
    kept = sum(bool(row["is_covered"]) for row in judged)
    if len(judged) >= MIN_JUDGED:
        level = min(float(row["interval_level"]) for row in judged)
        if float(stats.binom.cdf(kept, len(judged), level)) < 0.05:
            detail = f"{kept} of {len(judged)} intervals at {level:.0%} held what came of it"
            found["fleet"] = {
                "code": "PREDICTIONS_OVERCONFIDENT",
                "scope": "fleet",
                "detail": detail,
            }
    return [found[scope] for scope in sorted(found)]


def _predicted(advice: dict[str, object]) -> tuple[float | None, float | None, float | None]:
    """Return the predicted relative change of latency with its interval, None where unknown."""
    before = _number(advice.get("predicted_before_ms"))
    if before is None or before <= 0:
        return None, None, None
    names = ("predicted_delta_lo_ms", "predicted_delta_ms", "predicted_delta_hi_ms")
    low, middle, high = (_number(advice.get(name)) for name in names)
    low, middle, high = (None if v is None else v / before for v in (low, middle, high))
    return low, middle, high


def _number(value: object) -> float | None:
    if value is None:
        return None
    number = float(str(value))
    return number if math.isfinite(number) else None
