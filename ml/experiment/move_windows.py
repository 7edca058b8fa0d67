"""One move and those that stood still: paths round a day, and every statistic of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ml.experiment.metrics import Floats

ESTIMATORS = ("before_after", "did", "gap_did", "matched_did")
DIAGNOSTICS = ("lead", "spike", "spread", "neighbour_spill")
NEAR_DAYS = 14


@dataclass(frozen=True)
class Window:
    """Log paths round one day, each less its own mean before that day.

    Attributes:
        own: Path of the service, shape (days,).
        others: Paths of services to compare with, shape (J, days).
        neighbours: Paths of services that call it or are called by it, shape (N, days).
        pre: Days before the move.
        members: Rows of the panel behind ``others``, shape (J,).
    """

    own: Floats
    others: Floats
    neighbours: Floats
    pre: int
    members: NDArray[np.int64]

    @property
    def after(self) -> slice:
        """Return the days after the move; the day itself belongs to neither side."""
        return slice(self.pre + 1, None)


def nearest(window: Window, count: int) -> NDArray[np.int64]:
    """Return the rows of ``others`` nearest in weekly means of the path before, ties by order."""
    weeks = window.pre // 7

    def weekly(paths: Floats) -> Floats:
        kept = paths[..., window.pre - 7 * weeks : window.pre]
        means: Floats = kept.reshape(*kept.shape[:-1], weeks, 7).mean(axis=-1)
        return means

    away = ((weekly(window.others) - weekly(window.own)) ** 2).sum(axis=1)
    order: NDArray[np.int64] = np.argsort(away, kind="stable")
    return order[:count]


def scale_of(window: Window) -> float:
    """Return the service's own noise: differences of days before, whatever came with the move."""
    return _noise((window.own - window.others.mean(axis=0))[: window.pre])


def _noise(gap: Floats) -> float:
    return float(np.std(np.diff(gap), ddof=1)) or 1e-9


@lru_cache(maxsize=8)
def _averages(pre: int, days: int) -> Floats:
    """Return what turns paths into means over parts of the window, shape (days, 5).

    Columns: after the move, near before it, far before it, its last week before, all before that.
    """
    day = np.arange(days)
    parts = (
        day > pre,
        (day >= pre - NEAR_DAYS) & (day < pre),
        day < pre - NEAR_DAYS,
        (day >= pre - 7) & (day < pre),
        day < pre - 7,
    )
    return np.stack([part / part.sum() for part in parts], axis=1)


def statistics(window: Window, controls: int) -> dict[str, float]:
    """Return every estimator and diagnostic of one (real or fake) move, log scale.

    ``neighbour_spill`` is NaN where no neighbour stood still: nobody can tell.
    """
    own, all_others = window.own, window.others.mean(axis=0)
    gap = own - all_others
    matched = own - window.others[nearest(window, controls)].mean(axis=0)
    has_neighbours = len(window.neighbours) > 0
    beside = window.neighbours.mean(axis=0) - all_others if has_neighbours else gap
    # One product for all means: thousands of fake moves are read.
    means = np.stack([own, gap, matched, beside]) @ _averages(window.pre, own.size)
    after, near, far, week, weeks_before = means.T
    compared = {
        "did": float(after[1] - near[1]),
        "gap_did": float(after[1] - far[1]),
        "matched_did": float(after[2] - near[2]),
    }
    return compared | {
        "before_after": float(after[0] - near[0]),
        "spread": max(compared.values()) - min(compared.values()),
        "lead": float(near[1] - far[1]),
        "spike": float(week[1] - weeks_before[1]),
        "neighbour_spill": float(after[3] - near[3]) if has_neighbours else math.nan,
        "scale": _noise(gap[: window.pre]),
    }
