"""Inner loops of the two relaxations, compiled where numba is installed.

Compiled because a proof takes 10^4 to 10^5 evaluations and each walks a ragged part of a matrix:
NumPy has to touch all of it, or sort all of it. No fast-math, so the sums keep their order, and
without the compiler the same functions give the same figures. What they call is in this file:
a change to it makes all of them be compiled anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ml.placement.kernel.jit import making_arrays


@making_arrays
def median_values(order: Any, near: Any, price: Any, values: Any) -> None:
    """Add up what each site saves at the customers' prices.

    Args:
        order: Sites from near to far, by customer, ``(n, m)``.
        near: Their distances.
        price: ``(n,)``.
        values: Result, sum of min(0, distance - price), ``(m,)``.
    """
    values[:] = 0.0
    for j in range(near.shape[0]):
        top = price[j]
        for k in range(near.shape[1]):
            distance = near[j, k]
            if distance >= top:
                break
            values[order[j, k]] += distance - top


@making_arrays
def median_served(order: Any, near: Any, price: Any, weight: Any, served: Any) -> None:
    """Count how often each customer is served by the weighted sites, ``(n,)``."""
    for j in range(near.shape[0]):
        top = price[j]
        total = 0.0
        for k in range(near.shape[1]):
            if near[j, k] >= top:
                break
            total += weight[order[j, k]]
        served[j] = total


@making_arrays
def median_restricted(order: Any, near: Any, position: Any, new_order: Any, new_near: Any) -> None:
    """Keep some sites: a node of the search needs this once, and masks took most of its time.

    Args:
        order: Sites from near to far, by customer, ``(n, m)``.
        near: Their distances.
        position: New number of each site, -1 where it is left out, ``(m,)``.
        new_order: Result, ``(n, kept)``.
        new_near: Result.
    """
    for j in range(order.shape[0]):
        k = 0
        for x in range(order.shape[1]):
            to = position[order[j, x]]
            if to >= 0:
                new_order[j, k] = to
                new_near[j, k] = near[j, x]
                k += 1


@making_arrays
def _settle(distance: Any, sites: Any, first: Any, second: Any, home: Any, loss: Any) -> float:
    """Find each customer's nearest two sites, and what the removal of each site costs."""
    loss[:] = 0.0
    total = 0.0
    for j in range(distance.shape[0]):
        first[j], second[j] = np.inf, np.inf
        for q in range(sites.size):
            here = distance[j, sites[q]]
            if here < first[j]:
                second[j] = first[j]
                first[j] = here
                home[j] = q
            elif here < second[j]:
                second[j] = here
        loss[home[j]] += second[j] - first[j]
        total += first[j]
    return total


@making_arrays
def _gain(distance: Any, i: int, first: Any, second: Any, home: Any, spared: Any) -> float:
    """Return what adding a site gains; ``spared`` gets what it saves of each removal's loss."""
    gain = 0.0
    spared[:] = 0.0
    for j in range(distance.shape[0]):
        here = distance[j, i]
        if here < first[j]:
            gain += first[j] - here
            spared[home[j]] += second[j] - first[j]
        elif here < second[j]:
            spared[home[j]] += second[j] - here
    return gain


@making_arrays
def exchange(distance: Any, sites: Any) -> float:
    """Swap a chosen site for another while that saves anything; the best swap each time.

    Args:
        distance: ``(n, n)``.
        sites: Chosen sites, changed in place.

    Returns:
        Total distance of the last choice.

    References:
        Whitaker (1983); one pass finds the loss of every removal and the gain of every addition.
    """
    (n, m), p = distance.shape, sites.size
    chosen = np.zeros(m, dtype=np.bool_)
    for q in range(p):
        chosen[sites[q]] = True
    first, second = np.empty(n), np.empty(n)
    home = np.empty(n, dtype=np.int64)
    loss, spared = np.empty(p), np.empty(p)
    while True:
        total = _settle(distance, sites, first, second, home, loss)
        best, enter, leave = -1e-9 * (1.0 + abs(total)), -1, -1
        for i in range(m):
            if chosen[i]:
                continue
            gain = _gain(distance, i, first, second, home, spared)
            for q in range(p):
                change = loss[q] - spared[q] - gain
                if change < best:
                    best, enter, leave = change, i, q
        if enter < 0:
            return total
        chosen[sites[leave]] = False
        sites[leave] = enter
        chosen[enter] = True


@making_arrays
def warehouse_site(cost: Any, price: Any, demand: Any, capacity: float, share: Any) -> float:
    """Fill one site with the customers that save most per unit of demand.

    Args:
        cost: Cost of serving each customer here, ``(n,)``.
        price: ``(n,)``.
        demand: ``(n,)``.
        capacity: Of the site.
        share: Result, share of each customer served, ``(n,)``.

    Returns:
        Sum of (cost - price) x share, not positive.
    """
    share[:] = 0.0
    worth = np.empty(cost.size, dtype=np.int64)
    count, needed = 0, 0.0
    for j in range(cost.size):
        if cost[j] < price[j]:
            worth[count] = j
            count += 1
            needed += demand[j]
    total = 0.0
    if needed <= capacity:
        for k in range(count):
            share[worth[k]] = 1.0
            total += cost[worth[k]] - price[worth[k]]
        return total
    rate = np.empty(count)
    for k in range(count):
        j = worth[k]
        rate[k] = (cost[j] - price[j]) / demand[j] if demand[j] > 0 else -np.inf
    left = capacity
    for k in np.argsort(rate, kind="mergesort"):
        j = worth[k]
        part = 1.0 if demand[j] <= left else left / demand[j]
        share[j] = part
        total += part * (cost[j] - price[j])
        left -= part * demand[j]
        if part < 1.0:
            break
    return total


@making_arrays
def warehouse_values(
    cost: Any, fixed: Any, capacity: Any, demand: Any, price: Any, values: Any
) -> None:
    """Fill every site at the customers' prices; ``values`` gets opening cost less savings."""
    share = np.empty(demand.size)
    for i in range(cost.shape[0]):
        values[i] = fixed[i] + warehouse_site(cost[i], price, demand, capacity[i], share)


@making_arrays
def warehouse_served(
    cost: Any, capacity: Any, demand: Any, price: Any, weight: Any, served: Any
) -> None:
    """Add up how much of each customer the weighted sites serve, ``(n,)``."""
    share = np.empty(demand.size)
    served[:] = 0.0
    for i in range(cost.shape[0]):
        if weight[i] > 0:
            warehouse_site(cost[i], price, demand, capacity[i], share)
            for j in range(served.size):
                served[j] += weight[i] * share[j]
