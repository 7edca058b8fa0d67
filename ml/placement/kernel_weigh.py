"""One region set of one service, compiled: the same arithmetic as :mod:`ml.placement.evaluate`.

Sums run over the clients in a fixed order on one thread and without fast-math, so they repeat;
against the matrix products of the other path they may differ in the last bits.
"""

from __future__ import annotations

import numpy as np

from ml.placement.instance import Ints
from ml.placement.kernel_jit import compiled
from ml.placement.kernel_types import Fixed, Local, Part

_SLACK = 1e-9
_STEPS = 2
MICRO = 1_000_000.0


@compiled
def bucket_of(fixed: Fixed, utilisation: float) -> int:
    """Return the utilisation bucket."""
    last = fixed.buckets.shape[0] - 1
    for b in range(last):
        if utilisation - _SLACK <= fixed.buckets[b]:
            return b
    return last


@compiled
def fill_local(i: int, fixed: Fixed, part: Part, local: Local) -> None:
    """Gather what service ``i`` asks for: only clients and hours that can matter."""
    n_c = 0
    hours = _peak_hours(i, part, local)
    n_r, n_b = fixed.rtt.shape[0], fixed.buckets.shape[0]
    local.astray[:] = 0.0
    local.totals[:] = 0.0
    local.astray_peak[:] = 0.0
    local.astray_ok[:] = 0.0
    for c in range(part.mean.shape[1]):
        mean, worth = part.mean[i, c], part.worth[i, c]
        if mean == 0.0 and worth == 0.0 and not part.peak[i, c].any():
            continue
        stray = fixed.misroute[c]
        local.mean[n_c] = mean
        local.near_mean[n_c] = mean * (1.0 - stray)
        local.near_worth[n_c] = worth * (1.0 - stray)
        local.totals[0] += stray * mean
        local.totals[1] += stray * worth
        local.totals[2] += mean
        for h in range(hours):
            peak = part.peak[i, c, local.trial[h]]
            local.peak[n_c, h] = peak * (1.0 - stray)
            local.astray_peak[h] += stray * peak
        for r in range(n_r):
            rtt = fixed.rtt[r, c]
            local.rtt[r, n_c] = rtt
            local.rank[r, n_c] = fixed.rank[r, c]
            local.egress[r, n_c] = part.egress[i, c, r] * (1.0 - stray)
            local.astray[r, 0] += part.egress[i, c, r] * stray
            local.astray[r, 1] += mean * rtt * stray
            local.astray[r, 2] += worth * rtt * stray
        if part.is_hard[i]:
            for b in range(n_b):
                for r in range(n_r):
                    took = part.weight[i, r, b] * fixed.rtt[r, c] + part.inside[i, r, b]
                    good = mean if took * part.upper[i, r, b] <= part.slo[i] else 0.0
                    local.ok[b, r, n_c] = good * (1.0 - stray)
                    local.astray_ok[b, r] += good * stray
        n_c += 1
    local.size[0], local.size[1] = n_c, hours
    for h in range(hours):
        total = local.astray_peak[h]
        for c in range(n_c):
            total += local.peak[c, h]
        local.totals[3] = max(local.totals[3], total)


@compiled
def _peak_hours(i: int, part: Part, local: Local) -> int:
    """List the hours that no other hour exceeds for every client; exact for loads."""
    found = 0
    hours, clients = part.peak.shape[2], part.peak.shape[1]
    for h in range(hours):
        is_dominated = False
        for other in range(hours):
            if other == h:
                continue
            is_below, is_equal = True, True
            for c in range(clients):
                here, there = part.peak[i, c, h], part.peak[i, c, other]
                if here > there:
                    is_below = False
                    break
                if here < there:
                    is_equal = False
            # Of equal hours the first is kept.
            if is_below and (not is_equal or other < h):
                is_dominated = True
                break
        if not is_dominated:
            local.trial[found] = h
            found += 1
    return found


@compiled
def _peaks(ids: Ints, k: int, skip: int, near_tie: float, local: Local, out: Ints) -> None:
    """Write the peak load of every slot of a set, one slot left out; ``skip`` -1 for none."""
    left = k if skip < 0 else k - 1
    hours = local.size[1]
    for j in range(k):
        for h in range(hours):
            local.hour[j, h] = local.astray_peak[h] / left
    for c in range(local.size[0]):
        least = np.inf
        for j in range(k):
            if j != skip and local.rtt[ids[j], c] < least:
                least = local.rtt[ids[j], c]
        reach = least * (1.0 + near_tie)
        for j in range(k):
            if j != skip and local.rtt[ids[j], c] <= reach:
                for h in range(hours):
                    local.hour[j, h] += local.peak[c, h]
    for j in range(k):
        most = 0.0
        for h in range(hours):
            most = max(most, local.hour[j, h])
        out[j] = most if j != skip else 0.0


@compiled
def _routed(ids: Ints, k: int, i: int, part: Part, local: Local) -> float:
    """Fill the sums by slot and return what the routing costs: egress and onward calls."""
    usd = 0.0
    for j in range(k):
        r = ids[j]
        local.sums[j, 0] = local.totals[0] / k
        local.sums[j, 1] = local.astray[r, 1] / k
        local.sums[j, 2] = local.totals[1] / k
        local.sums[j, 3] = local.astray[r, 2] / k
        usd += local.astray[r, 0] / k
    for c in range(local.size[0]):
        at, least = 0, local.rank[ids[0], c]
        for j in range(1, k):
            if local.rank[ids[j], c] < least:
                at, least = j, local.rank[ids[j], c]
        local.near[c] = at
        rtt = local.rtt[ids[at], c]
        local.sums[at, 0] += local.near_mean[c]
        local.sums[at, 1] += local.near_mean[c] * rtt
        local.sums[at, 2] += local.near_worth[c]
        local.sums[at, 3] += local.near_worth[c] * rtt
        usd += local.egress[ids[at], c]
    for j in range(k):
        usd += local.sums[j, 0] * part.spent[i, ids[j]]
    return usd


@compiled
def _met(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local, more: int) -> float:
    """Return the share of demand that meets the objective with ``more`` instances per slot."""
    if local.totals[2] <= 0.0:
        return 1.0
    found = 0.0
    for j in range(k):
        count = max(1, local.count[j] + more)
        b = bucket_of(fixed, local.load[j] / (count * part.rate[i]))
        r = ids[j]
        found += local.astray_ok[b, r] / k
        for c in range(local.size[0]):
            if local.near[c] == j:
                found += local.ok[b, r, c]
    return found / local.totals[2]


@compiled
def _served(k: int, able: float, local: Local) -> float:
    """Return the share of peak demand served after the worst loss."""
    if k == 1:
        return 0.0 if local.totals[2] > 0.0 else 1.0
    worst = 1.0
    for f in range(k):
        asked, got = 0.0, 0.0
        for j in range(k):
            asked += local.lost[f, j]
            got += min(local.lost[f, j], local.count[j] * able)
        if asked > 0.0:
            worst = min(worst, got / asked)
    return worst


@compiled
def _survives(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local) -> bool:
    """Raise the sizes to what a loss needs where the service must survive one."""
    if not part.is_proof[i] and part.floor[i] <= 0.0:
        return True
    for f in range(k):
        if k > 1:
            _peaks(ids, k, f, fixed.near_tie, local, local.lost[f])
        else:
            local.lost[0, 0] = 0.0
    able = part.rate[i] * fixed.saturation
    if part.is_proof[i] or _served(k, able, local) < part.floor[i] - _SLACK:
        for j in range(k):
            worst = 0.0
            for f in range(k):
                worst = max(worst, local.lost[f, j])
            needed = int(np.ceil(worst / (part.rate[i] * fixed.after_loss) - _SLACK))
            local.count[j] = max(local.count[j], needed)
    return True


@compiled
def _waits(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local) -> tuple[float, bool]:
    """Return the $ per hour of waiting, and whether the service is no slower than allowed."""
    usd, total = 0.0, 0.0
    for j in range(k):
        r = ids[j]
        b = bucket_of(fixed, local.sums[j, 0] / (part.rate[i] * max(1, local.count[j])))
        weight, inside = part.weight[i, r, b], part.inside[i, r, b]
        usd += part.factor[i, r, b] * (weight * local.sums[j, 3] + inside * local.sums[j, 2])
        total += part.factor[i, r, b] * (weight * local.sums[j, 1] + inside * local.sums[j, 0])
    mean = total / local.totals[2] if local.totals[2] > 0.0 else total
    return usd, mean <= part.slowest[i] * (1.0 + _SLACK)


@compiled
def _least_wait(ids: Ints, k: int, i: int, part: Part, local: Local) -> float:
    usd = 0.0
    for j in range(k):
        r, least = ids[j], np.inf
        for b in range(part.inside.shape[2]):
            took = part.weight[i, r, b] * local.sums[j, 3]
            took += part.inside[i, r, b] * local.sums[j, 2]
            least = min(least, part.factor[i, r, b] * took)
        usd += least
    return usd


@compiled
def _steps(ids: Ints, k: int, i: int, fixed: Fixed, part: Part, local: Local) -> bool:
    """Add up to two instances per region where that alone meets a hard objective."""
    if not part.is_hard[i]:
        return True
    for more in range(_STEPS + 1):
        if _met(ids, k, i, fixed, part, local, more) >= fixed.need - _SLACK:
            for j in range(k):
                local.count[j] += more
            return True
    return False


@compiled
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
    usd = fixed.open_usd * k + part.replica[i] * (k - 1)
    moves = 0
    for j in range(k):
        usd += part.hop[i, ids[j]]
        moves += 1 if part.adds[i, ids[j]] else 0
    usd += _routed(ids, k, i, part, local)
    _peaks(ids, k, np.int64(-1), fixed.near_tie, local, local.load)
    rented = moves * fixed.move_price
    sized, count, least = 0.0, 0, np.inf
    for j in range(k):
        needed = np.ceil(local.load[j] / (part.rate[i] * fixed.utilisation) - _SLACK)
        local.count[j] = max(fixed.least, int(needed))
        r = ids[j]
        unit = fixed.cost_weight * part.price[i, r] + part.rent[i, r]
        sized += local.count[j] * unit
        count += local.count[j]
        least = min(least, unit)
    if part.is_proof[i] and k > 1:
        # Whichever region is lost, the others hold everything: in all k / (k - 1) of it.
        whole = local.totals[3] / (part.rate[i] * fixed.after_loss) * k / (k - 1)
        sized += max(0.0, whole - 1e-6 - count) * least
    early = usd + _least_wait(ids, k, i, part, local) - part.base[i]
    if (fixed.cost_weight * early + rented + sized) * MICRO > limit + fixed.slack + 1e-9 * abs(
        limit
    ):
        return never
    if part.is_proof[i] and k < 2:
        return never
    _survives(ids, k, i, fixed, part, local)
    if not _steps(ids, k, i, fixed, part, local):
        return never
    if part.floor[i] > 0.0:
        able = part.rate[i] * fixed.saturation
        if _served(k, able, local) < part.floor[i] - _SLACK:
            return never
    for j in range(k):
        r = ids[j]
        if local.count[j] * part.cores[i] > fixed.room[r] + _SLACK:
            return never
        usd += local.count[j] * part.price[i, r]
        rented += local.count[j] * part.rent[i, r]
    waiting, is_fast = _waits(ids, k, i, fixed, part, local)
    if not is_fast:
        return never
    cost = np.rint((usd + waiting - part.base[i]) * MICRO)
    return fixed.cost_weight * cost + rented * MICRO, cost
