"""What the compiled pricing loop reads and writes, packed into few arrays.

Every array is several arguments of every compiled function, so few wide arrays compile in a
third of the time of many narrow ones. The names of their columns are the constants here.
"""

from __future__ import annotations

from typing import NamedTuple

from ml.placement.problem.instance import Floats, Ints

# Columns of Part.asked: requests per second, and $ per hour for one more ms of answer time to the
# client, its own and its callers' clients.
MEAN, WORTH = 0, 1
# Columns of Part.area: $ per hour that a request per second leads to; of an instance; what the
# shared rows charge for one; of adding the region. Then flags: not run in today; may be used;
# part of today's set where that is larger than any enumerated one. Last, the most instances that
# one service alone may have there.
SPENT, PRICE, RENT, HOP, ADDS, ALLOWED, HOME, MOST = range(8)
# Columns of Part.cell: internal time with calls, and the factors of latency.
INSIDE, WEIGHT, FACTOR, UPPER = range(4)
# Columns of Part.own.
RATE, CORES, REPLICA, BASE, SLO, IS_HARD, IS_PROOF, FLOOR, SLOWEST, LOW, HIGH, LIMIT = range(12)
# Columns of Local.client: mean demand, and what of it and of its worth goes to the nearest region.
NEAR_MEAN, NEAR_WORTH = 1, 2
# Layers of Local.place; egress is of what goes to the nearest.
RTT, RANK, EGRESS = range(3)
# Rows of Local.marks: how many clients and hours; slot of each client's nearest region; instances
# by slot; hours that can be a peak.
SIZE, NEAR, COUNT, TRIAL = range(4)
# Columns of Local.slot after mean, mean x rtt, worth, worth x rtt: peak, then peak by lost slot.
LOAD, LOST = 4, 5
# Layers of Tree.pair: least $ per hour of a client's near part in a region with its compute, that
# compute, demand that the region can serve in time at best.
WAYS, HELD, MAY = range(3)
# Columns of Tree.region: what is spread over all open regions; opening it with its least
# instances; one instance with rent; the difference that adding it makes; demand it serves in time.
STRAY, FEE, UNIT, NET, GAIN_OK = range(5)
# Layers of Tree.near, by depth and client of the prefix.
USD, PLACE, IN_TIME = range(3)
# Columns of Tree.listed, by depth: candidates, the next of them, region taken, then candidates.
LENGTH, AT, TAKEN, FIRST = range(4)
# Places in Tree.facts: instances at peak; after a loss; share of compute that is counted; least
# unit; least stray; demand needed in time from near parts; $ of reserves for one region lost; then
# the most negative differences.
LOWEST = 7
# Columns of Best.plan: cost in micro-dollars, number of regions, regions, then instances.
COST, HOLDS, REGIONS = range(3)


class Fixed(NamedTuple):
    """The same for all services; clients C, regions R, utilisation buckets B."""

    rtt: Floats
    """Round trip, ``(R, C)``."""
    rank: Floats
    """Place of a region in each client's order by (round trip, region), ``(R, C)``."""
    misroute: Floats
    buckets: Floats
    near_tie: float
    utilisation: float
    after_loss: float
    saturation: float
    need: float
    """Share of demand that must meet the objective."""
    least: int
    open_usd: float
    cost_weight: float
    """1 to price plans; 0 to ask for their use of the shared rows alone."""
    move_price: float
    slack: float
    """Micro-dollars by which a bound may exceed a limit: a cost is rounded, a bound is not."""


class Part(NamedTuple):
    """n services of one chunk at given prices of the shared rows."""

    asked: Floats
    """``(n, C, 2)``."""
    peak: Floats
    """``(n, C, H)``."""
    egress: Floats
    """``(n, C, R)``."""
    area: Floats
    """``(n, R, 8)``."""
    cell: Floats
    """``(n, R, B, 4)``."""
    own: Floats
    """``(n, 12)``."""


class Local(NamedTuple):
    """Work space: one service with the clients that ask for anything, renewed per service."""

    client: Floats
    """``(C, 3)``."""
    peak: Floats
    """Upper quantile to the nearest region; last, what is spread, ``(C + 1, H)``."""
    place: Floats
    """``(3, R, C)``."""
    astray: Floats
    """What is spread: egress, mean x rtt, worth x rtt by region. Last row: spread mean, spread
    worth, all mean, highest hour of the peaks, ``(R + 1, 4)``."""
    ok: Floats
    """Demand to the nearest in time; last, of what is spread, ``(B, R, C + 1)``."""
    marks: Ints
    slot: Floats
    """``(K, 5 + K)``."""
    hour: Floats
    """``(K, H)``."""


class Tree(NamedTuple):
    """Work space of the search."""

    pair: Floats
    """``(3, R, C)``."""
    region: Floats
    """``(R, 5)``."""
    near: Floats
    """``(K + 1, 3, C)``."""
    listed: Ints
    """``(K + 1, 3 + R)``."""
    bound: Floats
    """Of each candidate, ``(K + 1, R)``."""
    sums: Floats
    """Fees, strays, near parts, cheapest unit of the prefix, demand in time, ``(K + 1, 5)``."""
    facts: Floats
    ids: Ints


class Best(NamedTuple):
    """The T best plans of each service, best first."""

    value: Floats
    """Micro-dollars at the prices; infinite where there is no such plan, ``(n, T)``."""
    plan: Ints
    """``(n, T, 2 + 2 K)``; regions are -1 where not filled."""
    evaluated: Ints
    """Plans looked at, ``(n,)``."""
    width: int
    """K."""
