"""Columns of the contract that describe services without touching their latency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.synthetic.entities import Services
from generator.synthetic.facts import Geography
from generator.synthetic.rng import Floats, counter, normal, uniform

TEAMS = (
    "accounts",
    "checkout",
    "content",
    "core-platform",
    "data-platform",
    "discovery",
    "edge",
    "fulfilment",
    "growth",
    "payments",
    "reliability",
    "trust",
)
_RESIDENCIES = ("EU", "NA;EU", "NA", "AS")
_KEEPS_STATE = frozenset({"database", "cache", "queue", "profile", "payment", "order", "inventory"})


@dataclass(frozen=True)
class Attributes:
    """Drawn per service; 0 or an empty string stands for null. Arrays have shape (S,).

    Attributes:
        team: Who is asked before the service moves.
        tier: 1 (losing it loses the product) to 4.
        min_regions, max_regions: 0 where the default applies.
        residency: ``;``-separated continents, empty where it may run anywhere.
        is_stateful: A move carries data.
        state_gb: Size of that data, 0 when stateless.
        request_kb, response_kb: Mean sizes of a user request.
        allowed: Regions that residency permits, shape (S, R).
    """

    team: tuple[str, ...]
    tier: np.ndarray
    min_regions: np.ndarray
    max_regions: np.ndarray
    residency: tuple[str, ...]
    is_stateful: np.ndarray
    state_gb: Floats
    request_kb: Floats
    response_kb: Floats
    allowed: np.ndarray


def make_attributes(seed: int, services: Services, geography: Geography) -> Attributes:
    """Return the drawn attributes of every service.

    About 10 % of services are tier 1 and 25 % tier 2. Residency is rare, never on tier 1, and
    dropped when no region of the world would satisfy it; history respects it.
    """
    key = counter(np.arange(len(services)))

    def u(stream: str) -> Floats:
        return uniform(seed, stream, key)

    def z(stream: str) -> Floats:
        return normal(seed, stream, key)

    level = u("tier")
    entry_tier = 1 + np.searchsorted([0.30, 0.70, 0.95], level)
    tier = np.where(services.is_entry, entry_tier, 1 + np.searchsorted([0.06, 0.28, 0.77], level))
    continents = np.array([row["continent"] for row in geography.rows])
    residency, allowed = _residency(u("residency"), u("residency_kind"), tier, services, continents)
    bound = np.array([bool(r) for r in residency])
    # A service that may run in one region only cannot be asked for two.
    explicit = np.where(u("min_regions") < 0.12, np.where(tier <= 2, 2, 1), 0)
    minimum = np.where(bound, np.minimum(2, allowed.sum(axis=1)), explicit)
    capped = (u("max_regions") < 0.08) & (tier >= 3)
    is_stateful = np.array([t.name in _KEEPS_STATE for t in services.templates])
    is_stateful &= u("stateful") < 0.8
    is_database = np.array([t.name == "database" for t in services.templates])
    size_gb = np.exp(np.where(is_database, 4.5, 2.5) + 1.0 * z("state_gb"))
    return Attributes(
        team=tuple(TEAMS[int(i)] for i in u("team") * len(TEAMS)),
        tier=tier.astype(np.int64),
        min_regions=minimum.astype(np.int64),
        max_regions=np.where(capped, 3, 0),
        residency=residency,
        is_stateful=is_stateful,
        state_gb=np.where(is_stateful, np.round(size_gb, 1), 0.0),
        request_kb=np.round(0.6 * np.exp(0.6 * z("request_kb")), 3),
        response_kb=np.round(2.5 * np.exp(0.7 * z("response_kb")), 3),
        allowed=allowed,
    )


def _residency(
    u: Floats, kind: Floats, tier: np.ndarray, services: Services, continents: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the residency of each service and the regions it leaves, shape (S, R)."""
    words = []
    allowed = np.ones((len(services), continents.size), dtype=bool)
    for s in range(len(services)):
        word = ""
        if u[s] < 0.07 and tier[s] > 1 and not services.is_entry[s]:
            wanted = _RESIDENCIES[int(kind[s] * len(_RESIDENCIES))]
            inside = np.isin(continents, wanted.split(";"))
            if inside.any():
                word, allowed[s] = wanted, inside
        words.append(word)
    return tuple(words), allowed
