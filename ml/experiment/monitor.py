"""Looking before the end, allowed at any time: a sign-flip e-process over blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.experiment.metrics import Floats

LAMBDAS: Floats = np.geomspace(3.0, 60.0, 25)
BOUND = 20.0
_GRID = 241


@dataclass(frozen=True)
class Look:
    """What may be read after so many blocks; ends are None while nothing is excluded."""

    blocks: int
    log_e: float
    always_valid_p: float
    lo: float | None
    hi: float | None
    decision: str


def log_e(differences: NDArray[np.float64]) -> Floats:
    """Return the log of the e-process after each block.

    ``E_t`` is the mean over lambda and both signs of the product of ``2 / (1 + exp(-2 s lambda
    d))``. Given ``|d|`` each factor has mean 1 under a fair coin, so ``P(ever E >= 20) <= 5 %``
    whenever one stops.

    Args:
        differences: Treatment minus control per block, log scale, shape (..., T).

    Returns:
        Shape (..., T).

    References:
        Howard, Ramdas, McAuliffe and Sekhon (2021); Zampieri (2025), arXiv 2512.04366.

    Example:
        >>> bool(np.exp(log_e(np.full(6, 9.0)))[-1] <= 2**5)
        True
    """
    bets = np.concatenate([LAMBDAS, -LAMBDAS])
    exponent = -2.0 * differences[..., None, :] * bets[:, None]
    paths = np.cumsum(math.log(2.0) - np.logaddexp(0.0, exponent), axis=-1)
    top = paths.max(axis=-2, keepdims=True)
    result: Floats = np.log(np.exp(paths - top).mean(axis=-2)) + top[..., 0, :]
    return result


def monitor(differences: NDArray[np.float64], bound: float = BOUND) -> list[Look]:
    """Return every look: e-value, always-valid p, interval over all looks so far, decision.

    Args:
        differences: Treatment minus control per block, log scale, shape (T,).
        bound: Stop at this e-value; its inverse bounds the false alarms.
    """
    path = log_e(differences)
    intervals = _intervals(differences, math.log(bound))
    looks, lo, hi, has_stopped = [], -math.inf, math.inf, False
    for index, value in enumerate(path):
        lo, hi = max(lo, intervals[index][0]), min(hi, intervals[index][1])
        has_stopped = has_stopped or value >= math.log(bound)
        worst = float(path[: index + 1].max())
        looks.append(
            Look(
                index + 1,
                float(value),
                min(1.0, math.exp(-worst)),
                lo if math.isfinite(lo) else None,
                hi if math.isfinite(hi) else None,
                "stop" if has_stopped else "continue",
            )
        )
    return looks


def _intervals(differences: Floats, limit: float) -> list[tuple[float, float]]:
    """Return, for each look, the effects whose e-value stays below the bound.

    Walks from far outside inwards to the first effect that is not excluded, then halves the step:
    whatever lies between two accepted effects is kept.
    """
    centre = float(np.median(differences))
    reach = max(1.0, 4.0 * float(np.abs(differences - centre).max()))
    offsets = np.concatenate(
        [-np.geomspace(reach, 1e-4, _GRID), [0.0], np.geomspace(1e-4, reach, _GRID)]
    )
    thetas = centre + offsets
    excluded = log_e(differences[None, :] - thetas[:, None]) >= limit
    found = []
    for look in range(differences.size):
        kept = np.flatnonzero(~excluded[:, look])
        if not kept.size:
            found.append((math.inf, -math.inf))
            continue
        first, last = int(kept[0]), int(kept[-1])
        low, high = -math.inf, math.inf
        if first > 0:
            low = _edge(differences[: look + 1], thetas[first - 1], thetas[first], limit)
        if last < thetas.size - 1:
            high = _edge(differences[: look + 1], thetas[last + 1], thetas[last], limit)
        found.append((low, high))
    return found


def _edge(differences: Floats, outside: float, inside: float, limit: float) -> float:
    for _ in range(30):
        middle = (outside + inside) / 2
        if float(log_e(differences - middle)[-1]) >= limit:
            outside = middle
        else:
            inside = middle
    return outside
