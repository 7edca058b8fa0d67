"""Permutation tests of a linear effect, and their inversion into an interval without a grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.experiment.metrics import Floats

EXACT_CELLS = 12
_TIE = 1e-12


@dataclass(frozen=True)
class Permuted:
    """Estimate, interval and p-value; an end is None where the draws cannot bound it."""

    estimate: float
    lo: float | None
    hi: float | None
    p_value: float
    draws: int
    is_exact: bool


@dataclass(frozen=True)
class Products:
    """Sums of products of one draw of treatments with outcome, real treatment and itself.

    Attributes:
        outcome: A_p, shape (P,).
        real: B_p, shape (P,).
        own: Q_p, shape (P,).
    """

    outcome: Floats
    real: Floats
    own: Floats


def ends(estimate: float, products: Products) -> tuple[Floats, Floats, Floats]:
    """Return where each draw is at least as extreme as the data, as pieces of a line.

    Draw p says that ``theta`` is compatible where ``|A - theta B| >= |estimate - theta| Q``. With
    a = A/Q and b = B/Q and ``|b| < 1`` this is one interval round the estimate; with ``|b| > 1`` it
    is everything but an interval. Returned as lower and upper end of the piece that holds the
    estimate, and the start of a second piece above or below it (NaN without one).
    """
    a, b = products.outcome / products.own, products.real / products.own
    # A draw that mirrors the real one meets it exactly: rounding must not open a gap there.
    a = np.where(
        np.abs(np.abs(a) - abs(estimate)) <= _TIE * max(abs(estimate), 1e-300),
        np.sign(a) * abs(estimate),
        a,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        first = (estimate - a) / (1.0 - b)
        second = (estimate + a) / (1.0 + b)
    low, high = np.fmin(first, second), np.fmax(first, second)
    inside = np.abs(b) < 1.0 - _TIE
    lower = np.where(inside, low, -np.inf)
    upper = np.where(inside, high, np.inf)
    other = np.full(a.shape, np.nan)
    for index in np.flatnonzero(~inside):
        lower[index], upper[index], other[index] = _open_piece(
            estimate, float(a[index]), float(b[index])
        )
    return lower, upper, other


def _open_piece(estimate: float, a: float, b: float) -> tuple[float, float, float]:
    """Solve ``(a - theta b)^2 >= (estimate - theta)^2`` where ``|b| >= 1``."""
    square, linear = b * b - 1.0, 2.0 * (estimate - a * b)
    constant = a * a - estimate * estimate
    if square <= _TIE:
        if abs(linear) <= _TIE * max(abs(estimate), 1.0):
            return -math.inf, math.inf, math.nan
        root = -constant / linear
        return (root, math.inf, math.nan) if linear > 0 else (-math.inf, root, math.nan)
    spread = linear * linear - 4.0 * square * constant
    if spread <= 0:
        return -math.inf, math.inf, math.nan
    low = (-linear - math.sqrt(spread)) / (2 * square)
    high = (-linear + math.sqrt(spread)) / (2 * square)
    return (-math.inf, low, high) if estimate <= low else (high, math.inf, low)


def invert(
    estimate: float, products: Products, alpha: float, *, is_exact: bool = False
) -> Permuted:
    """Return the permutation p of "no effect" and the interval of effects it does not reject.

    ``p(theta) = (1 + #{draws at least as extreme}) / (P + 1)``, and theta lies in the interval
    where this exceeds ``alpha``; the interval is the piece round the estimate, so that it excludes
    0 exactly when ``p <= alpha`` unless a draw with ``|b| > 1`` counts on both sides of a gap.

    References:
        Canay, Romano and Shaikh (2017), Econometrica; MacKinnon and Webb (2017).
    """
    count = products.outcome.size
    lower, upper, other = ends(estimate, products)
    size = abs(estimate) * products.own
    extreme = np.abs(products.outcome) >= size - _TIE * np.maximum(size, 1e-300)
    p_value = float(1 + extreme.sum()) / (count + 1)
    rank = math.floor(alpha * (count + 1) + 1e-9)
    if rank < 1:
        return Permuted(estimate, None, None, p_value, count, is_exact)
    hi = _reach(upper, other, rank, estimate)
    lo = -_reach(-lower, -other, rank, -estimate)
    return Permuted(
        estimate,
        lo if math.isfinite(lo) else None,
        hi if math.isfinite(hi) else None,
        p_value,
        count,
        is_exact,
    )


def _reach(upper: Floats, other: Floats, rank: int, estimate: float) -> float:
    """Return how far up at least ``rank`` draws stay compatible, second pieces counted."""
    plain = float(np.sort(upper)[-rank])
    back = other[np.isfinite(other) & (other > estimate)]
    if not back.size:
        return plain
    # Compatible again above a gap: the farthest point where enough draws agree.
    for point in sorted({*upper[np.isfinite(upper)].tolist(), plain}, reverse=True):
        if int((upper >= point).sum()) + int((back <= point).sum()) >= rank:
            farthest = float(point)
            break
    else:
        farthest = plain
    whole = int(np.isposinf(upper).sum()) + back.size
    return math.inf if whole >= rank else max(farthest, plain)


def sign_draws(
    cells: int, draws: int, rng: np.random.Generator, real: NDArray[np.float64]
) -> tuple[Floats, bool]:
    """Return sign vectors to compare the real one with: all others if few, else fresh coins.

    Args:
        cells: Number of coins.
        draws: How many vectors where not all are taken.
        rng: Made by the caller.
        real: The coins that fell, shape (cells,).
    """
    if cells <= EXACT_CELLS:
        every = np.array(list(itertools.product((-1.0, 1.0), repeat=cells)))
        return every[~(every == real).all(axis=1)], True
    fresh: Floats = rng.choice((-1.0, 1.0), size=(draws, cells))
    return fresh, False


def orders(
    waves: Sequence[int], draws: int, rng: np.random.Generator, limit: int = 2_000
) -> tuple[NDArray[np.int64], bool]:
    """Return other ways to deal the same waves to the communities.

    Args:
        waves: Wave of each community, as it was.
        draws: How many random orders where not all are taken.
        rng: Made by the caller.
        limit: Most orders that are enumerated.

    Returns:
        Waves by draw and community, and whether these are all there are.
    """
    counts = [list(waves).count(wave) for wave in sorted(set(waves))]
    ways = math.factorial(len(waves)) // math.prod(math.factorial(n) for n in counts)
    if ways <= limit:
        every = {tuple(waves)}
        stack = [list(waves)]
        while stack:
            base = stack.pop()
            for i, j in itertools.combinations(range(len(base)), 2):
                if base[i] != base[j]:
                    swapped = list(base)
                    swapped[i], swapped[j] = swapped[j], swapped[i]
                    if tuple(swapped) not in every:
                        every.add(tuple(swapped))
                        stack.append(swapped)
        return np.array(sorted(every - {tuple(waves)}), dtype=np.int64), True
    given = np.array(waves, dtype=np.int64)
    return np.array([rng.permutation(given) for _ in range(draws)]), False
