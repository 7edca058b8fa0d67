"""One metric's effect in the twin: mean over replications, bounds, plausible range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ml.experiment.metrics import CATALOGUE, Floats, Scale


@dataclass(frozen=True)
class TwinEstimate:
    """Effect of one metric: mean over replications, its bounds, and the plausible range.

    All effects are on the metric's scale: log ratio, or difference. ``NaN`` means unknown.
    """

    name: str
    scale: Scale
    control: float
    treatment: float
    theta: float
    thetas: Floats
    draws: Floats

    def monte_carlo(self, level: float, *, two_sided: bool = True) -> tuple[float, float]:
        """Return the t interval over replications, or two one-sided bounds at ``level``."""
        count = self.thetas.size
        if count < 2 or not np.isfinite(self.thetas).all():
            return math.nan, math.nan
        tail = (1 + level) / 2 if two_sided else level
        spread = float(self.thetas.std(ddof=1)) / math.sqrt(count)
        half = float(stats.t.ppf(tail, count - 1)) * spread
        return self.theta - half, self.theta + half

    def plausible(self, tail: float = 0.05) -> tuple[float, float]:
        """Return the ``tail`` and ``1 - tail`` order statistics over the input draws."""
        count = self.draws.size
        rank = math.floor(tail * (count + 1) + 1e-9)
        if rank < 1 or not np.isfinite(self.draws).all():
            return math.nan, math.nan
        ordered = np.sort(self.draws)
        return float(ordered[rank - 1]), float(ordered[count - rank])


def scale_of(name: str) -> Scale:
    """Return the scale of a metric, a service's latency, or a plan-level share."""
    if name in CATALOGUE:
        return CATALOGUE[name].scale
    return "log" if name.startswith("service:") else "difference"
