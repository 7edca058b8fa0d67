"""What one service asks for, gathered for the compiled search, and its peak loads by region."""

from __future__ import annotations

import numpy as np

from ml.placement.kernel.jit import inner
from ml.placement.kernel.types import (
    EGRESS,
    INSIDE,
    IS_HARD,
    LOAD,
    LOST,
    MEAN,
    NEAR_MEAN,
    NEAR_WORTH,
    RANK,
    RTT,
    SIZE,
    SLO,
    TRIAL,
    UPPER,
    WEIGHT,
    WORTH,
    Fixed,
    Local,
    Part,
)
from ml.placement.problem.instance import Ints

# Absorbs the last bits of a sum before rounding up, as in :mod:`ml.placement.fleet.evaluate`.
SLACK = 1e-9


@inner
def bucket_of(fixed: Fixed, utilisation: float) -> int:
    """Return the utilisation bucket."""
    last = fixed.buckets.shape[0] - 1
    for b in range(last):
        if utilisation - SLACK <= fixed.buckets[b]:
            return b
    return int(last)


@inner
def fill_local(i: int, fixed: Fixed, part: Part, local: Local) -> None:
    """Gather what service ``i`` asks for: only clients and hours that can matter."""
    n_c = 0
    hours = _peak_hours(i, part, local)
    local.astray[:] = 0.0
    local.astray[local.astray.shape[0] - 1, :] = 0.0
    local.peak[local.peak.shape[0] - 1, :] = 0.0
    local.ok[:, :, local.ok.shape[2] - 1] = 0.0
    for c in range(part.asked.shape[1]):
        mean, worth = part.asked[i, c, MEAN], part.asked[i, c, WORTH]
        if mean == 0.0 and worth == 0.0 and not part.peak[i, c].any():
            continue
        _fill_client(i, c, n_c, hours, fixed, part, local)
        n_c += 1
    local.marks[SIZE, 0], local.marks[SIZE, 1] = n_c, hours
    for h in range(hours):
        total = local.peak[local.peak.shape[0] - 1, h]
        for c in range(n_c):
            total += local.peak[c, h]
        local.astray[local.astray.shape[0] - 1, 3] = max(
            local.astray[local.astray.shape[0] - 1, 3], total
        )


@inner
def _fill_client(
    i: int, c: int, n_c: int, hours: int, fixed: Fixed, part: Part, local: Local
) -> None:
    """Gather client ``c`` as the ``n_c``-th that asks, and add its share to what is spread."""
    mean, worth, stray = part.asked[i, c, MEAN], part.asked[i, c, WORTH], fixed.misroute[c]
    everywhere = local.astray.shape[0] - 1
    local.client[n_c, MEAN] = mean
    local.client[n_c, NEAR_MEAN] = mean * (1.0 - stray)
    local.client[n_c, NEAR_WORTH] = worth * (1.0 - stray)
    local.astray[everywhere, 0] += stray * mean
    local.astray[everywhere, 1] += stray * worth
    local.astray[everywhere, 2] += mean
    for h in range(hours):
        peak = part.peak[i, c, local.marks[TRIAL, h]]
        local.peak[n_c, h] = peak * (1.0 - stray)
        local.peak[local.peak.shape[0] - 1, h] += stray * peak
    for r in range(fixed.rtt.shape[0]):
        rtt = fixed.rtt[r, c]
        local.place[RTT, r, n_c] = rtt
        local.place[RANK, r, n_c] = fixed.rank[r, c]
        local.place[EGRESS, r, n_c] = part.egress[i, c, r] * (1.0 - stray)
        local.astray[r, 0] += part.egress[i, c, r] * stray
        local.astray[r, 1] += mean * rtt * stray
        local.astray[r, 2] += worth * rtt * stray
        if part.own[i, IS_HARD] > 0.0:
            for b in range(fixed.buckets.shape[0]):
                took = part.cell[i, r, b, WEIGHT] * rtt + part.cell[i, r, b, INSIDE]
                good = mean if took * part.cell[i, r, b, UPPER] <= part.own[i, SLO] else 0.0
                local.ok[b, r, n_c] = good * (1.0 - stray)
                local.ok[b, r, local.ok.shape[2] - 1] += good * stray


@inner
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
            local.marks[TRIAL, found] = h
            found += 1
    return found


@inner
def fill_peaks(ids: Ints, k: int, skip: int, near_tie: float, local: Local) -> None:
    """Write the peak load of every slot of a set, one slot left out; ``skip`` -1 for none."""
    left = k if skip < 0 else k - 1
    hours = local.marks[SIZE, 1]
    for j in range(k):
        for h in range(hours):
            local.hour[j, h] = local.peak[local.peak.shape[0] - 1, h] / left
    for c in range(local.marks[SIZE, 0]):
        least = np.inf
        for j in range(k):
            if j != skip and local.place[RTT, ids[j], c] < least:
                least = local.place[RTT, ids[j], c]
        reach = least * (1.0 + near_tie)
        for j in range(k):
            if j != skip and local.place[RTT, ids[j], c] <= reach:
                for h in range(hours):
                    local.hour[j, h] += local.peak[c, h]
    for j in range(k):
        most = 0.0
        for h in range(hours):
            most = max(most, local.hour[j, h])
        if skip < 0:
            local.slot[j, LOAD] = most
        else:
            local.slot[skip, LOST + j] = most if j != skip else 0.0
