"""How long requests take: their way hardly varies, their time inside is skewed like a lognormal.

The variance of a time inside is that of own work and that of the calls it waits for, which follows
through the calls like the mean does: ``ml.placement.fleet.fleet``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from ml.placement.problem.instance import Floats

Z95 = 1.6448536269514722


def inside_p95(mean_ms: Floats, variance: Floats) -> Floats:
    """Return the 95 % quantile of a time with this mean and variance, ms.

    The spread in logs stops at the quantile's own z: from there on a lognormal's p95 would fall
    while its variance grows. So it grows with the mean and with the variance.

    Args:
        mean_ms: Mean time.
        variance: In ms², of the same shape; NaN where it is unknown, which leaves the mean.

    Example:
        >>> inside_p95(np.array([10.0, 10.0, 10.0]), np.array([0.0, 25.0, np.nan])).round(2)
        array([10.  , 19.44, 10.  ])
    """
    spread = log_sd(mean_ms, variance)
    found: Floats = mean_ms * np.exp(Z95 * spread - spread**2 / 2)
    return found


def log_sd(mean_ms: Floats, variance: Floats) -> Floats:
    """Return the standard deviation of the logarithm of such a time; 0 without a variance."""
    some = np.where(mean_ms > 0, mean_ms, 1.0)
    spread: Floats = np.minimum(np.sqrt(np.log1p(np.nan_to_num(variance) / some**2)), Z95)
    return spread


def share_within(limit_ms: Floats, mean_ms: Floats, spread: Floats) -> Floats:
    """Return the share of times inside that are no longer than a limit.

    Args:
        limit_ms: What the way leaves of the objective; nothing is within a limit that is not above
            zero.
        mean_ms: Mean time inside, broadcast against the limit.
        spread: From :func:`log_sd`; where it is 0 all take the mean.

    Example:
        >>> limit, mean = np.array([20.0, 20.0, -1.0]), np.full(3, 10.0)
        >>> share_within(limit, mean, np.array([0.5, 0.0, 0.5])).round(3)
        array([0.949, 1.   , 0.   ])
    """
    known = (limit_ms > 0) & (mean_ms > 0) & (spread > 0)
    ratio = np.where(known, limit_ms, 1.0) / np.where(known, mean_ms, 1.0)
    width = np.where(known, spread, 1.0)
    found: Floats = np.where(known, ndtr(np.log(ratio) / width + width / 2), mean_ms <= limit_ms)
    return np.where(limit_ms > 0, found, 0.0)
