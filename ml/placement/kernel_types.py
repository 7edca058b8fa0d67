"""What the compiled pricing loop reads, as named tuples of plain arrays."""

from __future__ import annotations

from typing import NamedTuple

from ml.placement.instance import Flags, Floats, Ints


class Fixed(NamedTuple):
    """The same for all services; clients C, regions R, utilisation buckets B."""

    rtt: Floats
    """Round trip, ``(R, C)``."""
    rank: Ints
    """Place of a region in each client's order by (round trip, region), ``(R, C)``."""
    misroute: Floats
    buckets: Floats
    room: Floats
    """vCPU by region that one service alone must not exceed, ``(R,)``."""
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

    mean: Floats
    """``(n, C)``."""
    peak: Floats
    """``(n, C, H)``."""
    worth: Floats
    """$ per hour for one more ms of answer time, own and callers' clients, ``(n, C)``."""
    egress: Floats
    """``(n, C, R)``."""
    spent: Floats
    """$ per hour that one request per second leads to, ``(n, R)``."""
    inside: Floats
    """Internal time with calls, ``(n, R, B)``, like the next three."""
    weight: Floats
    factor: Floats
    upper: Floats
    price: Floats
    """$ per hour of an instance, ``(n, R)``."""
    rent: Floats
    """What the shared rows charge for an instance, ``(n, R)``."""
    hop: Floats
    """$ per hour for adding the region, 0 where the service runs today, ``(n, R)``."""
    adds: Flags
    """Regions where the service does not run today, ``(n, R)``."""
    allowed: Flags
    rate: Floats
    cores: Floats
    replica: Floats
    base: Floats
    """$ per hour taken off every plan's cost."""
    slo: Floats
    is_hard: Flags
    is_proof: Flags
    floor: Floats
    slowest: Floats
    low: Ints
    high: Ints
    home: Flags
    """Today's set where it is larger than any enumerated one, else nothing, ``(n, R)``."""
    limit: Floats
    """Plans above this value are of no interest, micro-dollars, ``(n,)``."""


class Local(NamedTuple):
    """Work space: one service with the clients that ask for anything, renewed per service."""

    mean: Floats
    near_mean: Floats
    """Mean demand that goes to the nearest region, ``(C,)``."""
    near_worth: Floats
    peak: Floats
    """Upper quantile of demand that goes to the nearest, ``(C, H)``."""
    astray_peak: Floats
    """The rest, spread evenly, ``(H,)``."""
    rtt: Floats
    rank: Ints
    egress: Floats
    """Of what goes to the nearest, ``(R, C)``."""
    astray: Floats
    """Sums over clients of what is spread: egress, mean x rtt, worth x rtt, ``(R, 3)``."""
    totals: Floats
    """Spread mean, spread worth, all mean, highest hour of the peaks, ``(4,)``."""
    ok: Floats
    """Demand to the nearest that meets the objective, ``(B, R, C)``."""
    astray_ok: Floats
    size: Ints
    """Number of clients and of hours."""
    near: Ints
    hour: Floats
    load: Floats
    """Peak by slot, ``(K,)``."""
    lost: Floats
    """Peak by lost slot and slot, ``(K, K)``."""
    sums: Floats
    """Mean, mean x rtt, worth, worth x rtt by slot, ``(K, 4)``."""
    count: Ints
    trial: Ints


class Best(NamedTuple):
    """The T best plans of each service, best first."""

    value: Floats
    """Micro-dollars at the prices; infinite where there is no such plan, ``(n, T)``."""
    cost: Ints
    regions: Ints
    """``(n, T, K)``, -1 where not filled."""
    instances: Ints
    size: Ints
    evaluated: Ints
    """Plans evaluated in full, ``(n,)``."""
