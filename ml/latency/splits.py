"""Which rows a model may learn from, and which judge it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.latency.graph import Fleet
from ml.latency.settings import LatencySettings

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Days of the history by use; each bound is the first day of the next part."""

    train_days: int
    calibrate_until: int
    days: int

    def name(self, day: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return train, calibration or test for every row."""
        late = np.where(day < self.calibrate_until, "calibration", "test")
        return np.where(day < self.train_days, "train", late).astype(object)

    def train(self, day: NDArray[np.int64]) -> Mask:
        """Return the rows a model may learn from."""
        return day < self.train_days

    def calibration(self, day: NDArray[np.int64]) -> Mask:
        """Return the rows that size the intervals."""
        return (day >= self.train_days) & (day < self.calibrate_until)

    def test(self, day: NDArray[np.int64]) -> Mask:
        """Return the rows that judge."""
        return day >= self.calibrate_until


def time_split(days: int, settings: LatencySettings) -> Split:
    """Return the parts of a history: 60, 10 and 20 of ninety days."""
    train = max(1, round(days * settings.train_share))
    calibrate = max(1, round(days * settings.calibrate_share))
    return Split(train, min(days, train + calibrate), days)


def service_fold(services: NDArray[np.object_], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of every service, from its id alone.

    A new service never moves the others to another fold.
    """
    digests = [hashlib.sha256(f"{seed}/{s}".encode()).digest() for s in services]
    return np.array([int.from_bytes(d[:8], "big") % folds for d in digests], dtype=np.int64)


def new_placement_sets(fleet: Fleet, split: Split) -> Mask:
    """Return the test rows of services in a set of regions they never had in training.

    Services without a training day are left out: they are cold, and judged as such.
    """
    service, _, day = fleet.row_at
    bits = np.packbits(fleet.active, axis=1)  # (S, bytes, D): one set of regions per service, day
    is_new = np.zeros((len(fleet.services), fleet.active.shape[2]), dtype=bool)
    for index in range(len(fleet.services)):
        sets = [column.tobytes() for column in bits[index].T]
        is_alive = fleet.active[index, :, : split.train_days].max(axis=0)
        seen = {s for s, alive in zip(sets, is_alive, strict=False) if alive}
        if seen:
            is_new[index] = [s not in seen for s in sets]
    return split.test(day) & is_new[service, day]


def dropped_edges(fleet: Fleet, share: float, seed: int) -> Mask:
    """Return which calls are forgotten in the missing-edge test, by the ids of both ends."""
    limit = int(share * 2**32)
    out = []
    for caller, calls in enumerate(fleet.calls):
        for call in calls:
            text = f"{seed}/{fleet.services[caller]}/{fleet.services[call.callee]}"
            out.append(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") < limit)
    return np.array(out, dtype=bool)
