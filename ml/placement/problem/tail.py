"""The p95 of a request: its way hardly varies, its time inside is skewed like a lognormal.

The variance of a time inside is that of own work and that of the calls it waits for, which follows
through the calls like the mean does: ``ml.placement.fleet.fleet``.
"""

from __future__ import annotations

import numpy as np

from ml.placement.problem.instance import Floats

Z95 = 1.6448536269514722


def inside_p95(mean_ms: Floats, variance: Floats) -> Floats:
    """Return the 95 % quantile of a time with this mean and variance, ms.

    The spread in logs stops at the quantile's own z: from there on a lognormal's p95 would fall
    while its variance grows. So the p95 falls with neither, and a bound may use the least of both.

    Args:
        mean_ms: Mean time.
        variance: In ms², of the same shape; NaN where it is unknown, which leaves the mean.

    Example:
        >>> inside_p95(np.array([10.0, 10.0, 10.0]), np.array([0.0, 25.0, np.nan])).round(2)
        array([10.  , 19.44, 10.  ])
    """
    some = np.where(mean_ms > 0, mean_ms, 1.0)
    spread = np.minimum(np.sqrt(np.log1p(np.nan_to_num(variance) / some**2)), Z95)
    found: Floats = mean_ms * np.exp(Z95 * spread - spread**2 / 2)
    return found
