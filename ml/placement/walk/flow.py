"""Who asks one service for what, from where its callers run, and how its set shares that out.

The compiled mirror of ``fleet.fleet`` and ``problem.slots.one_set_each``, which stay the reference.
"""

from __future__ import annotations

from ml.placement.fleet.fleet import GB_PER_KB, SECONDS_PER_HOUR
from ml.placement.kernel.jit import inner
from ml.placement.problem.instance import Floats
from ml.placement.walk.types import (
    CALLER,
    CALLS,
    DOWN,
    DOWN_KB,
    IS_ASYNC,
    MEAN,
    NEEDS_LOSS,
    S_EGRESS,
    S_LOST,
    S_MEAN,
    S_MEAN_RTT,
    S_PEAK,
    S_WAIT,
    S_WAIT_RTT,
    TOP,
    UP,
    UP_KB,
    WAIT,
    WORTH,
    Known,
    Rows,
    Work,
)

_HOURLY = SECONDS_PER_HOUR * GB_PER_KB


@inner
def gather(s: int, i: int, known: Known, base: Rows, trial: Rows, work: Work) -> None:
    """Sum up the calls of service ``s`` from where its callers now run, into trial row ``i``."""
    regions, hours = base.peak.shape[1], base.peak.shape[2]
    for q in range(regions):
        for column in range(TOP + 1):
            trial.flow[i, q, column] = 0.0
        for h in range(hours):
            trial.peak[i, q, h] = 0.0
    worth = SECONDS_PER_HOUR * known.own[s, WORTH]
    for a in range(known.starts[s, 1], known.starts[s + 1, 1]):
        e = known.incoming[a]
        v = known.edge[e, CALLER]
        at, source = (v, base) if work.place[v] < 0 else (work.place[v], trial)
        calls = known.call[e, CALLS]
        waits = 0.0 if known.edge[e, IS_ASYNC] else worth
        for q in range(regions):
            sent = calls * source.load[at, q]
            trial.flow[i, q, MEAN] += sent
            trial.flow[i, q, WAIT] += waits * sent
            trial.flow[i, q, UP] += known.call[e, UP_KB] * sent
            trial.flow[i, q, DOWN] += known.call[e, DOWN_KB] * sent
            for h in range(hours):
                trial.peak[i, q, h] += calls * source.load_peak[at, q, h]
    for q in range(regions):
        top = 0.0
        for h in range(hours):
            top = max(top, trial.peak[i, q, h])
        trial.flow[i, q, TOP] = top


@inner
def _loads(s: int, row: int, at: int, source: Rows, known: Known, hour: Floats) -> float:
    """Fill ``hour`` with the load of one row of the routing; return its peak."""
    origins, hours = known.peak.shape[1], known.peak.shape[2]
    for h in range(hours):
        hour[h] = 0.0
    for o in range(origins):
        part = known.peak_share[row, o]
        if part > 0.0 and known.user[s, o, 2] > 0.0:
            for h in range(hours):
                hour[h] += part * known.peak[s, o, h]
    for q in range(source.peak.shape[1]):
        part = known.peak_share[row, origins + q]
        if part > 0.0 and source.flow[at, q, TOP] > 0.0:
            for h in range(hours):
                hour[h] += part * source.peak[at, q, h]
    # Four maxima at once: each alone would wait for the one before.
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    left = hours % 4
    for h in range(left, hours, 4):
        first = max(first, hour[h])
        second = max(second, hour[h + 1])
        third = max(third, hour[h + 2])
        fourth = max(fourth, hour[h + 3])
    for h in range(left):
        first = max(first, hour[h])
    return max(max(first, second), max(third, fourth))


@inner
def spread(
    s: int, p: int, i: int, at: int, source: Rows, known: Known, trial: Rows, work: Work
) -> None:
    """Route the clients of ``s`` in row ``at`` of ``source`` to set ``p``, into trial row ``i``."""
    origins, hours = known.peak.shape[1], known.peak.shape[2]
    regions, width = base_width(trial)
    for r in range(regions):
        trial.load[i, r] = 0.0
        for h in range(hours):
            trial.load_peak[i, r, h] = 0.0
    size = known.sets[p, 0]
    for k in range(size):
        r, row = known.sets[p, 1 + k], known.sets[p, 1 + width + k]
        for column in range(S_LOST + width):
            trial.slot[i, k, column] = 0.0
        mean, mean_rtt, wait, wait_rtt, egress = 0.0, 0.0, 0.0, 0.0, 0.0
        for o in range(origins):
            part = known.share[row, o]
            rtt = known.rtt[o, r]
            mean += part * known.user[s, o, 0]
            mean_rtt += part * known.user[s, o, 0] * rtt
            wait += part * known.user[s, o, 1]
            wait_rtt += part * known.user[s, o, 1] * rtt
            egress += part * known.user[s, o, 3 + r]
        for q in range(regions):
            if source.flow[at, q, MEAN] > 0.0:
                part = known.share[row, origins + q]
                rtt = known.rtt[origins + q, r]
                mean += part * source.flow[at, q, MEAN]
                mean_rtt += part * source.flow[at, q, MEAN] * rtt
                wait += part * source.flow[at, q, WAIT]
                wait_rtt += part * source.flow[at, q, WAIT] * rtt
                usd = source.flow[at, q, UP] * known.out_usd[q, r]
                usd += source.flow[at, q, DOWN] * known.out_usd[r, q]
                egress += part * _HOURLY * usd
        trial.slot[i, k, S_MEAN] = mean
        trial.slot[i, k, S_MEAN_RTT] = mean_rtt
        trial.slot[i, k, S_WAIT] = wait
        trial.slot[i, k, S_WAIT_RTT] = wait_rtt
        trial.slot[i, k, S_EGRESS] = egress
        trial.slot[i, k, S_PEAK] = _loads(s, row, at, source, known, work.hour)
        trial.load[i, r] = mean
        for h in range(hours):
            trial.load_peak[i, r, h] = work.hour[h]
        for lost in range(size):
            if lost != k and known.own[s, NEEDS_LOSS] > 0.0:
                other = known.sets[p, 1 + 2 * width + lost * width + k]
                peak = _loads(s, other, at, source, known, work.hour)
                trial.slot[i, k, S_LOST + lost] = peak


@inner
def base_width(rows: Rows) -> tuple[int, int]:
    """Return the number of regions and of slots."""
    return rows.peak.shape[1], rows.slot.shape[1]
