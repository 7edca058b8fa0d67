"""The margin on what lasts: the p95 of a placement over weeks, not of one of its days.

An objective is promised for weeks. The noise of single days averages out over them; what stays is
the model's error about the placement. A margin taken from single days mixes the two: it keeps
services out of regions that would serve them well, and says nothing about the error that stays.
The unit is therefore the mean log error of a placement, one service in one region, over its days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.latency.conformal import conformal_quantile
from ml.latency.graph import FloatArray


@dataclass(frozen=True)
class Placements:
    """What was seen of each service in each region.

    Attributes:
        service: Index of the service, (G,).
        error: Mean log error of its p95 there, (G,).
    """

    service: NDArray[np.int64]
    error: FloatArray

    def scores(self, width: FloatArray) -> FloatArray:
        """Return errors by the scale of their service, (G,).

        Args:
            width: Scale of the error of single days, (S,).
        """
        found: FloatArray = self.error / lasting_scale(width)[self.service]
        return found

    def of(self, keep: NDArray[np.bool_]) -> Placements:
        """Return some of them."""
        return Placements(self.service[keep], self.error[keep])


def lasting_scale(width: FloatArray) -> FloatArray:
    """Return the scale of the error that stays, (S,).

    Noisy services are also harder to predict, but less than their days differ: with the root,
    calm and noisy services were covered alike in four synthetic histories; the full width covered
    the noisy ones too often, no width at all too rarely.
    """
    return np.sqrt(width)


def placement_errors(
    error: FloatArray,
    service: NDArray[np.int64],
    region: NDArray[np.int64],
    fewest_days: int,
) -> Placements:
    """Return the mean error of each (service, region) with at least ``fewest_days`` rows.

    Args:
        error: Log of observed over predicted p95 of single days, (N,).
        service: Service of each row.
        region: Region of each row.
        fewest_days: A mean over fewer is mostly the noise of those days.
    """
    regions = int(region.max(initial=0)) + 1
    key, group = np.unique(service * regions + region, return_inverse=True)
    count = np.bincount(group, minlength=len(key))
    mean = np.bincount(group, weights=error, minlength=len(key)) / np.maximum(count, 1)
    seen = count >= fewest_days
    return Placements(key[seen] // regions, mean[seen])


def lasting_quantile(placements: Placements, width: FloatArray, level: float) -> float:
    """Return the score that covers a new placement with probability ``level``, at least 0.

    Infinite where too few placements were seen to say anything about the next one.
    """
    return max(0.0, conformal_quantile(placements.scores(width), level))


def covered_elsewhere(
    placements: Placements, width: FloatArray, fold: NDArray[np.int64], level: float
) -> NDArray[np.bool_]:
    """Say of each placement whether a margin sized without its fold of services covers it, (G,).

    Regions of one service err alike, so a placement is held out with its whole service.

    Args:
        placements: Placements of all folds.
        width: Scale of the error of single days, (S,).
        fold: Fold of each service, (S,).
        level: Share to cover.
    """
    own, scores = fold[placements.service], placements.scores(width)
    covered = np.zeros(len(scores), dtype=bool)
    for number in np.unique(own):
        inside = own == number
        covered[inside] = scores[inside] <= lasting_quantile(placements.of(~inside), width, level)
    return covered
