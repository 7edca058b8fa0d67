"""Moves of heavy services against a weighted mix of services that stayed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from ml.experiment.metrics import Floats
from ml.experiment.move_windows import Window, nearest, scale_of
from ml.experiment.moves import MoveReader, reach

HEAVY = ("synthetic_control", "sdid")
HEAVIEST = 5
_SUM_WEIGHT = 1e3
_TIME_RIDGE = 1e-6


@dataclass(frozen=True)
class HeavyEffect:
    """Effects of one move by estimator, log scale, with what fake moves say."""

    effects: Mapping[str, float]
    bands: Mapping[str, float]
    p_values: Mapping[str, float]
    placebos: int


def simplex_fit(columns: Floats, target: Floats, ridge: float) -> Floats:
    """Return weights, none negative, summing to 1, whose mix of columns is nearest to the target.

    Minimises ``|columns w - target|^2 + ridge |w|^2``; the sum is held by a heavy row and then
    made exact.

    Args:
        columns: Shape (T, J).
        target: Shape (T,).
        ridge: Penalty on large weights, at least 0.

    Example:
        >>> simplex_fit(np.array([[0.0, 4.0], [1.0, 1.0]]), np.array([1.0, 1.0]), 0.0).round(6)
        array([0.75, 0.25])
    """
    count = columns.shape[1]
    size = float(np.abs(columns).max(initial=0.0)) or 1.0
    rows = [columns / size, np.full((1, count), _SUM_WEIGHT)]
    wanted = [target / size, np.array([_SUM_WEIGHT])]
    if ridge > 0:
        rows.append(math.sqrt(ridge) / size * np.eye(count))
        wanted.append(np.zeros(count))
    weights = nnls(np.vstack(rows), np.concatenate(wanted))[0]
    result: Floats = weights / weights.sum()
    return result


def synthetic_control(window: Window) -> float:
    """Return the effect against the mix of others that ran alongside before the move.

    Paths are less their mean before the move, so that a service may be slower than every other.

    References:
        Abadie, Diamond and Hainmueller (2010), JASA 105; Ferman and Pinto (2021) on demeaning.
    """
    before = slice(0, window.pre)
    weights = simplex_fit(window.others[:, before].T, window.own[before], 0.0)
    gap = window.own - weights @ window.others
    return float(gap[window.after].mean() - gap[before].mean())


def sdid(window: Window) -> float:
    """Return the synthetic difference in differences: weights over services and over days.

    References:
        Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), AER 111, algorithm 1.
    """
    before, after = window.others[:, : window.pre], window.others[:, window.after]
    own_before, own_after = window.own[: window.pre], window.own[window.after]
    noise = float(np.std(np.diff(before, axis=1), ddof=1))
    # One treated service: the penalty is (treated x days after)^(1/4) of the daily noise.
    penalty = (after.shape[1] ** 0.25 * noise) ** 2 * window.pre
    services = simplex_fit(
        (before - before.mean(axis=1, keepdims=True)).T, own_before - own_before.mean(), penalty
    )
    later = after.mean(axis=1)
    small = (_TIME_RIDGE * noise) ** 2 * len(before)
    days = simplex_fit(before - before.mean(axis=0), later - later.mean(), small)
    others = services @ later - services @ before @ days
    return float(own_after.mean() - own_before @ days - others)


def heavy_statistics(window: Window, controls: int) -> dict[str, float]:
    """Return both estimators against the nearest others, twice as many as the controls.

    More than the days before can tell apart would fit their noise.
    """
    kept = nearest(window, 2 * controls)
    donors = Window(
        window.own, window.others[kept], window.neighbours, window.pre, window.members[kept]
    )
    return {"synthetic_control": synthetic_control(donors), "sdid": sdid(donors)}


def read_heavy(reader: MoveReader, moves: Sequence[tuple[int, int]]) -> list[HeavyEffect | None]:
    """Return the effects of the moves given, as (service, day); None where nobody stood still.

    The fake moves are those of every other estimator.
    """
    if not moves:
        return []
    fakes: dict[str, list[float]] = {name: [] for name in HEAVY}
    for service, day in reader.fakes:
        window = reader.window(service, day)
        if window is None:
            continue
        scale = scale_of(window)
        for name, value in heavy_statistics(window, reader.rules.controls).items():
            fakes[name].append(abs(value) / scale)
    sizes = {name: np.array(values) for name, values in fakes.items()}
    return [_read(reader, move, sizes) for move in moves]


def _read(
    reader: MoveReader, move: tuple[int, int], fakes: Mapping[str, Floats]
) -> HeavyEffect | None:
    window = reader.window(*move)
    count = fakes["sdid"].size
    if window is None or not count:
        return None
    scale = scale_of(window)
    values = heavy_statistics(window, reader.rules.controls)
    return HeavyEffect(
        values,
        {name: reach(fakes[name]) * scale for name in HEAVY},
        {
            name: (1 + int((fakes[name] >= abs(values[name]) / scale).sum())) / (1 + count)
            for name in HEAVY
        },
        count,
    )
