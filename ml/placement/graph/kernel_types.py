"""What the compiled loops of the call graph read and write, in groups that belong together."""

from __future__ import annotations

from typing import NamedTuple

from ml.placement.problem.instance import Flags, Floats, Ints

DEPTH = 8
"""Most regions of a set, plus one."""


class Users(NamedTuple):
    """Demand of users and what serving one request costs; see the problem's fields."""

    demand: Floats
    """``(S, O)``."""
    kb: Floats
    incoming: Floats
    ms: Floats
    out: Floats
    rtt: Floats


class Calls(NamedTuple):
    """What one call per second costs on its way, $ per hour; see the problem's fields."""

    up: Floats
    down: Floats
    ms: Floats
    out: Floats
    rtt: Floats


class Links(NamedTuple):
    """Who calls whom."""

    calls: Floats
    """Calls per request, ``(E,)``."""
    total: Floats
    """Calls per second, wherever they are made, ``(E,)``."""
    incoming: Ints
    """Edges sorted by callee."""
    first: Ints
    """Where each service's edges begin in ``incoming``, ``(S + 1,)``."""
    outgoing: Ints
    """Where each service's calls begin; edges are sorted by caller, ``(S + 1,)``."""


class Rules(NamedTuple):
    """Cost of an open region, regions allowed, fewest and most regions, by service."""

    fixed: Floats
    allowed: Flags
    least: Ints
    most: Ints


class Work(NamedTuple):
    """Work space for one service at a time."""

    cost: Floats
    """By client and region."""
    share: Floats
    """Requests per second by client."""
    near: Floats
    """``(DEPTH, C)``."""
    value: Floats
    """``(DEPTH, R)``."""
    gain: Floats
    """``(DEPTH + 1, R)``."""
    order: Ints
    """``(DEPTH + 3, max(R, DEPTH))``."""
