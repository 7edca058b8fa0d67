"""The relaxation that both problems share: a price per customer, a value per site, a choice.

Once "everybody is served once" is priced instead of enforced, sites meet only in *how many* are
chosen. Each site's value is then found alone, and the best choice is the one with the smallest
values: the bound needs no linear programme and holds for any prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from ml.placement.facility.problem import Flags, Floats, Ints
from ml.placement.problem.bounds import rounded_down

# Prices are multiples of this power of two: where costs are whole numbers every sum is then exact.
_GRID = 1024.0
_MOMENTUM = 0.7
_DECAY = 0.9
_LEAST_STEP = 2e-3
_NOTABLE = 3e-5


class Relaxation(Protocol):
    """A problem with its customers priced, over the sites that are not closed."""

    @property
    def sites(self) -> Ints:
        """Numbers of the sites not closed, ascending."""

    @property
    def is_open(self) -> Flags:
        """Which of them must be chosen."""

    @property
    def least(self) -> int:
        """Fewest sites a plan chooses."""

    @property
    def most(self) -> int:
        """Most sites a plan chooses."""

    def values(self, price: Floats) -> Floats:
        """Return what choosing each site adds at the prices, ``(sites,)``."""

    def served(self, price: Floats, weight: Floats) -> Floats:
        """Return how much of each customer the weighted sites serve, ``(n,)``."""

    def restricted(self, sites: Ints, is_open: Flags) -> Self:
        """Return the relaxation over some of these sites."""


@dataclass(frozen=True)
class Choice:
    """The best sites at given values."""

    value: float
    chosen: Ints
    """Positions among the relaxation's sites; the ones that must be open come first."""
    spare: Ints
    """The others, best first."""
    n_must: int


def choose(values: Floats, is_open: Flags, least: int, most: int) -> Choice | None:
    """Choose the sites with the smallest values: every negative one, ``least`` to ``most`` in all.

    Returns:
        The choice, or ``None`` where the counts cannot be kept. Ties go to the smaller number.
    """
    must, free = np.flatnonzero(is_open), np.flatnonzero(~is_open)
    if len(must) > most or len(values) < least:
        return None
    order = free[np.argsort(values[free], kind="stable")]
    wanted = int(np.count_nonzero(values[order] < 0))
    take = min(max(wanted, least - len(must), 0), most - len(must))
    chosen = np.concatenate((must, order[:take]))
    return Choice(float(values[chosen].sum()), chosen, order[take:], len(must))


def changed_values(choice: Choice, values: Floats, least: int, most: int) -> tuple[Floats, Floats]:
    """Return by how much the bound rises if a site is decided against the choice.

    Returns:
        For each free chosen site the rise when it is closed, for each spare one when it is opened.
    """
    free, spare = choice.chosen[choice.n_must :], choice.spare
    count = len(choice.chosen)
    following = float(values[spare[0]]) if len(spare) else math.inf
    # Replaced if the count must stay, and also where the most sites kept a good one out.
    instead = following if count == least else (min(0.0, following) if count == most else 0.0)
    # Opening one more may let the worst go, and must do so where the count is at its most.
    if count == most:
        drop = float(values[free[-1]]) if len(free) else -math.inf
    else:
        drop = max(0.0, float(values[free[-1]])) if len(free) else 0.0
    return instead - values[free], values[spare] - drop


@dataclass(frozen=True)
class Ascent:
    """Where the prices ended."""

    bound: float
    """Certified: rounded down. Infinite where no plan exists."""
    price: Floats
    values: Floats
    choice: Choice | None
    share: Floats
    """How often each site was chosen lately: an estimate of the relaxation's own solution."""
    steps: int


def ascend(
    relaxation: Relaxation,
    price: Floats,
    upper: float,
    is_enough: Callable[[float], bool],
    *,
    steps: int,
    scale: float,
    patience: int,
) -> Ascent:
    """Raise the bound by moving the prices of customers served too rarely up, too often down.

    Args:
        relaxation: What to bound.
        price: Where to begin, ``(n,)``.
        upper: Cost of a known plan; sets the length of a step.
        is_enough: Whether a bound needs no raising.
        steps: How many at most.
        scale: First step as a share of the way to ``upper``.
        patience: Steps without progress before the scale shrinks and the best prices return.

    References:
        Polyak (1969) for the step; the direction keeps a part of the one before
        (Camerini, Fratta and Maffioli 1975).
    """
    n, least, most = len(price), relaxation.least, relaxation.most
    direction, share = np.zeros(n), np.zeros(len(relaxation.sites))
    best = Ascent(-math.inf, price, share, None, share, 0)
    waited, step = 0, 0
    for step in range(1, steps + 1):
        values = relaxation.values(price)
        choice = choose(values, relaxation.is_open, least, most)
        if choice is None:
            return Ascent(math.inf, price, values, None, share, step)
        bound = _certified(price, values, choice)
        weight = np.zeros(len(values))
        weight[choice.chosen] = 1.0
        share = _DECAY * share + (1 - _DECAY) * weight
        waited += 1
        if bound > best.bound:
            waited = waited if bound <= best.bound + _NOTABLE * abs(best.bound) else 1
            best = Ascent(bound, price, values, choice, share, step)
            if is_enough(bound):
                break
        if waited > patience:
            waited, scale, price = 0, scale * 0.6, best.price
            direction = np.zeros(n)
            if scale < _LEAST_STEP:
                break
        missing = 1.0 - relaxation.served(price, weight)
        direction = missing + _MOMENTUM * direction
        norm = float((direction * direction).sum())
        if norm == 0:
            break
        length = scale * max(upper - bound, 0.0) / norm
        price = np.rint((price + length * direction) * _GRID) / _GRID
    return Ascent(best.bound, best.price, best.values, best.choice, share, step)


def bound_at(relaxation: Relaxation, price: Floats) -> float:
    """Return the certified bound at given prices; infinite where no plan exists."""
    values = relaxation.values(price)
    choice = choose(values, relaxation.is_open, relaxation.least, relaxation.most)
    return math.inf if choice is None else _certified(price, values, choice)


def _certified(price: Floats, values: Floats, choice: Choice) -> float:
    chosen = values[choice.chosen]
    # Each value sums up to n savings, none larger in all than the prices that it can take.
    magnitude = float(np.abs(price).sum()) * (1 + len(chosen)) + float(np.abs(chosen).sum())
    return rounded_down(float(price.sum()) + choice.value, magnitude, len(price))
