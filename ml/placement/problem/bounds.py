"""What makes a bound certified: it is rounded towards safety, and one definition of the gap."""

from __future__ import annotations

import math

_ULP = 2.0**-52


def rounded_down(value: float, magnitude: float, terms: int) -> float:
    """Return a number that the exact sum behind ``value`` cannot be below.

    Args:
        value: A sum in floating point.
        magnitude: Sum of the absolute values of what was added.
        terms: How many numbers were added one after another.

    Returns:
        ``value`` less the largest error that recursive summation can make.

    References:
        Higham, Accuracy and Stability of Numerical Algorithms: |error| <= (n - 1) u sum |x|.

    Example:
        >>> rounded_down(3.0, 3.0, 2) <= 3.0
        True
    """
    return value - (terms + 1) * _ULP * magnitude


def relative_gap(upper: float, lower: float) -> float:
    """Return the distance between two bounds, relative to the lower one.

    Example:
        >>> relative_gap(101.0, 100.0)
        0.01
    """
    if not math.isfinite(upper - lower):
        return math.inf
    return (upper - lower) / max(abs(lower), 1e-300) if upper != lower else 0.0
