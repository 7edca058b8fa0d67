"""Lower bounds of what single regions and prefixes of a set cost, for the compiled search."""

from __future__ import annotations

import numpy as np

from ml.placement.kernel.jit import inner
from ml.placement.kernel.types import (
    ADDS,
    ALLOWED,
    BASE,
    EGRESS,
    FACTOR,
    FEE,
    HELD,
    HIGH,
    HOP,
    IN_TIME,
    INSIDE,
    IS_HARD,
    IS_PROOF,
    MAY,
    NEAR_MEAN,
    NEAR_WORTH,
    PLACE,
    PRICE,
    RANK,
    RATE,
    RENT,
    REPLICA,
    RTT,
    SIZE,
    SPENT,
    STRAY,
    TAKEN,
    UNIT,
    USD,
    WAYS,
    WEIGHT,
    Fixed,
    Local,
    Part,
    Tree,
)

_NEAR = 3
"""A region is among the nearest of a client up to this place."""


@inner
def prepare(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """Fill the bounds of single regions."""
    n_r = fixed.rtt.shape[0]
    per = 1.0 / (part.own[i, RATE] * fixed.utilisation)
    most = local.astray[local.astray.shape[0] - 1, 3] * per
    # What is counted as least instances is not counted by load: large services count by load.
    counted = 1.0 if most <= 2.0 * fixed.least else 2.0 * fixed.least / most
    weight = fixed.cost_weight
    least_unit = np.inf
    for r in range(n_r):
        if part.area[i, r, ALLOWED] > 0.0:
            tree.region[r, UNIT] = weight * part.area[i, r, PRICE] + part.area[i, r, RENT]
            least_unit = min(least_unit, tree.region[r, UNIT])
    if part.own[i, IS_PROOF] > 0.0:
        per = 1.0 / (part.own[i, RATE] * fixed.after_loss)
    per *= 1.0 - counted
    least_stray = np.inf
    for r in range(n_r):
        if not (part.area[i, r, ALLOWED] > 0.0):
            continue
        tree.region[r, FEE] = weight * (
            fixed.open_usd + part.area[i, r, HOP] + part.own[i, REPLICA]
        )
        tree.region[r, FEE] += counted * fixed.least * tree.region[r, UNIT]
        if part.area[i, r, ADDS] > 0.0:
            tree.region[r, FEE] += fixed.move_price
        _fill_ways(r, i, per, weight, part, local, tree)
        least_stray = min(least_stray, tree.region[r, STRAY])
    tree.facts[0] = most
    tree.facts[1] = (
        most * fixed.utilisation / fixed.after_loss if (part.own[i, IS_PROOF] > 0.0) else 0.0
    )
    tree.facts[2], tree.facts[3], tree.facts[4] = counted, least_unit, least_stray
    tree.facts[5], tree.facts[6] = -1.0, 0.0
    if part.own[i, IS_PROOF] > 0.0:
        _add_reserve(i, fixed, part, local, tree)
    if (part.own[i, IS_HARD] > 0.0) and local.astray[local.astray.shape[0] - 1, 2] > 0.0:
        _prepare_ok(i, fixed, part, local, tree)


@inner
def _fill_ways(
    r: int, i: int, per: float, weight: float, part: Part, local: Local, tree: Tree
) -> None:
    """Fill what serving each client from a region costs at least, and what is spread over all."""
    at, has_hours = _busy_hour(r, local), local.marks[SIZE, 1] > 0
    stray_peak = local.peak[local.peak.shape[0] - 1, at] if has_hours else 0.0
    tree.region[r, STRAY] = (
        weight * _stray_usd(i, r, part, local) + tree.region[r, UNIT] * stray_peak * per
    )
    for c in range(local.marks[SIZE, 0]):
        usd = local.place[EGRESS, r, c] + local.client[c, NEAR_MEAN] * part.area[i, r, SPENT]
        usd += local.client[c, NEAR_WORTH] * _least_ms(i, r, local.place[RTT, r, c], part)
        held = tree.region[r, UNIT] * local.peak[c, at] * per if has_hours else 0.0
        tree.pair[HELD, r, c] = held
        tree.pair[WAYS, r, c] = weight * usd + held


@inner
def _busy_hour(r: int, local: Local) -> int:
    """Return the hour in which clients near a region ask for most: any hour gives a valid bound."""
    at, most = 0, -1.0
    for h in range(local.marks[SIZE, 1]):
        total = 0.0
        for c in range(local.marks[SIZE, 0]):
            if local.place[RANK, r, c] < _NEAR:
                total += local.peak[c, h]
        if total > most:
            at, most = h, total
    return at


@inner
def _add_reserve(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """Add what other regions hold for a client while its nearest may be lost.

    The next region of each client holds, on average over the regions that may be lost, at least
    an even share of the client's load.
    """
    others = max(1, int(part.own[i, HIGH]) - 1)
    for c in range(local.marks[SIZE, 0]):
        least = np.inf
        for r in range(fixed.rtt.shape[0]):
            if part.area[i, r, ALLOWED] > 0.0:
                least = min(least, tree.pair[HELD, r, c])
        if least == np.inf:
            continue
        tree.facts[6] += least
        for r in range(fixed.rtt.shape[0]):
            if part.area[i, r, ALLOWED] > 0.0:
                tree.pair[WAYS, r, c] += least / others


@inner
def _least_ms(i: int, r: int, rtt: float, part: Part) -> float:
    least = np.inf
    for b in range(part.cell.shape[2]):
        took = part.cell[i, r, b, FACTOR] * (
            part.cell[i, r, b, WEIGHT] * rtt + part.cell[i, r, b, INSIDE]
        )
        least = min(least, took)
    return least


@inner
def _stray_usd(i: int, r: int, part: Part, local: Local) -> float:
    usd = local.astray[r, 0] + local.astray[local.astray.shape[0] - 1, 0] * part.area[i, r, SPENT]
    least = np.inf
    for b in range(part.cell.shape[2]):
        took = (
            part.cell[i, r, b, WEIGHT] * local.astray[r, 2]
            + part.cell[i, r, b, INSIDE] * local.astray[local.astray.shape[0] - 1, 1]
        )
        least = min(least, part.cell[i, r, b, FACTOR] * took)
    return float(usd + least)


@inner
def _prepare_ok(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """Fill what each region serves in time at best, and how much of that a set needs."""
    most = 0.0
    for r in range(fixed.rtt.shape[0]):
        if not (part.area[i, r, ALLOWED] > 0.0):
            continue
        stray = 0.0
        for b in range(fixed.buckets.shape[0]):
            stray = max(stray, local.ok[b, r, local.ok.shape[2] - 1])
        most = max(most, stray)
        for c in range(local.marks[SIZE, 0]):
            found = 0.0
            for b in range(fixed.buckets.shape[0]):
                found = max(found, local.ok[b, r, c])
            tree.pair[MAY, r, c] = found
    tree.facts[5] = (fixed.need - 2e-9) * local.astray[local.astray.shape[0] - 1, 2] - most


@inner
def enter(depth: int, r: int, i: int, fixed: Fixed, local: Local, tree: Tree) -> None:
    """Add region ``r`` to the prefix: depth ``depth`` holds that many regions afterwards."""
    tree.listed[depth - 1, TAKEN] = r
    above = depth - 1
    tree.sums[depth, 0] = tree.sums[above, 0] + tree.region[r, FEE]
    tree.sums[depth, 1] = tree.sums[above, 1] + tree.region[r, STRAY]
    tree.sums[depth, 3] = min(tree.sums[above, 3], tree.region[r, UNIT])
    total, in_time = 0.0, 0.0
    is_judged = tree.facts[5] >= 0.0
    for c in range(local.marks[SIZE, 0]):
        rank = local.place[RANK, r, c]
        if depth == 1 or rank < tree.near[above, PLACE, c]:
            tree.near[depth, PLACE, c] = rank
            tree.near[depth, USD, c] = tree.pair[WAYS, r, c]
            if is_judged:
                tree.near[depth, IN_TIME, c] = tree.pair[MAY, r, c]
        else:
            tree.near[depth, PLACE, c] = tree.near[above, PLACE, c]
            tree.near[depth, USD, c] = tree.near[above, USD, c]
            if is_judged:
                tree.near[depth, IN_TIME, c] = tree.near[above, IN_TIME, c]
        total += tree.near[depth, USD, c]
        if is_judged and tree.near[depth, IN_TIME, c] > 0.0:
            in_time += local.client[c, NEAR_MEAN]
    tree.sums[depth, 2], tree.sums[depth, 4] = total, in_time


@inner
def own_bound(depth: int, i: int, fixed: Fixed, part: Part, tree: Tree) -> float:
    """Return a lower bound of the prefix itself as a set, $ per hour."""
    needed = tree.facts[0]
    if depth > 1:
        needed = max(needed, tree.facts[1] * depth / (depth - 1))
    extra = max(0.0, np.ceil(needed - depth * 1e-9 - 1e-9) - depth * fixed.least)
    found = tree.sums[depth, 0] + tree.sums[depth, 2] + tree.sums[depth, 1] / depth
    found += tree.facts[2] * extra * tree.sums[depth, 3]
    if depth > 1:
        # Fewer regions hold larger reserves than the largest set that the parts were made for.
        more = 1.0 / (depth - 1) - 1.0 / max(1, int(part.own[i, HIGH]) - 1)
        found += tree.facts[6] * max(0.0, more)
    return float(found - fixed.cost_weight * (part.own[i, REPLICA] + part.own[i, BASE]))
