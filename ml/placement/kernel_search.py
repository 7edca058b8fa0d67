"""The T best region sets of every service at given prices: depth-first, with bounds.

A prefix B of regions has the value of its own routing at the most favourable utilisation. Adding
a region costs what the region costs, and gains at most what the clients nearer to it gain when it
is added alone; gains of several regions add up to no more than their sum. So no superset of B is
better than B's bound plus the few most negative differences, and most regions drop out at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml.placement.instance import Flags, Floats, Ints
from ml.placement.kernel_jit import compiled
from ml.placement.kernel_types import Best, Fixed, Local, Part
from ml.placement.kernel_weigh import MICRO, fill_local, weigh


class Tree(NamedTuple):
    """Work space of the search, by depth where the first axis is K."""

    ways: Floats
    """Least $ per hour of a client's near part in a region, with its share of compute, ``(R, C)``."""
    held: Floats
    """The share of compute in it, ``(R, C)``."""
    stray: Floats
    """The same for what is spread over all open regions, ``(R,)``."""
    fee: Floats
    """$ per hour of opening a region with its least instances, ``(R,)``."""
    unit: Floats
    """$ per hour of an instance with rent, ``(R,)``."""
    near_usd: Floats
    near_rank: Ints
    near_ok: Flags
    may: Floats
    """Demand of a client that a region can serve in time, at best, ``(R, C)``."""
    candidate: Ints
    bound: Floats
    n_candidates: Ints
    at: Ints
    chosen: Ints
    sums: Floats
    """Fees, strays, near parts, cheapest unit of the prefix, demand in time, ``(K + 1, 5)``."""
    net: Floats
    gain_ok: Floats
    low: Floats
    """The most negative differences, ``(K,)``."""
    ids: Ints
    facts: Floats
    """Instances at peak, the same after a loss, share of counted compute, least unit, least stray,
    least demand in time from near parts, $ per hour of reserves for one region lost."""


_NEAR = 3
"""A region is among the nearest of a client up to this place."""


@compiled
def _prepare(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """Fill the bounds of single regions."""
    n_r, n_c = fixed.rtt.shape[0], local.size[0]
    per = 1.0 / (part.rate[i] * fixed.utilisation)
    most = local.totals[3] * per
    # What is counted as least instances is not counted by load: large services count by load.
    counted = 1.0 if most <= 2.0 * fixed.least else 2.0 * fixed.least / most
    weight = fixed.cost_weight
    least_unit = np.inf
    for r in range(n_r):
        if part.allowed[i, r]:
            tree.unit[r] = weight * part.price[i, r] + part.rent[i, r]
            least_unit = min(least_unit, tree.unit[r])
    if part.is_proof[i]:
        per = 1.0 / (part.rate[i] * fixed.after_loss)
    per *= 1.0 - counted
    least_stray = np.inf
    for r in range(n_r):
        if not part.allowed[i, r]:
            continue
        tree.fee[r] = weight * (fixed.open_usd + part.hop[i, r] + part.replica[i])
        tree.fee[r] += counted * fixed.least * tree.unit[r]
        if part.adds[i, r]:
            tree.fee[r] += fixed.move_price
        at = _busy_hour(r, local)
        stray_peak = local.astray_peak[at] if local.size[1] > 0 else 0.0
        tree.stray[r] = weight * _stray_usd(i, r, part, local) + tree.unit[r] * stray_peak * per
        for c in range(n_c):
            usd = local.egress[r, c] + local.near_mean[c] * part.spent[i, r]
            usd += local.near_worth[c] * _least_ms(i, r, local.rtt[r, c], part)
            held = tree.unit[r] * local.peak[c, at] * per if local.size[1] > 0 else 0.0
            tree.held[r, c] = held
            tree.ways[r, c] = weight * usd + held
        least_stray = min(least_stray, tree.stray[r])
    tree.facts[0] = most
    tree.facts[1] = most * fixed.utilisation / fixed.after_loss if part.is_proof[i] else 0.0
    tree.facts[2], tree.facts[3], tree.facts[4] = counted, least_unit, least_stray
    tree.facts[5], tree.facts[6] = -1.0, 0.0
    if part.is_proof[i]:
        _add_reserve(i, fixed, part, local, tree)
    if part.is_hard[i] and local.totals[2] > 0.0:
        _prepare_ok(i, fixed, part, local, tree)


@compiled
def _busy_hour(r: int, local: Local) -> int:
    """Return the hour in which clients near a region ask for most: any hour gives a valid bound."""
    at, most = 0, -1.0
    for h in range(local.size[1]):
        total = 0.0
        for c in range(local.size[0]):
            if local.rank[r, c] < _NEAR:
                total += local.peak[c, h]
        if total > most:
            at, most = h, total
    return at


@compiled
def _add_reserve(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """Add what other regions hold for a client while its nearest may be lost.

    The next region of each client holds, on average over the regions that may be lost, at least
    an even share of the client's load.
    """
    others = max(1, part.high[i] - 1)
    for c in range(local.size[0]):
        least = np.inf
        for r in range(fixed.rtt.shape[0]):
            if part.allowed[i, r]:
                least = min(least, tree.held[r, c])
        if least == np.inf:
            continue
        tree.facts[6] += least
        for r in range(fixed.rtt.shape[0]):
            if part.allowed[i, r]:
                tree.ways[r, c] += least / others


@compiled
def _least_ms(i: int, r: int, rtt: float, part: Part) -> float:
    least = np.inf
    for b in range(part.inside.shape[2]):
        took = part.factor[i, r, b] * (part.weight[i, r, b] * rtt + part.inside[i, r, b])
        least = min(least, took)
    return least


@compiled
def _stray_usd(i: int, r: int, part: Part, local: Local) -> float:
    usd = local.astray[r, 0] + local.totals[0] * part.spent[i, r]
    least = np.inf
    for b in range(part.inside.shape[2]):
        took = part.weight[i, r, b] * local.astray[r, 2] + part.inside[i, r, b] * local.totals[1]
        least = min(least, part.factor[i, r, b] * took)
    return usd + least


@compiled
def _prepare_ok(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """Fill what each region serves in time at best, and how much of that a set needs."""
    most = 0.0
    for r in range(fixed.rtt.shape[0]):
        if not part.allowed[i, r]:
            continue
        stray = 0.0
        for b in range(fixed.buckets.shape[0]):
            stray = max(stray, local.astray_ok[b, r])
        most = max(most, stray)
        for c in range(local.size[0]):
            found = 0.0
            for b in range(fixed.buckets.shape[0]):
                found = max(found, local.ok[b, r, c])
            tree.may[r, c] = found
    tree.facts[5] = (fixed.need - 2e-9) * local.totals[2] - most


@compiled
def _enter(depth: int, r: int, i: int, fixed: Fixed, local: Local, tree: Tree) -> None:
    """Add region ``r`` to the prefix: depth ``depth`` holds that many regions afterwards."""
    tree.chosen[depth - 1] = r
    above = depth - 1
    tree.sums[depth, 0] = tree.sums[above, 0] + tree.fee[r]
    tree.sums[depth, 1] = tree.sums[above, 1] + tree.stray[r]
    tree.sums[depth, 3] = min(tree.sums[above, 3], tree.unit[r])
    total, in_time = 0.0, 0.0
    is_judged = tree.facts[5] >= 0.0
    for c in range(local.size[0]):
        rank = local.rank[r, c]
        if depth == 1 or rank < tree.near_rank[above, c]:
            tree.near_rank[depth, c] = rank
            tree.near_usd[depth, c] = tree.ways[r, c]
            if is_judged:
                tree.near_ok[depth, c] = tree.may[r, c] > 0.0
        else:
            tree.near_rank[depth, c] = tree.near_rank[above, c]
            tree.near_usd[depth, c] = tree.near_usd[above, c]
            if is_judged:
                tree.near_ok[depth, c] = tree.near_ok[above, c]
        total += tree.near_usd[depth, c]
        if is_judged and tree.near_ok[depth, c]:
            in_time += local.near_mean[c]
    tree.sums[depth, 2], tree.sums[depth, 4] = total, in_time


@compiled
def _own_bound(depth: int, i: int, fixed: Fixed, part: Part, tree: Tree) -> float:
    """Return a lower bound of the prefix itself as a set, $ per hour."""
    needed = tree.facts[0]
    if depth > 1:
        needed = max(needed, tree.facts[1] * depth / (depth - 1))
    extra = max(0.0, np.ceil(needed - depth * 1e-9 - 1e-9) - depth * fixed.least)
    found = tree.sums[depth, 0] + tree.sums[depth, 2] + tree.sums[depth, 1] / depth
    found += tree.facts[2] * extra * tree.sums[depth, 3]
    if depth > 1:
        # Fewer regions hold larger reserves than the largest set that the parts were made for.
        more = 1.0 / (depth - 1) - 1.0 / max(1, part.high[i] - 1)
        found += tree.facts[6] * max(0.0, more)
    return found - fixed.cost_weight * (part.replica[i] + part.base[i])


@compiled
def _expand(
    depth: int,
    i: int,
    first: int,
    fixed: Fixed,
    part: Part,
    local: Local,
    tree: Tree,
    most: int,
    limit: float,
) -> None:
    """List the regions that can still be added to the prefix of ``depth`` regions.

    Candidates come from the list one level up, from place ``first`` on.
    """
    level = depth - 1
    needed = tree.facts[0]
    if most > 1:
        needed = max(needed, tree.facts[1] * most / (most - 1))
    rest = max(0.0, needed - most * 1e-9 - depth * fixed.least)
    common = tree.sums[depth, 0] + tree.sums[depth, 2]
    common += (tree.sums[depth, 1] + (most - depth) * tree.facts[4]) / most
    common += tree.facts[2] * rest * tree.facts[3]
    common -= fixed.cost_weight * (part.replica[i] + part.base[i])
    saved = tree.facts[2] * min(float(fixed.least), rest) * tree.facts[3]
    left = most - depth
    count = np.int64(0)
    for a in range(first, tree.n_candidates[level]):
        r = tree.candidate[level, a]
        gain = 0.0
        for c in range(local.size[0]):
            less = tree.near_usd[depth, c] - tree.ways[r, c]
            if less > 0.0 and local.rank[r, c] < tree.near_rank[depth, c]:
                gain += less
        tree.net[r] = tree.fee[r] - saved - gain
        tree.candidate[depth, count] = r
        count += 1
    if tree.facts[5] >= 0.0:
        count = _keep_in_time(depth, count, left, local, tree)
    all_less, one_fewer, last = _least_nets(depth, count, left, tree)
    kept = np.int64(0)
    ceiling = (limit + fixed.slack + 1e-9 * abs(limit)) / MICRO
    for a in range(count):
        r = tree.candidate[depth, a]
        bound = common + (all_less if tree.net[r] <= last else one_fewer + tree.net[r])
        if bound <= ceiling:
            _insert(depth, kept, r, bound, tree)
            kept += 1
    tree.n_candidates[depth] = kept
    tree.at[depth] = 0


@compiled
def _insert(depth: int, kept: int, r: int, bound: float, tree: Tree) -> None:
    """Keep candidates by their difference: the most promising sets come first."""
    a = kept
    while a > 0 and tree.net[tree.candidate[depth, a - 1]] > tree.net[r]:
        tree.candidate[depth, a] = tree.candidate[depth, a - 1]
        tree.bound[depth, a] = tree.bound[depth, a - 1]
        a -= 1
    tree.candidate[depth, a] = r
    tree.bound[depth, a] = bound


@compiled
def _least_nets(depth: int, count: int, left: int, tree: Tree) -> tuple[float, float, float]:
    """Return the sum of the ``left`` most negative nets, of one fewer, and the last of them."""
    for step in range(left):
        tree.low[step] = 0.0
    for a in range(count):
        net = tree.net[tree.candidate[depth, a]]
        step = left - 1
        if net >= tree.low[step]:
            continue
        while step > 0 and tree.low[step - 1] > net:
            tree.low[step] = tree.low[step - 1]
            step -= 1
        tree.low[step] = net
    total = 0.0
    for step in range(left):
        total += tree.low[step]
    return total, total - tree.low[left - 1], tree.low[left - 1]


@compiled
def _keep_in_time(depth: int, count: int, left: int, local: Local, tree: Tree) -> int:
    """Drop regions with which no superset of the prefix serves enough demand in time."""
    most = 0.0
    for a in range(count):
        r = tree.candidate[depth, a]
        gain = 0.0
        for c in range(local.size[0]):
            is_nearer = local.rank[r, c] < tree.near_rank[depth, c]
            if is_nearer and tree.may[r, c] > 0.0 and not tree.near_ok[depth, c]:
                gain += local.near_mean[c]
        tree.gain_ok[r] = gain
        most = max(most, gain)
    kept = 0
    for a in range(count):
        r = tree.candidate[depth, a]
        if tree.sums[depth, 4] + tree.gain_ok[r] + (left - 1) * most >= tree.facts[5]:
            tree.candidate[depth, kept] = r
            kept += 1
    return kept


@compiled
def _is_before(i: int, t: int, value: float, ids: Ints, k: int, best: Best) -> bool:
    """Order plans by value, then number of regions, then region numbers."""
    if value != best.value[i, t]:
        return value < best.value[i, t]
    if k != best.size[i, t]:
        return k < best.size[i, t]
    for j in range(k):
        if ids[j] != best.regions[i, t, j]:
            return ids[j] < best.regions[i, t, j]
    return False


@compiled
def _keep(i: int, value: float, cost: float, k: int, local: Local, tree: Tree, best: Best) -> None:
    """Insert the set in ``tree.ids`` into the list of the best."""
    last = best.value.shape[1] - 1
    if not _is_before(i, last, value, tree.ids, k, best):
        return
    t = last
    while t > 0 and _is_before(i, t - 1, value, tree.ids, k, best):
        best.value[i, t], best.cost[i, t] = best.value[i, t - 1], best.cost[i, t - 1]
        best.size[i, t] = best.size[i, t - 1]
        for j in range(best.regions.shape[2]):
            best.regions[i, t, j] = best.regions[i, t - 1, j]
            best.instances[i, t, j] = best.instances[i, t - 1, j]
        t -= 1
    best.value[i, t], best.cost[i, t], best.size[i, t] = value, int(cost), k
    for j in range(best.regions.shape[2]):
        best.regions[i, t, j] = tree.ids[j] if j < k else -1
        best.instances[i, t, j] = local.count[j] if j < k else 0


@compiled
def _try_prefix(
    depth: int, i: int, fixed: Fixed, part: Part, local: Local, tree: Tree, best: Best
) -> None:
    """Evaluate the prefix as a set of its own where its bound allows that it is among the best."""
    limit = min(part.limit[i], best.value[i, best.value.shape[1] - 1])
    bound = _own_bound(depth, i, fixed, part, tree) * MICRO
    if depth < part.low[i] or bound > limit + fixed.slack + 1e-9 * abs(limit):
        return
    if tree.facts[5] >= 0.0 and tree.sums[depth, 4] < tree.facts[5]:
        return
    for j in range(depth):
        a = j
        while a > 0 and tree.ids[a - 1] > tree.chosen[j]:
            tree.ids[a] = tree.ids[a - 1]
            a -= 1
        tree.ids[a] = tree.chosen[j]
    best.evaluated[i] += 1
    value, cost = weigh(tree.ids, depth, i, fixed, part, local, limit)
    if value < np.inf and value <= part.limit[i]:
        _keep(i, value, cost, depth, local, tree, best)


@compiled
def _roots(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """List the allowed regions, the best alone first."""
    tree.sums[0, :] = 0.0
    tree.sums[0, 3] = np.inf
    # A plain 0 would be a type of its own to the compiler, and all below it compiled once more.
    top, count = np.int64(0), np.int64(0)
    for r in range(fixed.rtt.shape[0]):
        if part.allowed[i, r]:
            total = tree.fee[r] + tree.stray[r]
            for c in range(local.size[0]):
                total += tree.ways[r, c]
            tree.net[r] = total
            _insert(top, count, r, -np.inf, tree)
            count += 1
    tree.n_candidates[0], tree.at[0] = count, 0


@compiled
def _descend(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree, best: Best) -> None:
    """Walk the tree of sets; every set is reached once."""
    most = part.high[i]
    last = best.value.shape[1] - 1
    depth = 0
    while depth >= 0:
        if tree.at[depth] >= tree.n_candidates[depth]:
            depth -= 1
            continue
        a = tree.at[depth]
        tree.at[depth] += 1
        limit = min(part.limit[i], best.value[i, last])
        if tree.bound[depth, a] * MICRO > limit + fixed.slack + 1e-9 * abs(limit):
            continue
        _enter(depth + 1, tree.candidate[depth, a], i, fixed, local, tree)
        _try_prefix(depth + 1, i, fixed, part, local, tree, best)
        if depth + 1 < most:
            limit = min(part.limit[i], best.value[i, last])
            _expand(depth + 1, i, a + 1, fixed, part, local, tree, most, limit)
            depth += 1


@compiled
def search(fixed: Fixed, part: Part, local: Local, tree: Tree, best: Best) -> None:
    """Fill ``best`` for every service of the chunk."""
    for i in range(part.mean.shape[0]):
        fill_local(i, fixed, part, local)
        _prepare(i, fixed, part, local, tree)
        _roots(i, fixed, part, local, tree)
        _descend(i, fixed, part, local, tree, best)
        k = np.int64(0)
        for r in range(fixed.rtt.shape[0]):
            if part.home[i, r]:
                tree.ids[k] = r
                k += 1
        if k > 0:
            best.evaluated[i] += 1
            value, cost = weigh(tree.ids, k, i, fixed, part, local, np.inf)
            if value < np.inf and value <= part.limit[i]:
                _keep(i, value, cost, k, local, tree, best)
