"""Non-negative least squares for the constants of the physics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from ml.latency.graph import FloatArray


@dataclass(frozen=True)
class Slopes:
    """Round trips per request (``entry`` comes on top for entries), slopes of queue and calls."""

    network: float = 1.0
    entry: float = 0.0
    queue: float = 1.0
    calls: float = 1.0


def centre(values: FloatArray, group: NDArray[np.int64], weight: FloatArray) -> FloatArray:
    """Return values minus the weighted mean of their group."""
    total = np.bincount(group, weights=weight * values)
    mass = np.bincount(group, weights=weight)
    mean = np.divide(total, mass, out=np.zeros_like(total), where=mass > 0)
    centred: FloatArray = values - mean[group]
    return centred


def solve(parts: list[FloatArray], target: FloatArray, min_share: float) -> Slopes:
    """Solve for the components that vary; the others keep their neutral slope."""
    neutral = (1.0, 0.0, 1.0, 1.0)
    if not target.size:
        return Slopes()
    # Weighted parts are shares of the estimate, hence comparable with one threshold.
    varies = [float(np.sqrt(np.mean(p * p))) >= min_share for p in parts]
    left = target.copy()
    for part, is_free, slope in zip(parts, varies, neutral, strict=True):
        if not is_free:
            left -= slope * part
    free = [p for p, is_free in zip(parts, varies, strict=True) if is_free]
    if not free:
        return Slopes()
    # Normal equations by plain sums: BLAS would sum in an order that depends on the threads.
    gram = np.array([[float(np.sum(a * b)) for b in free] for a in free])
    right = np.array([float(np.sum(a * left)) for a in free])
    factor = np.linalg.cholesky(gram + 1e-10 * np.trace(gram) * np.eye(len(free)))
    found = iter(nnls(factor.T, np.linalg.solve(factor, right))[0])
    values = [
        float(next(found)) if is_free else slope
        for is_free, slope in zip(varies, neutral, strict=True)
    ]
    return Slopes(*values)
