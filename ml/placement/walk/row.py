"""One service with one set: instances, rules kept, cost, and answers to its callers.

The compiled mirror of ``fleet.evaluate.assess``, which stays the reference: what the walk proposes
is evaluated by it before it counts.
"""

from __future__ import annotations

import math

import numpy as np

from ml.placement.fleet.evaluate import RULES, SLOWER
from ml.placement.fleet.fleet import MICRO, SECONDS_PER_HOUR
from ml.placement.kernel.jit import inner
from ml.placement.problem.tail import Z95
from ml.placement.walk.flow import base_width
from ml.placement.walk.types import (
    ADDED,
    AFTER_LOSS,
    BITS,
    CAP,
    CARBON,
    CHOSEN,
    CLOSED,
    CORES,
    COST,
    COUNT,
    FACTOR,
    FLOOR,
    IS_HARD,
    IS_HOME,
    IS_PROOF,
    LEAST,
    LOSS_USD,
    MAX_SIZE,
    MEMORY,
    MEMORY_ROOM,
    MIN_SIZE,
    MISS_USD,
    MOVE,
    MOVE_RENT,
    NEED,
    NEEDS_LOSS,
    OPEN,
    OWN,
    PRICE,
    RATE,
    RENT,
    REPLICA,
    ROOM,
    S_EGRESS,
    S_LOST,
    S_MEAN,
    S_MEAN_RTT,
    S_PEAK,
    S_WAIT,
    S_WAIT_RTT,
    SATURATION,
    SLO,
    SLOWEST,
    TARGET,
    UPPER,
    VARIANCE,
    WEIGHT,
    Known,
    Rows,
    Work,
)

_SLACK = 1e-9
_ROOT_HALF = math.sqrt(0.5)
_EXTRA_STEPS = 2
_MAX_REGIONS, _MIN_REGIONS = 1 << RULES.index("MAX_REGIONS"), 1 << RULES.index("MIN_REGIONS")
_SLO_MISSED, _N1_LOSS = 1 << RULES.index("SLO_MISSED"), 1 << RULES.index("N1_LOSS")
_NO_CAPACITY, _SLOWER = 1 << RULES.index("NO_CAPACITY"), SLOWER


@inner
def _served(s: int, size: int, at: int, source: Rows, known: Known, work: Work) -> float:
    """Return the share of peak demand still served after the worst loss of one region."""
    if known.own[s, NEEDS_LOSS] <= 0.0:
        return 1.0
    if size == 1:
        return 0.0 if source.slot[at, 0, S_MEAN] > 0.0 else 1.0
    rate = known.own[s, RATE] * known.rules[SATURATION]
    worst = 1.0
    for lost in range(size):
        asked, served = 0.0, 0.0
        for k in range(size):
            if k != lost:
                peak = source.slot[at, k, S_LOST + lost]
                asked += peak
                served += min(peak, work.instances[k] * rate)
        if asked > 0.0:
            worst = min(worst, served / asked)
    return worst


@inner
def _bucket(utilisation: float, known: Known) -> int:
    last = known.buckets.shape[0] - 1
    found = int(np.int64(0))
    while found < last and known.buckets[found] < utilisation - _SLACK:
        found += 1
    return found


@inner
def _stepped(peak: float, s: int, n: int, step: int, known: Known) -> int:
    """Return the instances with which a region is ``step`` utilisation buckets quieter."""
    if step == 0:
        return n
    rate = known.own[s, RATE]
    b = max(_bucket(peak / (max(n, 1) * rate), known) - step, 0)
    return max(n, int(np.ceil(peak / (rate * known.buckets[b]) - _SLACK)))


@inner
def _within(limit: float, mean: float, spread: float) -> float:
    """Return the share of times inside within a limit, as ``problem.tail`` has it."""
    if limit <= 0.0:
        return 0.0
    if spread <= 0.0 or mean <= 0.0:
        return 1.0 if mean <= limit else 0.0
    z = np.log(limit / mean) / spread + spread / 2.0
    return 0.5 * math.erfc(-z * _ROOT_HALF)


@inner
def _in_time(
    s: int, p: int, i: int, at: int, source: Rows, known: Known, trial: Rows, step: int, work: Work
) -> float:
    """Return the share of requests within the objective, each region ``step`` buckets quieter."""
    origins = known.peak.shape[1]
    regions, width = base_width(trial)
    asked, met = 0.0, 0.0
    for k in range(known.sets[p, 0]):
        asked += source.slot[at, k, S_MEAN]
    if asked <= 0.0:
        return 1.0
    for k in range(known.sets[p, 0]):
        r, row = known.sets[p, 1 + k], known.sets[p, 1 + width + k]
        n = max(_stepped(source.slot[at, k, S_PEAK], s, work.instances[k], step, known), 1)
        b = _bucket(source.slot[at, k, S_PEAK] / (n * known.own[s, RATE]), known)
        inside = max(0.0, known.cell[s, r, b, OWN] + trial.depends[i, r, 0])
        spread = 0.0
        if known.cell[s, r, b, VARIANCE] >= 0.0 and inside > 0.0:
            variance = known.cell[s, r, b, VARIANCE] + trial.depends[i, r, 1]
            spread = min(np.sqrt(np.log1p(variance / (inside * inside))), Z95)
        weight, upper = known.cell[s, r, b, WEIGHT], known.cell[s, r, b, UPPER]
        stated = known.own[s, SLO] / upper if upper > 0.0 else np.inf
        for o in range(origins):
            asks = known.share[row, o] * known.user[s, o, 0]
            if asks > 0.0:
                met += asks * _within(stated - weight * known.rtt[o, r], inside, spread)
        for q in range(regions):
            asks = known.share[row, origins + q] * work.calling[q]
            if asks > 0.0:
                met += asks * _within(stated - weight * known.rtt[origins + q, r], inside, spread)
    return met / asked


@inner
def _size(s: int, p: int, at: int, source: Rows, known: Known, work: Work) -> None:
    """Fill the fewest instances for the peak, and for a loss that must be survived."""
    size, rate = known.sets[p, 0], known.own[s, RATE]
    for k in range(size):
        worst = 0.0
        for lost in range(size):
            worst = max(worst, source.slot[at, k, S_LOST + lost])
        peak = source.slot[at, k, S_PEAK]
        least = np.ceil(peak / (rate * known.rules[TARGET]) - _SLACK)
        least = max(known.rules[LEAST], least)
        proof = np.ceil(worst / (rate * known.rules[AFTER_LOSS]) - _SLACK)
        work.instances[k] = int(least)
        work.proof[k] = int(max(least, proof))
    enough = _served(s, size, at, source, known, work)
    if known.own[s, IS_PROOF] > 0.0 or enough < known.own[s, FLOOR] - _SLACK:
        for k in range(size):
            work.instances[k] = work.proof[k]


@inner
def _placed(s: int, p: int, known: Known, work: Work, trial: Rows, i: int) -> int:
    """Fill what a set adds and where it overruns a region; return the bits of broken rules."""
    regions, _ = base_width(trial)
    size, bits, added, is_home = known.sets[p, 0], 0, 0, True
    for r in range(regions):
        at = -1
        for k in range(size):
            if known.sets[p, 1 + k] == r:
                at = k
        is_home = is_home and (at >= 0) == (known.area[s, r, IS_HOME] > 0.0)
        if at >= 0:
            n = work.instances[at]
            bits |= int(known.area[s, r, CLOSED])
            if n * known.own[s, CORES] > known.region[r, ROOM] + _SLACK:
                bits |= _NO_CAPACITY
            if n * known.own[s, MEMORY] > known.region[r, MEMORY_ROOM] + _SLACK:
                bits |= _NO_CAPACITY
            if known.area[s, r, IS_HOME] <= 0.0:
                added += 1
    trial.found[i, ADDED] = added
    if size > known.own[s, MAX_SIZE] or (size > known.rules[CAP] and not is_home):
        bits |= _MAX_REGIONS
    if size < known.own[s, MIN_SIZE]:
        bits |= _MIN_REGIONS
    return bits


@inner
def _answer(
    s: int, p: int, i: int, at: int, source: Rows, known: Known, trial: Rows, work: Work
) -> tuple[float, float]:
    """Fill the answers to callers; return the sum of all times, and the cost of waiting."""
    regions, width = base_width(trial)
    origins, rate = known.peak.shape[1], known.own[s, RATE]
    total, waiting = 0.0, 0.0
    for q in range(regions):
        trial.answers[i, q, 0], trial.answers[i, q, 1] = 0.0, 0.0
    for k in range(known.sets[p, 0]):
        r, row = known.sets[p, 1 + k], known.sets[p, 1 + width + k]
        mean = source.slot[at, k, S_MEAN]
        b = _bucket(mean / (rate * max(work.instances[k], 1)), known)
        inside = max(0.0, known.cell[s, r, b, OWN] + trial.depends[i, r, 0])
        weight, factor = known.cell[s, r, b, WEIGHT], known.cell[s, r, b, FACTOR]
        work.took[k, 0] = factor * weight
        work.took[k, 1] = factor * inside
        own = max(0.0, known.cell[s, r, b, VARIANCE])
        work.took[k, 2] = factor * factor * (own + trial.depends[i, r, 1])
        total += factor * (weight * source.slot[at, k, S_MEAN_RTT] + inside * mean)
        waiting += factor * (
            weight * source.slot[at, k, S_WAIT_RTT] + inside * source.slot[at, k, S_WAIT]
        )
        for q in range(regions):
            part = known.share[row, origins + q] * factor
            trial.answers[i, q, 0] += part * (weight * known.rtt[origins + q, r] + inside)
    for k in range(known.sets[p, 0]):
        r, row = known.sets[p, 1 + k], known.sets[p, 1 + width + k]
        for q in range(regions):
            way = work.took[k, 0] * known.rtt[origins + q, r] + work.took[k, 1]
            apart = way - trial.answers[i, q, 0]
            part = known.share[row, origins + q]
            trial.answers[i, q, 1] += part * (work.took[k, 2] + apart * apart)
    return total, waiting


@inner
def _sized(
    s: int, p: int, i: int, at: int, source: Rows, known: Known, trial: Rows, work: Work
) -> float:
    """Fill the instances, up to two buckets quieter where that alone meets the objective.

    Returns the share of demand that meets it, 1 where it is no rule.
    """
    _size(s, p, at, source, known, work)
    # Nobody asks the walk how well an objective that is no rule is met.
    if known.own[s, IS_HARD] <= 0.0:
        return 1.0
    share = _in_time(s, p, i, at, source, known, trial, 0, work)
    need = known.rules[NEED] - _SLACK
    if share < need:
        for step in range(1, _EXTRA_STEPS + 1):
            got = _in_time(s, p, i, at, source, known, trial, step, work)
            if got >= need:
                for k in range(known.sets[p, 0]):
                    peak = source.slot[at, k, S_PEAK]
                    work.instances[k] = _stepped(peak, s, work.instances[k], step, known)
                return got
    return share


@inner
def settle(
    s: int, p: int, i: int, at: int, source: Rows, known: Known, trial: Rows, work: Work
) -> None:
    """Fill what follows for ``s`` with set ``p`` into trial row ``i``.

    Slots are read from row ``at`` of ``source``; the calling clients' mean demand from
    ``work.calling``, the time on calls from trial row ``i``.
    """
    _, width = base_width(trial)
    size, is_hard = known.sets[p, 0], known.own[s, IS_HARD] > 0.0
    share = _sized(s, p, i, at, source, known, trial, work)
    served = _served(s, size, at, source, known, work)
    total, waiting = _answer(s, p, i, at, source, known, trial, work)
    bits = _placed(s, p, known, work, trial, i)
    compute, egress, moving, extra, demand = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(size):
        r, n = known.sets[p, 1 + k], work.instances[k]
        demand += source.slot[at, k, S_MEAN]
        compute += n * known.area[s, r, PRICE]
        egress += source.slot[at, k, S_EGRESS]
        extra += n * known.own[s, CORES] * (known.region[r, RENT] + known.region[r, CARBON])
        if known.area[s, r, IS_HOME] <= 0.0:
            moving += known.area[s, r, MOVE]
        trial.found[i, COUNT + k] = n
    for k in range(size, width):
        trial.found[i, COUNT + k] = 0
    if is_hard and known.rules[MISS_USD] < 0.0 and share < known.rules[NEED] - _SLACK:
        bits |= _SLO_MISSED
    is_alone = known.own[s, IS_PROOF] > 0.0 and size < 2
    if served < known.own[s, FLOOR] - _SLACK or is_alone:
        bits |= _N1_LOSS
    if (total / demand if demand > 0.0 else total) > known.own[s, SLOWEST] * (1.0 + _SLACK):
        bits |= _SLOWER
    if known.rules[LOSS_USD] > 0.0:
        extra += SECONDS_PER_HOUR * known.rules[LOSS_USD] * max(0.0, 1.0 - served) * demand
    if known.rules[MISS_USD] >= 0.0 and is_hard:
        missed = max(0.0, known.rules[NEED] - share)
        extra += SECONDS_PER_HOUR * known.rules[MISS_USD] * missed * demand
    extra += trial.found[i, ADDED] * known.rules[MOVE_RENT]
    opened = known.rules[OPEN] * size + known.own[s, REPLICA] * (size - 1)
    trial.bill[i] = compute + opened + egress
    trial.found[i, CHOSEN] = p
    trial.found[i, COST] = int(np.rint((trial.bill[i] + waiting + moving + extra) * MICRO))
    trial.found[i, BITS] = bits
