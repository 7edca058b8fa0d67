"""Rules that a company states about its own services and regions, written into the problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ml.placement.problem.instance import BANNED, Ints
from ml.placement.problem.policy import PACKAGED, Policy, PolicyError
from ml.placement.problem.reading_latency import number

Evidence = tuple[tuple[str, ...], ...]


def with_own_rules(
    policy: Policy,
    service_ids: tuple[str, ...],
    region_ids: tuple[str, ...],
    blocker: Ints,
    evidence: Evidence,
    facts: dict[str, Any],
) -> tuple[Ints, Evidence]:
    """Write pinned services and per-service numbers of regions into the problem.

    Args:
        policy: The rules.
        service_ids: Ids, ``(S,)``.
        region_ids: Ids, ``(R,)``.
        blocker: Codes, ``(S, R)``; not changed.
        evidence: Texts beside the codes.
        facts: Its ``min_regions`` and ``max_regions`` are replaced.

    Returns:
        Blockers and evidence with every region closed that a pinned service is not pinned to.

    Raises:
        PolicyError: If a rule names a region or service that does not exist.
    """
    blocker, texts = blocker.copy(), [list(row) for row in evidence]
    least, most = facts["min_regions"].copy(), facts["max_regions"].copy()
    for name, (low, high) in policy.region_limits:
        s = _position("region_limits", name, name, service_ids)
        least[s] = least[s] if low is None else low
        most[s] = most[s] if high is None else high
    for name, regions in policy.pinned_services:
        s = _position("pinned_services", name, name, service_ids)
        key = f"pinned_services.{name}"
        kept = [_position(key, regions, r, region_ids) for r in regions]
        for r in range(len(region_ids)):
            if r not in kept and blocker[s, r] == 0:
                blocker[s, r] = BANNED
                texts[s][r] = f"the policy pins the service to {', '.join(regions)}"
        # Exactly these: fewer would break the pin as much as others do.
        least[s] = len(kept)
        most[s] = max(most[s], len(kept))
    facts["min_regions"], facts["max_regions"] = least, most
    return blocker, tuple(tuple(row) for row in texts)


def _position(key: str, value: object, name: str, ids: tuple[str, ...]) -> int:
    if name not in ids:
        raise PolicyError(
            PACKAGED.name, key, value, f"{name} is not one of the {len(ids)} ids in the data"
        )
    return ids.index(name)


def optional_facts(
    policy: Policy,
    regions: pd.DataFrame,
    region_ids: tuple[str, ...],
    blocker: Ints,
    notes: list[tuple[str, str, str]],
) -> dict[str, Any]:
    """Return carbon and memory limits by region, where there are any.

    Carbon is priced only if every region that some service may use has a figure: a region without
    one would look clean.

    Raises:
        PolicyError: If a limit names a region that does not exist.
    """
    grid = number(regions, "carbon_g_per_kwh")
    usable = (blocker == 0).any(axis=0)
    unknown = [region_ids[r] for r in np.flatnonzero(usable & np.isnan(grid))]
    priced = policy.carbon_usd_per_kg is not None and policy.carbon_usd_per_kg > 0
    if priced and unknown:
        detail = f"no carbon figure for {', '.join(unknown)}: its price counts nowhere"
        notes.append(("CARBON_OFF", "fleet", detail))
    memory = np.full(len(region_ids), np.inf)
    for name, gb in policy.memory_capacity_gb:
        memory[_position("memory_capacity_gb", gb, name, region_ids)] = gb
    return {
        "carbon_g_per_kwh": None if np.isnan(grid).all() else grid,
        "carbon_priced": priced and not unknown,
        "memory_capacity_gb": memory if np.isfinite(memory).any() else None,
    }
