"""Day by day round a move: the gap to services that stayed, with the band of fake moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.experiment.metrics import Floats
from ml.experiment.move_windows import nearest, scale_of
from ml.experiment.moves import MoveReader, reach

AFTER = 28
MIN_FAKES = 100
_DRAWS = 999
_ALPHA = 0.05


@dataclass(frozen=True)
class Path:
    """Gap by day, log scale; day 0 is the first under the new regions.

    Attributes:
        days: Days from the move, -28 to +28, shape (T,).
        gaps: Service less its nearest controls, NaN where unknown, shape (T,).
        bands: What 95 % of fake moves stay below on that day, NaN where too few reach it.
        moves: Moves that tell each day, shape (T,).
    """

    days: Floats
    gaps: Floats
    bands: Floats
    moves: Floats


class EventStudy:
    """Paths of real and fake moves of one reader.

    Every path is matched and demeaned by the days before, fakes like the real one: what matching
    alone does to those days is in the band.

    References:
        Roth (2022), AER: Insights, on what such a picture can and cannot show.
    """

    def __init__(self, reader: MoveReader) -> None:
        self._reader = reader
        self._pre = reader.rules.pre_days
        fakes = [self._scaled(service, day) for service, day in reader.fakes]
        kept = [path for path in fakes if path is not None]
        self._fakes = np.array(kept) if kept else np.empty((0, self._pre + 1 + AFTER))

    @property
    def days(self) -> Floats:
        """Return days from the move."""
        return np.arange(-self._pre, AFTER + 1, dtype=np.float64)

    def of(self, service: int, day: int) -> Path | None:
        """Return the path of one move; None where too few services stood still."""
        window = self._reader.window(service, day)
        gaps = self._scaled(service, day)
        if window is None or gaps is None:
            return None
        scale = scale_of(window)
        bands = np.array([_band(np.abs(column)) for column in self._fakes.T]) * scale
        gaps = gaps * scale
        return Path(self.days, gaps, bands, np.isfinite(gaps).astype(np.float64))

    def mean(self, paths: Sequence[Path], rng: np.random.Generator) -> Path:
        """Return the mean path of several moves, its band from as many fake moves a set.

        Args:
            paths: At least one.
            rng: Made by the caller; draws the sets.
        """
        gaps = np.array([path.gaps for path in paths])
        told = np.isfinite(gaps).sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.where(told > 0, np.nansum(gaps, axis=0) / np.maximum(told, 1), np.nan)
        bands = np.full(mean.size, np.nan)
        for column in range(mean.size):
            fake = self._fakes[:, column]
            fake = fake[np.isfinite(fake)]
            own = np.array([path.bands[column] for path in paths])[np.isfinite(gaps[:, column])]
            if fake.size < MIN_FAKES or not told[column]:
                continue
            sets = fake[rng.integers(fake.size, size=(_DRAWS, told[column]))].mean(axis=1)
            # A service's own band is its noise times what single fakes reach.
            scale = float(own.mean()) / reach(np.abs(fake))
            bands[column] = float(np.quantile(np.abs(sets), 1 - _ALPHA, method="higher")) * scale
        return Path(self.days, mean, bands, told.astype(np.float64))

    def _scaled(self, service: int, day: int) -> Floats | None:
        """Return a move's path in units of the service's noise, NaN where it is unknown."""
        reader, panel = self._reader, self._reader.panel
        known = min(AFTER, panel.logs.shape[1] - day - 1)
        near, window = reader.window(service, day), reader.window(service, day, known)
        if near is None or window is None:
            return None
        chosen = nearest(near, reader.rules.controls)
        others = window.others[chosen].copy()
        own = window.own.copy()
        moved = panel.moved_days()
        for path, row in [
            *zip(others, window.members[chosen].tolist(), strict=True),
            (own, service),
        ]:
            # Whoever moves later is no longer what it was compared as.
            left = [later for later in moved.get(row, []) if later > day]
            if left:
                path[self._pre + min(left) - day :] = np.nan
        told = np.isfinite(others).sum(axis=0)
        with np.errstate(invalid="ignore"):
            beside = np.where(told > 0, np.nansum(others, axis=0) / np.maximum(told, 1), np.nan)
        path = np.full(self._pre + 1 + AFTER, np.nan)
        path[: own.size] = own - beside
        scaled: Floats = path / scale_of(near)
        return scaled


def _band(sizes: Floats) -> float:
    known = sizes[np.isfinite(sizes)]
    return reach(known) if known.size >= MIN_FAKES else math.nan
