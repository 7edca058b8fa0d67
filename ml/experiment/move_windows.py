"""One move and those that stood still: paths round a day, and every statistic of them."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def near(self) -> slice:
        """Return the last two weeks before the move."""
        return slice(self.pre - NEAR_DAYS, self.pre)

    @property
    def far(self) -> slice:
        """Return the weeks before those."""
        return slice(0, self.pre - NEAR_DAYS)


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
    gap = window.own - window.others.mean(axis=0)
    return float(np.std(np.diff(gap[: window.pre]), ddof=1)) or 1e-9


def statistics(window: Window, controls: int) -> dict[str, float]:
    """Return every estimator and diagnostic of one (real or fake) move, log scale.

    ``neighbour_spill`` is NaN where no neighbour stood still: nobody can tell.
    """
    after, near, far, pre = window.after, window.near, window.far, window.pre
    own, all_others = window.own, window.others.mean(axis=0)
    gap = own - all_others
    matched = own - window.others[nearest(window, controls)].mean(axis=0)
    compared = {
        "did": float(gap[after].mean() - gap[near].mean()),
        "gap_did": float(gap[after].mean() - gap[far].mean()),
        "matched_did": float(matched[after].mean() - matched[near].mean()),
    }
    spill = np.nan
    if len(window.neighbours):
        beside = window.neighbours.mean(axis=0) - all_others
        spill = float(beside[after].mean() - beside[near].mean())
    return compared | {
        "before_after": float(own[after].mean() - own[near].mean()),
        "spread": max(compared.values()) - min(compared.values()),
        "lead": float(gap[near].mean() - gap[far].mean()),
        "spike": float(gap[pre - 7 : pre].mean() - gap[: pre - 7].mean()),
        "neighbour_spill": spill,
        "scale": scale_of(window),
    }
