"""What the compiled walk reads and writes, packed into few arrays; columns are named here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.placement.problem.instance import Floats, Ints

Bytes = NDArray[np.uint8]

# Columns of Known.cell: own time, weight of the network, factor, factor of the p95 bound, and the
# variance of the own time, negative where nobody knows it.
OWN, WEIGHT, FACTOR, UPPER, VARIANCE = range(5)
# Columns of Known.area: an instance, adding the region, the rules that close it as bits, and
# whether the service runs there today.
PRICE, MOVE, CLOSED, IS_HOME = range(4)
# Columns of Known.own, by service.
(
    RATE, CORES, MEMORY, WORTH, REPLICA, IS_PROOF, FLOOR, IS_HARD, SLO, SLOWEST, MIN_SIZE, MAX_SIZE,
    NEEDS_LOSS,
) = range(13)  # fmt: skip
# Columns of Known.region: vCPU that exist, memory, rent of a vCPU, carbon of a vCPU.
ROOM, MEMORY_ROOM, RENT, CARBON = range(4)
# Columns of Known.edge and of Known.call.
CALLER, CALLEE, STAGE, IS_ASYNC = range(4)
CALLS, LATENCY, UP_KB, DOWN_KB, SPREAD, COIN = range(6)
# Places in Known.rules.
(
    LEAST, TARGET, AFTER_LOSS, SATURATION, NEED, OPEN, CAP, LOSS_USD, MISS_USD, MOVE_RENT,
    MOVE_LIMIT,
) = range(11)  # fmt: skip
# Columns of Rows.flow: calls per second, their waiting, kB in and out, highest hour.
MEAN, WAIT, UP, DOWN, TOP = range(5)
# Columns of Rows.slot, then the peak while the region of each other slot is lost.
S_MEAN, S_MEAN_RTT, S_WAIT, S_WAIT_RTT, S_EGRESS, S_PEAK, S_LOST = range(7)
# Columns of Rows.found, then instances by slot.
CHOSEN, COST, BITS, ADDED, COUNT = range(5)
# Flags in Work.mark: moved, called from elsewhere, waits otherwise.
MOVED, CALLED, WAITS = 1, 2, 4


class Known(NamedTuple):
    """The problem; services S, origins O, regions R, clients C = O + R, hours H, sets P."""

    share: Floats
    """``(rows + 1, C)``, and the same for sizing."""
    peak_share: Floats
    sets: Ints
    """Size, region by slot, row by slot, row of slot j while i is lost, ``(P, 1 + 2 K + K K)``."""
    rtt: Floats
    out_usd: Floats
    """$ per GB from row to column, ``(R, R)``."""
    peak: Floats
    """Users' peak, ``(S, O, H)``."""
    user: Floats
    """Mean, waiting, highest hour, then egress by region, ``(S, O, 3 + R)``."""
    cell: Floats
    """``(S, R, B, 5)``."""
    area: Floats
    """``(S, R, 4)``."""
    own: Floats
    """``(S, 13)``."""
    region: Floats
    """``(R, 4)``."""
    edge: Ints
    """Sorted by caller, stage, callee, ``(E, 4)``."""
    call: Floats
    """``(E, 6)``."""
    starts: Ints
    """First outgoing and first incoming edge of a service, ``(S + 1, 2)``."""
    incoming: Ints
    """Edges sorted by callee, ``(E,)``."""
    order: Ints
    """Services, callers before callees."""
    buckets: Floats
    rules: Floats
    limits: Floats
    """Of the shared rows."""
    has: Ints
    """Whether memory is limited, whether the bill is."""


class Rows(NamedTuple):
    """What follows for n services."""

    peak: Floats
    """Of the regions that call, ``(n, R, H)``."""
    flow: Floats
    """``(n, R, 5)``."""
    load_peak: Floats
    """By region that serves, ``(n, R, H)``."""
    load: Floats
    slot: Floats
    """``(n, K, 6 + K)``."""
    depends: Floats
    """Mean and variance of the time on calls, ``(n, R, 2)``."""
    answers: Floats
    """The same of the answers to callers."""
    found: Ints
    """``(n, 4 + K)``."""
    bill: Floats


class Work(NamedTuple):
    """Work space of one change."""

    mark: Bytes
    place: Ints
    """Row of a service in the trial, -1 where it is not reached."""
    touched: Ints
    hour: Floats
    calling: Floats
    """Calls per second from each region to the service at hand, ``(R,)``."""
    took: Floats
    """By slot: ms per ms of round trip, ms inside, variance, ``(K, 3)``."""
    instances: Ints
    """By slot, ``(K,)``, and those that survive a loss."""
    proof: Ints
    use: Floats
    """Of the shared rows, at the plan and after the change, ``(2, rows)``."""
    total: Ints
    """Cost, weight of broken rules, added regions of the plan; services the last group reached."""
    is_open: Bytes
    """``(S, P)``."""
    stays: Bytes
