"""The T best region sets of every service at given prices: depth-first, with bounds.

A prefix B of regions has the value of its own routing at the most favourable utilisation. Adding
a region costs what the region costs, and gains at most what the clients nearer to it gain when it
is added alone; gains of several regions add up to no more than their sum. So no superset of B is
better than B's bound plus the few most negative differences, and most regions drop out at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ml.placement.kernel.bounds import enter, own_bound, prepare
from ml.placement.kernel.jit import compiled, inner, source_stamp
from ml.placement.kernel.local import fill_local
from ml.placement.kernel.types import (
    ALLOWED,
    AT,
    BASE,
    COST,
    COUNT,
    FEE,
    FIRST,
    GAIN_OK,
    HIGH,
    HOLDS,
    HOME,
    IN_TIME,
    LENGTH,
    LIMIT,
    LOW,
    LOWEST,
    MAY,
    NEAR_MEAN,
    NET,
    PLACE,
    RANK,
    REGIONS,
    REPLICA,
    SIZE,
    STRAY,
    TAKEN,
    USD,
    WAYS,
    Best,
    Fixed,
    Local,
    Part,
    Tree,
)
from ml.placement.kernel.weigh import MICRO, weigh
from ml.placement.problem.instance import Ints


@inner
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
    common -= fixed.cost_weight * (part.own[i, REPLICA] + part.own[i, BASE])
    saved = tree.facts[2] * min(float(fixed.least), rest) * tree.facts[3]
    left = most - depth
    count = int(np.int64(0))
    for a in range(first, tree.listed[level, LENGTH]):
        r = tree.listed[level, FIRST + a]
        gain = 0.0
        for c in range(local.marks[SIZE, 0]):
            less = tree.near[depth, USD, c] - tree.pair[WAYS, r, c]
            if less > 0.0 and local.place[RANK, r, c] < tree.near[depth, PLACE, c]:
                gain += less
        tree.region[r, NET] = tree.region[r, FEE] - saved - gain
        tree.listed[depth, FIRST + count] = r
        count += 1
    if tree.facts[5] >= 0.0:
        count = _keep_in_time(depth, count, left, local, tree)
    all_less, one_fewer, last = _least_nets(depth, count, left, tree)
    kept = int(np.int64(0))
    ceiling = (limit + fixed.slack + 1e-9 * abs(limit)) / MICRO
    for a in range(count):
        r = tree.listed[depth, FIRST + a]
        bound = common + (
            all_less if tree.region[r, NET] <= last else one_fewer + tree.region[r, NET]
        )
        if bound <= ceiling:
            _insert(depth, kept, r, bound, tree)
            kept += 1
    tree.listed[depth, LENGTH] = kept
    tree.listed[depth, AT] = 0


@inner
def _insert(depth: int, kept: int, r: int, bound: float, tree: Tree) -> None:
    """Keep candidates by their difference: the most promising sets come first."""
    a = kept
    while a > 0 and tree.region[tree.listed[depth, FIRST + a - 1], NET] > tree.region[r, NET]:
        tree.listed[depth, FIRST + a] = tree.listed[depth, FIRST + a - 1]
        tree.bound[depth, a] = tree.bound[depth, a - 1]
        a -= 1
    tree.listed[depth, FIRST + a] = r
    tree.bound[depth, a] = bound


@inner
def _least_nets(depth: int, count: int, left: int, tree: Tree) -> tuple[float, float, float]:
    """Return the sum of the ``left`` most negative nets, of one fewer, and the last of them."""
    for step in range(left):
        tree.facts[LOWEST + step] = 0.0
    for a in range(count):
        net = tree.region[tree.listed[depth, FIRST + a], NET]
        step = left - 1
        if net >= tree.facts[LOWEST + step]:
            continue
        while step > 0 and tree.facts[LOWEST + step - 1] > net:
            tree.facts[LOWEST + step] = tree.facts[LOWEST + step - 1]
            step -= 1
        tree.facts[LOWEST + step] = net
    total = 0.0
    for step in range(left):
        total += tree.facts[LOWEST + step]
    return total, total - tree.facts[LOWEST + left - 1], tree.facts[LOWEST + left - 1]


@inner
def _keep_in_time(depth: int, count: int, left: int, local: Local, tree: Tree) -> int:
    """Drop regions with which no superset of the prefix serves enough demand in time."""
    most = 0.0
    for a in range(count):
        r = tree.listed[depth, FIRST + a]
        gain = 0.0
        for c in range(local.marks[SIZE, 0]):
            is_nearer = local.place[RANK, r, c] < tree.near[depth, PLACE, c]
            if is_nearer and tree.pair[MAY, r, c] > 0.0 and tree.near[depth, IN_TIME, c] == 0.0:
                gain += local.client[c, NEAR_MEAN]
        tree.region[r, GAIN_OK] = gain
        most = max(most, gain)
    kept = 0
    for a in range(count):
        r = tree.listed[depth, FIRST + a]
        if tree.sums[depth, 4] + tree.region[r, GAIN_OK] + (left - 1) * most >= tree.facts[5]:
            tree.listed[depth, FIRST + kept] = r
            kept += 1
    return kept


@inner
def _is_before(i: int, t: int, value: float, ids: Ints, k: int, best: Best) -> bool:
    """Order plans by value, then number of regions, then region numbers."""
    if value != best.value[i, t]:
        return bool(value < best.value[i, t])
    if k != best.plan[i, t, HOLDS]:
        return bool(k < best.plan[i, t, HOLDS])
    for j in range(k):
        if ids[j] != best.plan[i, t, REGIONS + j]:
            return bool(ids[j] < best.plan[i, t, REGIONS + j])
    return False


@inner
def _keep(i: int, value: float, cost: float, k: int, local: Local, tree: Tree, best: Best) -> None:
    """Insert the set in ``tree.ids`` into the list of the best."""
    last = best.value.shape[1] - 1
    if not _is_before(i, last, value, tree.ids, k, best):
        return
    t = last
    while t > 0 and _is_before(i, t - 1, value, tree.ids, k, best):
        best.value[i, t], best.plan[i, t, COST] = best.value[i, t - 1], best.plan[i, t - 1, COST]
        best.plan[i, t, HOLDS] = best.plan[i, t - 1, HOLDS]
        for j in range(best.width):
            best.plan[i, t, REGIONS + j] = best.plan[i, t - 1, REGIONS + j]
            best.plan[i, t, REGIONS + best.width + j] = best.plan[
                i, t - 1, REGIONS + best.width + j
            ]
        t -= 1
    best.value[i, t], best.plan[i, t, COST], best.plan[i, t, HOLDS] = value, int(cost), k
    for j in range(best.width):
        best.plan[i, t, REGIONS + j] = tree.ids[j] if j < k else -1
        best.plan[i, t, REGIONS + best.width + j] = local.marks[COUNT, j] if j < k else 0


@inner
def _try_prefix(
    depth: int, i: int, fixed: Fixed, part: Part, local: Local, tree: Tree, best: Best
) -> None:
    """Evaluate the prefix as a set of its own where its bound allows that it is among the best."""
    limit = min(part.own[i, LIMIT], best.value[i, best.value.shape[1] - 1])
    bound = own_bound(depth, i, fixed, part, tree) * MICRO
    if depth < int(part.own[i, LOW]) or bound > limit + fixed.slack + 1e-9 * abs(limit):
        return
    if tree.facts[5] >= 0.0 and tree.sums[depth, 4] < tree.facts[5]:
        return
    for j in range(depth):
        a = j
        while a > 0 and tree.ids[a - 1] > tree.listed[j, TAKEN]:
            tree.ids[a] = tree.ids[a - 1]
            a -= 1
        tree.ids[a] = tree.listed[j, TAKEN]
    best.evaluated[i] += 1
    value, cost = weigh(tree.ids, depth, i, fixed, part, local, limit)
    if value < np.inf and value <= part.own[i, LIMIT]:
        _keep(i, value, cost, depth, local, tree, best)


@inner
def _roots(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree) -> None:
    """List the allowed regions, the best alone first."""
    tree.sums[0, :] = 0.0
    tree.sums[0, 3] = np.inf
    # A plain 0 would be a type of its own to the compiler, and all below it compiled once more.
    top, count = int(np.int64(0)), int(np.int64(0))
    for r in range(fixed.rtt.shape[0]):
        if part.area[i, r, ALLOWED] > 0.0:
            total = tree.region[r, FEE] + tree.region[r, STRAY]
            for c in range(local.marks[SIZE, 0]):
                total += tree.pair[WAYS, r, c]
            tree.region[r, NET] = total
            _insert(top, count, r, -np.inf, tree)
            count += 1
    tree.listed[0, LENGTH], tree.listed[0, AT] = count, 0


@inner
def _descend(i: int, fixed: Fixed, part: Part, local: Local, tree: Tree, best: Best) -> None:
    """Walk the tree of sets; every set is reached once."""
    most = int(part.own[i, HIGH])
    last = best.value.shape[1] - 1
    depth = 0
    while depth >= 0:
        if tree.listed[depth, AT] >= tree.listed[depth, LENGTH]:
            depth -= 1
            continue
        a = tree.listed[depth, AT]
        tree.listed[depth, AT] += 1
        limit = min(part.own[i, LIMIT], best.value[i, last])
        if tree.bound[depth, a] * MICRO > limit + fixed.slack + 1e-9 * abs(limit):
            continue
        enter(depth + 1, tree.listed[depth, FIRST + a], i, fixed, local, tree)
        _try_prefix(depth + 1, i, fixed, part, local, tree, best)
        if depth + 1 < most:
            limit = min(part.own[i, LIMIT], best.value[i, last])
            _expand(depth + 1, i, a + 1, fixed, part, local, tree, most, limit)
            depth += 1


def _made(stamp: int) -> Callable[[Fixed, Part, Local, Tree, Best], None]:
    def search(fixed: Fixed, part: Part, local: Local, tree: Tree, best: Best) -> None:
        """Fill ``best`` for every service of the chunk."""
        # Never so: the stamp is here to tell compiled code of older sources apart.
        if stamp < 0:
            return
        for i in range(part.asked.shape[0]):
            fill_local(i, fixed, part, local)
            prepare(i, fixed, part, local, tree)
            _roots(i, fixed, part, local, tree)
            _descend(i, fixed, part, local, tree, best)
            k = int(np.int64(0))
            for r in range(fixed.rtt.shape[0]):
                if part.area[i, r, HOME] > 0.0:
                    tree.ids[k] = r
                    k += 1
            if k > 0:
                best.evaluated[i] += 1
                value, cost = weigh(tree.ids, k, i, fixed, part, local, np.inf)
                if value < np.inf and value <= part.own[i, LIMIT]:
                    _keep(i, value, cost, k, local, tree, best)

    return compiled(search)


search = _made(source_stamp(Path(__file__).parent.glob("*.py")))
