"""Follow changes through the calls: down to the last callee, then back up with the answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ml.placement.fleet.evaluate import SLOWER
from ml.placement.kernel.jit import compiled, inner, source_stamp
from ml.placement.problem.instance import Ints
from ml.placement.problem.rows import ROW_SLACK
from ml.placement.walk.flow import base_width, gather, spread
from ml.placement.walk.ranks import ASTRAY, HEAVY
from ml.placement.walk.row import settle
from ml.placement.walk.types import (
    ADDED,
    BITS,
    CALLED,
    CALLEE,
    CALLER,
    CHOSEN,
    COIN,
    CORES,
    COST,
    COUNT,
    IS_ASYNC,
    LATENCY,
    MEAN,
    MEMORY,
    MOVE_LIMIT,
    MOVED,
    SPREAD,
    STAGE,
    WAITS,
    Known,
    Rows,
    Work,
)


@inner
def _reach(s: int, count: int, base: Rows, trial: Rows, work: Work) -> int:
    """Give ``s`` a row of the trial, as it is in the base; return how many have one."""
    if work.place[s] >= 0:
        return count
    work.place[s] = count
    work.touched[count] = s
    for q in range(base.depends.shape[1]):
        trial.depends[count, q, 0] = base.depends[s, q, 0]
        trial.depends[count, q, 1] = base.depends[s, q, 1]
    trial.found[count, CHOSEN] = base.found[s, CHOSEN]
    return count + 1


@inner
def _down(count: int, known: Known, base: Rows, trial: Rows, work: Work) -> int:
    """Route anew whoever moved or is called from elsewhere, callers first."""
    regions, _ = base_width(base)
    hours = base.peak.shape[2]
    for a in range(known.order.shape[0]):
        s = known.order[a]
        if work.mark[s] & (MOVED | CALLED) == 0:
            continue
        count = _reach(s, count, base, trial, work)
        i = work.place[s]
        at, source = s, base
        if work.mark[s] & CALLED:
            gather(s, i, known, base, trial, work)
            at, source = i, trial
        spread(s, trial.found[i, CHOSEN], i, at, source, known, trial, work)
        differs = False
        for r in range(regions):
            differs = differs or trial.load[i, r] != base.load[s, r]
            for h in range(hours):
                differs = differs or trial.load_peak[i, r, h] != base.load_peak[s, r, h]
        if differs:
            for e in range(known.starts[s, 0], known.starts[s + 1, 0]):
                work.mark[known.edge[e, CALLEE]] |= CALLED
    return count


@inner
def _wait(s: int, i: int, known: Known, base: Rows, trial: Rows, work: Work) -> None:
    """Add up the slowest call of each stage, as the callees now answer."""
    first, last = known.starts[s, 0], known.starts[s + 1, 0]
    for q in range(base.depends.shape[1]):
        time, longest, stage = 0.0, 0.0, -1
        variance, of_longest = 0.0, 0.0
        for e in range(first, last):
            if known.edge[e, IS_ASYNC]:
                continue
            if known.edge[e, STAGE] != stage:
                time += longest
                variance += of_longest
                longest, of_longest, stage = 0.0, 0.0, known.edge[e, STAGE]
            t = known.edge[e, CALLEE]
            place = work.place[t]
            at, source = (t, base) if place < 0 else (place, trial)
            answer = source.answers[at, q, 0]
            if known.call[e, LATENCY] * answer > longest:
                longest = known.call[e, LATENCY] * answer
                of_longest = known.call[e, SPREAD] * source.answers[at, q, 1]
                of_longest += known.call[e, COIN] * answer * answer
        trial.depends[i, q, 0] = time + longest
        trial.depends[i, q, 1] = variance + of_longest


@inner
def _up(count: int, known: Known, base: Rows, trial: Rows, work: Work) -> int:
    """Settle whoever is reached, callees first; who answers otherwise makes its callers wait."""
    regions, _ = base_width(base)
    for a in range(known.order.shape[0] - 1, -1, -1):
        s = known.order[a]
        mark = work.mark[s]
        if mark == 0:
            continue
        count = _reach(s, count, base, trial, work)
        i = work.place[s]
        if mark & WAITS:
            _wait(s, i, known, base, trial, work)
        at, source = (i, trial) if mark & CALLED else (s, base)
        for q in range(regions):
            work.calling[q] = source.flow[at, q, MEAN]
        at, source = (i, trial) if mark & (MOVED | CALLED) else (s, base)
        settle(s, trial.found[i, CHOSEN], i, at, source, known, trial, work)
        differs = False
        for q in range(regions):
            for column in range(2):
                differs = differs or trial.answers[i, q, column] != base.answers[s, q, column]
        if differs:
            for b in range(known.starts[s, 1], known.starts[s + 1, 1]):
                e = known.incoming[b]
                if known.edge[e, IS_ASYNC] == 0:
                    work.mark[known.edge[e, CALLER]] |= WAITS
    return count


@inner
def _weight(s: int, i: int, rows: Rows, work: Work) -> int:
    """Return how much the broken rules of a service count, as ``walk.ranks`` has it."""
    bits = rows.found[i, BITS]
    slow = HEAVY if bits & SLOWER else 0
    is_astray = work.stays[s] and work.is_open[s, rows.found[i, CHOSEN]] == 0
    return slow + (ASTRAY if is_astray else 0) + (1 if bits != 0 else 0)


@inner
def _use(s: int, i: int, sign: float, known: Known, rows: Rows, work: Work) -> None:
    """Add what a service takes of the shared rows to the use after the change."""
    regions, _ = base_width(rows)
    p = rows.found[i, CHOSEN]
    for k in range(known.sets[p, 0]):
        r, n = known.sets[p, 1 + k], rows.found[i, COUNT + k]
        work.use[1, r] += sign * n * known.own[s, CORES]
        if known.has[0]:
            work.use[1, regions + r] += sign * n * known.own[s, MEMORY]
    if known.has[1]:
        work.use[1, work.use.shape[1] - 1] += sign * rows.bill[i]


@inner
def _rank(count: int, known: Known, base: Rows, trial: Rows, work: Work, out: Ints, g: int) -> None:
    """Write the rank of the plan after the change: overrun, broken rules, cost; then added."""
    cost, broken, added = work.total[0], work.total[1], work.total[2]
    for row in range(work.use.shape[1]):
        work.use[1, row] = work.use[0, row]
    for i in range(count):
        s = work.touched[i]
        cost += trial.found[i, COST] - base.found[s, COST]
        broken += _weight(s, i, trial, work) - _weight(s, s, base, work)
        added += trial.found[i, ADDED] - base.found[s, ADDED]
        _use(s, s, -1.0, known, base, work)
        _use(s, i, 1.0, known, trial, work)
    over = max(0.0, added - known.rules[MOVE_LIMIT])
    for row in range(work.use.shape[1]):
        over += max(0.0, work.use[1, row] - known.limits[row] - ROW_SLACK)
    out[g, 0], out[g, 1], out[g, 2], out[g, 3] = int(np.ceil(over)), broken, cost, added


@inner
def _keep(count: int, base: Rows, trial: Rows, work: Work) -> None:
    """Make the change: write the trial over the base."""
    regions, width = base_width(base)
    for i in range(count):
        s = work.touched[i]
        mark = work.mark[s]
        if mark & CALLED:
            for q in range(regions):
                for column in range(base.flow.shape[2]):
                    base.flow[s, q, column] = trial.flow[i, q, column]
                for h in range(base.peak.shape[2]):
                    base.peak[s, q, h] = trial.peak[i, q, h]
        if mark & (MOVED | CALLED):
            for r in range(regions):
                base.load[s, r] = trial.load[i, r]
                for h in range(base.peak.shape[2]):
                    base.load_peak[s, r, h] = trial.load_peak[i, r, h]
            for k in range(width):
                for column in range(base.slot.shape[2]):
                    base.slot[s, k, column] = trial.slot[i, k, column]
        for q in range(regions):
            for column in range(2):
                base.depends[s, q, column] = trial.depends[i, q, column]
                base.answers[s, q, column] = trial.answers[i, q, column]
        for column in range(base.found.shape[1]):
            base.found[s, column] = trial.found[i, column]
        base.bill[s] = trial.bill[i]
    for row in range(work.use.shape[1]):
        work.use[0, row] = work.use[1, row]


@inner
def _is_less(a: Ints, i: int, b: Ints, j: int) -> bool:
    for column in range(3):
        if a[i, column] != b[j, column]:
            return bool(a[i, column] < b[j, column])
    return False


@inner
def _priced(ranks: Ints, g: int, prices: Ints) -> int:
    """Return what ``walk.ranks.priced`` does."""
    cost, broken = ranks[g, 2], ranks[g, 1]
    cost += prices[0] * ranks[g, 0] + prices[1] * (broken % HEAVY)
    cost += prices[2] * (broken % ASTRAY // HEAVY) + prices[3] * (broken // ASTRAY)
    return int(cost)


def _made(stamp: int) -> Callable[..., None]:
    def sweep(
        known: Known,
        base: Rows,
        trial: Rows,
        work: Work,
        services: Ints,
        plans: Ints,
        starts: Ints,
        ranks: Ints,
        mode: int,
        dearer: Ints,
        prices: Ints,
    ) -> None:
        """Follow groups of moves one after another.

        Args:
            known: The problem.
            base: The plan; grows better where ``mode`` says so.
            trial: Work space of the same shape.
            work: More work space, with the totals of the plan.
            services: Those that move, group after group.
            plans: Their new sets.
            starts: First move of each group, then their number, ``(G + 1,)``.
            ranks: Receives the rank of each group, then that of the plan, ``(G + 1, 4)``.
            mode: 0 looks only, 1 keeps what is better, 2 starts a plan, 3 keeps everything, 4 keeps
                what is not much dearer.
            dearer: In mode 4: by how much each group may be, micro-dollars, ``(G,)``.
            prices: In mode 4: what :func:`_priced` asks for, ``(4,)``.
        """
        # Never so: the stamp is here to tell compiled code of older sources apart.
        if stamp < 0:
            return
        last = starts.shape[0] - 1
        for g in range(last):
            count = int(np.int64(0))
            for a in range(starts[g], starts[g + 1]):
                s = services[a]
                if mode == 2 or base.found[s, CHOSEN] != plans[a]:
                    count = _reach(s, count, base, trial, work)
                    trial.found[work.place[s], CHOSEN] = plans[a]
                    work.mark[s] = MOVED | CALLED | WAITS if mode == 2 else MOVED
            count = _down(count, known, base, trial, work)
            count = _up(count, known, base, trial, work)
            _rank(count, known, base, trial, work, ranks, g)
            if mode == 4:
                more = _priced(ranks, g, prices) - _priced(ranks, last, prices)
                is_kept = more <= dearer[g]
            else:
                is_kept = mode >= 2 or (mode == 1 and _is_less(ranks, g, ranks, last))
            if is_kept:
                _keep(count, base, trial, work)
                work.total[0], work.total[1] = ranks[g, 2], ranks[g, 1]
                work.total[2] = ranks[g, 3]
                for column in range(4):
                    ranks[last, column] = ranks[g, column]
            work.total[3] = count
            for i in range(count):
                work.mark[work.touched[i]] = 0
                work.place[work.touched[i]] = -1

    return compiled(sweep)


sweep = _made(source_stamp(Path(__file__).parent.glob("*.py")))
