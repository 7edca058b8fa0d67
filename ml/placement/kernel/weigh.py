"""One region set of one service, compiled: the arithmetic of :mod:`ml.placement.fleet.evaluate`.

Sums run over the clients in a fixed order on one thread and without fast-math, so they repeat;
against the matrix products of the other path they may differ in the last bits.
"""

from __future__ import annotations

import numpy as np

from ml.placement.kernel.jit import inner
from ml.placement.kernel.local import SLACK, bucket_of, fill_peaks
from ml.placement.kernel.types import (
    ADDS,
    BASE,
    COUNT,
    EGRESS,
    FACTOR,
    FLOOR,
    HOP,
    INSIDE,
    IS_HARD,
    IS_PROOF,
    LOAD,
    LOST,
    MOST,
    NEAR,
    NEAR_MEAN,
    NEAR_WORTH,
    PRICE,
    RANK,
    RATE,
    RENT,
    REPLICA,
    RTT,
    SIZE,
    SLOWEST,
    SPENT,
    WEIGHT,
    Fixed,
    Local,
    Part,
)
from ml.placement.problem.instance import Ints

_STEPS = 2
MICRO = 1_000_000.0


@inner
def _routed(ids: Ints, k: int, i: int, part: Part, local: Local) -> float:
    """Fill the sums by slot and return what the routing costs: egress and onward calls."""
    usd = 0.0
    for j in range(k):
        r = ids[j]
        local.slot[j, 0] = local.astray[local.astray.shape[0] - 1, 0] / k
        local.slot[j, 1] = local.astray[r, 1] / k
        local.slot[j, 2] = local.astray[local.astray.shape[0] - 1, 1] / k
        local.slot[j, 3] = local.astray[r, 2] / k
        usd += local.astray[r, 0] / k
    for c in range(local.marks[SIZE, 0]):
        at, least = 0, local.place[RANK, ids[0], c]
        for j in range(1, k):
            if local.place[RANK, ids[j], c] < least:
                at, least = j, local.place[RANK, ids[j], c]
        local.marks[NEAR, c] = at
        rtt = local.place[RTT, ids[at], c]
        local.slot[at, 0] += local.client[c, NEAR_MEAN]
        local.slot[at, 1] += local.client[c, NEAR_MEAN] * rtt
        local.slot[at, 2] += local.client[c, NEAR_WORTH]
        local.slot[at, 3] += local.client[c, NEAR_WORTH] * rtt
        usd += local.place[EGRESS, ids[at], c]
    for j in range(k):
        usd += local.slot[j, 0] * part.area[i, ids[j], SPENT]
    return usd


@inner
def _stepped(j: int, i: int, more: int, fixed: Fixed, part: Part, local: Local) -> int:
    """Return the instances with which slot ``j`` is ``more`` utilisation buckets quieter."""
    count = int(local.marks[COUNT, j])
    if more == 0:
        return count
    load, rate = local.slot[j, LOAD], part.own[i, RATE]
    b = max(bucket_of(fixed, load / (rate * max(1, count))) - more, 0)
    return int(max(count, int(np.ceil(load / (rate * fixed.buckets[b]) - SLACK))))


@inner
def _met(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local, more: int) -> float:
    """Return the share of demand that meets the objective, slots ``more`` buckets quieter."""
    if local.astray[local.astray.shape[0] - 1, 2] <= 0.0:
        return 1.0
    found = 0.0
    for j in range(k):
        count = max(1, _stepped(j, i, more, fixed, part, local))
        b = bucket_of(fixed, local.slot[j, LOAD] / (count * part.own[i, RATE]))
        r = ids[j]
        found += local.ok[b, r, local.ok.shape[2] - 1] / k
        for c in range(local.marks[SIZE, 0]):
            if local.marks[NEAR, c] == j:
                found += local.ok[b, r, c]
    return float(found / local.astray[local.astray.shape[0] - 1, 2])


@inner
def _served(k: int, able: float, local: Local) -> float:
    """Return the share of peak demand served after the worst loss."""
    if k == 1:
        return 0.0 if local.astray[local.astray.shape[0] - 1, 2] > 0.0 else 1.0
    worst = 1.0
    for f in range(k):
        asked, got = 0.0, 0.0
        for j in range(k):
            asked += local.slot[f, LOST + j]
            got += min(local.slot[f, LOST + j], local.marks[COUNT, j] * able)
        if asked > 0.0:
            worst = min(worst, got / asked)
    return worst


@inner
def _as_safe(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local) -> None:
    """Raise the sizes to what a loss needs where fewer would survive one worse than today."""
    if part.own[i, FLOOR] <= 0.0 or k < 2:
        return
    for f in range(k):
        fill_peaks(ids, k, f, fixed.near_tie, local)
    able = part.own[i, RATE] * fixed.saturation
    if _served(k, able, local) < part.own[i, FLOOR] - SLACK:
        for f in range(k):
            _grow(ids, k, f, i, fixed, part, local)


@inner
def _grow(ids: Ints, k: int, f: int, i: int, fixed: Fixed, part: Part, local: Local) -> float:
    """Raise the sizes to what the loss of slot ``f`` needs; return what that adds, $ per hour."""
    usd = 0.0
    for j in range(k):
        load = local.slot[f, LOST + j] / (part.own[i, RATE] * fixed.after_loss)
        more = int(np.ceil(load - SLACK)) - local.marks[COUNT, j]
        if more > 0:
            r = ids[j]
            local.marks[COUNT, j] += more
            usd += more * (fixed.cost_weight * part.area[i, r, PRICE] + part.area[i, r, RENT])
    return usd


@inner
def _is_proof(
    ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local, spare: float
) -> bool:
    """Raise the sizes until any region may be lost; give up where that costs more than ``spare``.

    The fullest region comes first: its loss asks for most, and most sets end there.
    """
    full = 0
    for j in range(1, k):
        if local.slot[j, LOAD] > local.slot[full, LOAD]:
            full = j
    for step in range(k):
        f = full if step == 0 else (step - 1 if step <= full else step)
        fill_peaks(ids, k, f, fixed.near_tie, local)
        spare -= _grow(ids, k, f, i, fixed, part, local)
        if spare < 0.0:
            return False
    return True


@inner
def _waits(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local) -> tuple[float, bool]:
    """Return the $ per hour of waiting, and whether the service is no slower than allowed."""
    usd, total = 0.0, 0.0
    for j in range(k):
        r = ids[j]
        b = bucket_of(fixed, local.slot[j, 0] / (part.own[i, RATE] * max(1, local.marks[COUNT, j])))
        weight, inside = part.cell[i, r, b, WEIGHT], part.cell[i, r, b, INSIDE]
        usd += part.cell[i, r, b, FACTOR] * (weight * local.slot[j, 3] + inside * local.slot[j, 2])
        total += part.cell[i, r, b, FACTOR] * (
            weight * local.slot[j, 1] + inside * local.slot[j, 0]
        )
    mean = (
        total / local.astray[local.astray.shape[0] - 1, 2]
        if local.astray[local.astray.shape[0] - 1, 2] > 0.0
        else total
    )
    return usd, mean <= part.own[i, SLOWEST] * (1.0 + SLACK)


@inner
def _least_wait(ids: Ints, k: int, i: int, part: Part, local: Local) -> float:
    usd = 0.0
    for j in range(k):
        r, least = ids[j], np.inf
        for b in range(part.cell.shape[2]):
            took = part.cell[i, r, b, WEIGHT] * local.slot[j, 3]
            took += part.cell[i, r, b, INSIDE] * local.slot[j, 2]
            least = min(least, part.cell[i, r, b, FACTOR] * took)
        usd += least
    return usd


@inner
def _steps(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local) -> bool:
    """Go up to two utilisation buckets down where that alone meets a hard objective."""
    if not (part.own[i, IS_HARD] > 0.0):
        return True
    for more in range(_STEPS + 1):
        if _met(ids, k, i, fixed, part, local, more) >= fixed.need - SLACK:
            for j in range(k):
                local.marks[COUNT, j] = _stepped(j, i, more, fixed, part, local)
            return True
    return False


@inner
def _sized(
    ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local
) -> tuple[float, float]:
    """Fill the sizes for the peak; return their $ per hour and what a loss surely adds."""
    usd, count, least = 0.0, 0, np.inf
    for j in range(k):
        needed = np.ceil(local.slot[j, LOAD] / (part.own[i, RATE] * fixed.utilisation) - SLACK)
        local.marks[COUNT, j] = max(fixed.least, int(needed))
        r = ids[j]
        unit = fixed.cost_weight * part.area[i, r, PRICE] + part.area[i, r, RENT]
        usd += local.marks[COUNT, j] * unit
        count += local.marks[COUNT, j]
        least = min(least, unit)
    if part.own[i, IS_PROOF] <= 0.0 or k < 2:
        return usd, 0.0
    # Whichever region is lost, the others hold everything: in all k / (k - 1) of it.
    peak = local.astray[local.astray.shape[0] - 1, 3]
    whole = peak / (part.own[i, RATE] * fixed.after_loss) * k / (k - 1)
    return usd, max(0.0, whole - 1e-6 - count) * least


@inner
def weigh(
    ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local, limit: float
) -> tuple[float, float]:
    """Return value and cost of a set in micro-dollars; infinite where a rule is broken.

    Args:
        ids: Regions, ascending.
        k: How many.
        i: Service of the chunk; ``local`` is filled for it.
        fixed: The same for all services.
        part: The chunk.
        local: Work space; ``count`` holds the instances afterwards.
        limit: Values above this may come back as infinite.
    """
    never = (np.inf, np.inf)
    usd = fixed.open_usd * k + part.own[i, REPLICA] * (k - 1)
    moves = 0
    for j in range(k):
        usd += part.area[i, ids[j], HOP]
        moves += 1 if (part.area[i, ids[j], ADDS] > 0.0) else 0
    usd += _routed(ids, k, i, part, local)
    fill_peaks(ids, k, int(np.int64(-1)), fixed.near_tie, local)
    rented = moves * fixed.move_price
    sized, surely = _sized(ids, k, i, fixed, part, local)
    early = usd + _least_wait(ids, k, i, part, local) - part.own[i, BASE]
    spare = (limit + fixed.slack + 1e-9 * abs(limit)) / MICRO
    spare -= fixed.cost_weight * early + rented + sized
    if spare < surely:
        return never
    if part.own[i, IS_PROOF] > 0.0:
        if k < 2 or not _is_proof(ids, k, i, fixed, part, local, spare):
            return never
    else:
        _as_safe(ids, k, i, fixed, part, local)
    if not _steps(ids, k, i, fixed, part, local):
        return never
    if part.own[i, FLOOR] > 0.0:
        able = part.own[i, RATE] * fixed.saturation
        if _served(k, able, local) < part.own[i, FLOOR] - SLACK:
            return never
    for j in range(k):
        r = ids[j]
        if local.marks[COUNT, j] > part.area[i, r, MOST]:
            return never
        usd += local.marks[COUNT, j] * part.area[i, r, PRICE]
        rented += local.marks[COUNT, j] * part.area[i, r, RENT]
    waiting, is_fast = _waits(ids, k, i, fixed, part, local)
    if not is_fast:
        return never
    cost = np.rint((usd + waiting - part.own[i, BASE]) * MICRO)
    return fixed.cost_weight * cost + rented * MICRO, cost
