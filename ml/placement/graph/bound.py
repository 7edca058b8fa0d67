"""A lower bound for all region sets of all services together, calls included.

**What is bounded.** The cost that :func:`~ml.placement.fleet.fleet.evaluate_fleet` finds for any
plan of the fleet in which every service keeps its rules (services that no set can satisfy, or
that are fixed, may stay where they are), capacity per region and the move budget hold.

**Why it holds.** Fix such a plan. For a call e = (v, t) let m_e(q) be the calls per second made by
v in region q. They add up to M_e = k_e D_v wherever v runs, as shares of routing add up to one.
Let U_e(q) be the worth of a millisecond that t takes to answer them, $ per hour:

    U_e(q) = theta_e(q) f_e sum over slots in q of factor_v sum_c share (wait_c + U_c),

where c runs over v's clients, wait_c is the worth of their waiting for v itself and U_c the same U
of the call they make. theta >= 0 adds up to one in each stage and region.

1. The slowest call of a stage takes at least the theta-weighted mean of its calls, and
   max(0, x) >= x. Applied from users down to the last callee (all weights are non-negative) this
   gives: waiting of the fleet >= sum over services and slots of factor x sum_c share (wait_c + U_c)
   (weight rtt + own time).
2. For any prices eta_e(q), zeta_e(q) add eta m + zeta U to the caller and take it off the callee.
   The sum stays the same, and each service's part depends on its own set and on its clients alone.
3. A service's clients are taken as they suit it best: each call's m_e lies in one region q, and
   U_e = rho m_e with rho between the least and the most that v's clients can be worth. This
   contains the truth, because U_e(q) / m_e(q) is a mean of such ratios, times factor_v(q).
4. A slot's utilisation bucket suits each client best, among those that can occur.
5. Instances: at least what the users' own peaks need in each slot, and in all regions together what
   users and callers need, at the lowest price in the set (peaks of calls add up to at least k_e
   times the callers' peak). Survival of a loss of one region asks for the same of the other ones.
6. Objectives count callers where they are met, and calls answered as fast as any set allows; the
   limit on slowdowns is left out, and so are prices of elastic rules, which are not negative.
7. Prices lambda >= 0 of vCPU and chi >= 0 of added regions: instances of step 5 are at most the
   true ones, so cost + lambda (use - capacity) + chi (moves - budget) is at most cost.

The minimum over all usable sets of each service, added up, is the bound: for *any* prices. Better
prices come from scaled Polyak steps; they begin at what calls cost in the present plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ml.placement.fleet.fleet import MICRO
from ml.placement.graph.bound_open import opening_prices, relaxed_of
from ml.placement.graph.bound_prices import Prices, Relaxed, Slopes
from ml.placement.problem.instance import Floats, Ints
from ml.placement.search.solve import Solution

_PATIENCE, _SHRINK, _STEP, _STEP_MIN, _MEMORY = 12, 0.7, 1.0, 2e-3, 0.6
_ITERATIONS, _CELLS_MAX = 600, 100_000_000
"""Steps, and plans by callers' regions looked at in all of them: fewer steps in large fleets."""


@dataclass(frozen=True)
class JointBound:
    """A bound on the cost of every plan of the fleet; money in micro-dollars per hour."""

    lower_micro: int
    upper_micro: int
    """Cost of the plan that the bound is compared with."""
    sizing_share_micro: int
    """Part of the distance: instances that the plan has beyond those the bound counts for the same
    sets, because counts are whole in each region and regions peak at different hours."""
    iterations: int
    prices: Prices
    chosen: Ints
    """Set that each service takes at the best prices, ``(S,)``: worth starting a search from."""

    @property
    def gap(self) -> float:
        """Relative distance between the plan and the bound."""
        return (self.upper_micro - self.lower_micro) / max(1, abs(self.lower_micro))


def joint_bound(solution: Solution, *, iterations: int | None = None) -> JointBound:
    """Return the bound over joint choices of all services, for the plan of a solution.

    Args:
        solution: Its plan gives the first prices; any plan gives a valid bound.
        iterations: Most steps, 0 for the bound at the first prices; by size if not given.

    Raises:
        MemoryError: If calls x sets x regions exceed the policy's ``memory_cells_max``.
    """
    one = solution.instance
    cells = max(1, len(one.edges.caller)) * len(solution.space.sets) * one.n_regions
    if cells > one.policy.memory_cells_max:
        raise MemoryError(
            f"{cells} priced calls by set exceed memory_cells_max == "
            f"{one.policy.memory_cells_max}; lower max_regions_cap or ban regions"
        )
    if iterations is None:
        iterations = min(_ITERATIONS, max(20, _CELLS_MAX // cells))
    relaxed = relaxed_of(solution)
    prices = opening_prices(relaxed, solution)
    upper = solution.upper_micro / MICRO
    best, kept, taken = -math.inf, prices, solution.fleet.chosen
    size, waited = _STEP, 0
    way: Floats | None = None
    done = 0
    for done in range(iterations + 1):
        value, slopes, chosen = relaxed.value(prices)
        if value > best:
            best, kept, waited, taken = value, prices, 0, chosen
        else:
            waited += 1
        if waited >= _PATIENCE:
            size, waited = size * _SHRINK, 0
        if size < _STEP_MIN or done == iterations:
            break
        prices, way = _step(relaxed, prices, slopes, way, size * max(upper - value, 0.0))
    # Costs of services are rounded to whole micro-dollars before they are added up.
    slack = 0.5 * len(solution.fleet.chosen) + 1
    lower = math.floor(best * MICRO - slack)
    counted = relaxed.sizing_usd(solution.fleet.chosen)
    excess = float(solution.fleet.assessed.compute[:, 0].sum()) - counted
    return JointBound(lower, solution.upper_micro, round(excess * MICRO), done, kept, taken)


def _step(
    relaxed: Relaxed, prices: Prices, slopes: Slopes, way: Floats | None, reach: float
) -> tuple[Prices, Floats]:
    """Return prices one Polyak step further along the slopes and the remembered way.

    Every price is scaled by what flows at it, so that heavy calls do not drown light ones.
    """
    scale = relaxed.scale
    slope = slopes.stacked() / scale
    way = slope if way is None else slope + _MEMORY * way
    norm = float((scale * way**2).sum())
    if norm <= 0.0:
        return prices, way
    return prices.moved(way * (reach / norm)), way
