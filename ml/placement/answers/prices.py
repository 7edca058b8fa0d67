"""What each rule costs: the best plan with it minus the best plan without it.

A rule of the whole fleet is lifted and the problem solved again from the recommended plan, which
stays allowed, so a price is never negative. Both ends come from the certified bounds of the two
solves: [LB - UB', UB - LB'], the prime without the rule. A rule of one service is priced from the
table of all its plans, without a solve. Both hold one service at a time: each set
is valued as if its service alone moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ml.placement.check.certificate import certify
from ml.placement.errors import InfeasibleError
from ml.placement.fleet.evaluate import RULES
from ml.placement.fleet.fleet import MICRO, evaluate_fleet
from ml.placement.problem.instance import BANNED, RESIDENCY, Flags, Instance
from ml.placement.problem.rows import row_limits, row_names, used_by
from ml.placement.search.plans import mean_ms, monthly_micro
from ml.placement.search.solve import Solution, move_limit, overload
from ml.placement.whatif import HOURS_PER_MONTH, resolve

ALL = "*"
_ROUNDS = 4
_FULL = 0.98
_KINDS = {"capacity_vcpu": "NO_CAPACITY", "capacity_memory_gb": "MEMORY", "bill": "COST_CAP"}
_WORDS = {
    "MOVE_BUDGET": "the move budget",
    "NO_CAPACITY": "the capacity of {region}",
    "MEMORY": "the memory of {region}",
    "COST_CAP": "the cap on the bill",
    "RESIDENCY": "keeping data where residency asks for it",
    "REGION_BANNED": "the bans on regions",
    "MIN_REGIONS": "the least number of regions",
    "MAX_REGIONS": "the largest number of regions",
    "SLO_MISSED": "keeping latency objectives",
    "N1_LOSS": "surviving the loss of any one region",
    "KEEP_SURVIVAL": "surviving a loss no worse than today",
    "SLOWER_THAN_TODAY": "slowing no service down",
}
# Rules that belong to one service and can be read from the table of its plans.
_OF_SERVICES = ("RESIDENCY", "REGION_BANNED", "MAX_REGIONS", "MIN_REGIONS", "SLO_MISSED", "N1_LOSS")


@dataclass(frozen=True)
class Lifted:
    """A rule and the problem without it."""

    code: str
    region_id: str
    instance: Instance
    dual: float | None
    is_full: bool
    """A shared row that the plan fills, or a rule of services."""


def constraint_prices(solution: Solution, lower_micro: int) -> pd.DataFrame:
    """Return ``placement_constraint_prices``.

    Args:
        solution: The recommended plan.
        lower_micro: Its certified bound, micro-dollars per hour.
    """
    rows = [_fleet_row(solution, lower_micro, rule) for rule in _rules(solution)]
    return pd.DataFrame([*rows, *_service_rows(solution, lower_micro)])


def _rules(solution: Solution) -> Iterator[Lifted]:
    instance, policy = solution.instance, solution.instance.policy
    yield from _shared(solution)
    for code, closed in (("RESIDENCY", RESIDENCY), ("REGION_BANNED", BANNED)):
        opened = _opened(instance, closed)
        if opened is not None:
            yield Lifted(code, ALL, opened, None, True)
    if (instance.min_regions > 1).any():
        free = replace(instance, min_regions=np.ones_like(instance.min_regions))
        yield Lifted("MIN_REGIONS", ALL, free, None, True)
    if not np.isnan(instance.slo_ms).all():
        free = replace(instance, slo_ms=np.full_like(instance.slo_ms, np.nan))
        yield Lifted("SLO_MISSED", ALL, free, None, True)
    if instance.loss_proof.any():
        free = replace(instance, loss_proof=np.zeros_like(instance.loss_proof))
        yield Lifted("N1_LOSS", ALL, free, None, True)
    if policy.keep_loss_survival:
        free = replace(instance, policy=replace(policy, keep_loss_survival=False))
        yield Lifted("KEEP_SURVIVAL", ALL, free, None, True)
    if policy.slowdown_limit_share is not None:
        free = replace(instance, policy=replace(policy, slowdown_limit_share=None))
        yield Lifted("SLOWER_THAN_TODAY", ALL, free, None, True)


def _shared(solution: Solution) -> Iterator[Lifted]:
    """Yield every limit that services share: the move budget, then the rows."""
    instance, master = solution.instance, solution.master
    policy = instance.policy
    if np.isfinite(move_limit(instance)):
        free = replace(instance, policy=replace(policy, move_budget=None))
        used = int(solution.fleet.assessed.added.sum())
        dual = float(master.move_dual)
        yield Lifted("MOVE_BUDGET", ALL, free, dual, dual > 0 or used >= move_limit(instance))
    limits = row_limits(instance)
    use = used_by(instance, solution.space, solution.fleet)
    for i, (kind, region) in enumerate(row_names(instance)):
        if not np.isfinite(limits[i]):
            continue
        dual = float(master.capacity_dual[i]) if i < len(master.capacity_dual) else 0.0
        is_full = dual > 0 or use[i] >= _FULL * limits[i]
        yield Lifted(_KINDS[kind], region, _without_row(instance, i, kind), dual, is_full)


def _without_row(instance: Instance, row: int, kind: str) -> Instance:
    if kind == "bill":
        return replace(instance, bill_cap_usd=float("inf"))
    name = "capacity_vcpu" if kind == "capacity_vcpu" else "memory_capacity_gb"
    limits = getattr(instance, name).copy()
    limits[row % instance.n_regions] = np.inf
    return replace(instance, **{name: limits})


def _opened(instance: Instance, code: int) -> Instance | None:
    """Open the regions closed by a rule where the service could be ranked; None if none is."""
    ranked = instance.latency.factor.any(axis=2) & ~np.isnan(instance.instance_usd)
    hit = (instance.blocker == code) & ranked
    if not hit.any():
        return None
    return replace(instance, blocker=np.where(hit, 0, instance.blocker))


def _fleet_row(solution: Solution, lower: int, rule: Lifted) -> dict[str, object]:
    row: dict[str, object] = {
        "constraint_code": rule.code,
        "scope": "fleet" if rule.region_id == ALL else "region",
        "service_id": ALL,
        "region_id": rule.region_id,
        "dual_usd_per_unit_hour": rule.dual,
    }
    upper = solution.upper_micro
    if not rule.is_full:
        # With a price of 0 the bound does not use the row: it holds without the row too.
        return row | _priced(rule, upper - lower, (0, 0, upper - lower), "bounded")
    try:
        found = resolve(rule.instance, solution.fleet.chosen, _ROUNDS)
    except InfeasibleError:
        # More freedom cannot be infeasible; the search failed, which says nothing on the price.
        return row | _priced(rule, upper - lower, (0, 0, upper), "bounded")
    fleet, above, below = found.fleet, found.upper_micro, certify(found).lower_micro
    kept = evaluate_fleet(rule.instance, found.space, solution.fleet.chosen, found.today)
    if int(kept.cost_micro.sum()) < above:
        fleet, above = kept, int(kept.cost_micro.sum())
    below = min(below, above)
    ends = (max(0, upper - above), max(0, lower - above), max(0, upper - below))
    exact = ends[2] - ends[1] <= upper - lower
    return row | {
        **_priced(rule, upper - lower, ends, "exact" if exact else "resolved"),
        "bill_price_usd_per_month": HOURS_PER_MONTH
        * (monthly_micro(solution.fleet) - monthly_micro(fleet))
        / MICRO,
        "latency_price_ms": mean_ms(solution.fleet) - mean_ms(fleet),
        "lower_bound_usd_per_hour": below / MICRO,
        "upper_bound_usd_per_hour": above / MICRO,
    }


def _priced(rule: Lifted, gap: int, ends: tuple[int, int, int], method: str) -> dict[str, object]:
    price, low, high = (HOURS_PER_MONTH * end / MICRO for end in ends)
    is_clear = ends[0] > gap
    what = _WORDS[rule.code].format(region=rule.region_id)
    return {
        "is_binding": is_clear,
        "price_usd_per_month": price,
        "price_lower_usd_per_month": low,
        "price_upper_usd_per_month": high,
        "price_method": method,
        "sentence": _sentence(what, price, is_clear),
    }


def _sentence(what: str, price: float, is_clear: bool) -> str:
    if is_clear:
        return f"{what} costs ${price:,.0f} a month of cost and priced waiting"
    return f"{what} costs nothing that stands out from the gap"


def _service_rows(solution: Solution, lower: int) -> Iterator[dict[str, object]]:
    """Yield the rules that keep one service from a better plan, from the table of its plans."""
    instance, master = solution.instance, solution.master
    n = instance.n_services
    table = solution.table
    opened = table.broken == 0
    loose = replace(table, is_open=np.ones_like(table.is_open))
    value = loose.reduced(master.capacity_dual, float(master.move_dual), 0, n)
    gap = solution.upper_micro - lower
    known = _rankable(solution)
    for code in _OF_SERVICES:
        bit = 1 << RULES.index(code)
        without = ((table.broken & ~bit) == 0) & known
        for s in np.flatnonzero((without & ~opened).any(axis=1) & ~instance.is_fixed):
            free = np.where(without[s], value[s], np.inf)
            best = int(free.argmin())
            gained = value[s, table.is_open[s]].min() - free[best]
            if gained <= gap:
                continue
            # If the better set fits while all others stay, that much is gained for certain.
            sure = int(table.cost_micro[s, solution.fleet.chosen[s]] - table.cost_micro[s, best])
            low = max(0, sure - gap) if _fits(solution, int(s), best) else 0
            high = max(low, int(gained) + gap)
            price = min(max(int(gained), low), high)
            yield _service_row(solution, code, int(s), (price, low, high))


def _fits(solution: Solution, s: int, plan: int) -> bool:
    """Say whether the shared rows hold if one service changes its set and all others stay."""
    trial = solution.fleet.chosen.copy()
    trial[s] = plan
    limits = row_limits(solution.instance)
    return overload(solution.table, trial, limits, move_limit(solution.instance)) == 0


def _rankable(solution: Solution) -> Flags:
    """Return which sets hold only regions with a prediction and a price, ``(S, P)``."""
    instance, member = solution.instance, solution.space.member
    unknown = ~instance.latency.factor.any(axis=2) | np.isnan(instance.instance_usd)
    return np.asarray((unknown.astype(np.float64) @ member.T.astype(np.float64)) == 0)


def _service_row(
    solution: Solution, code: str, s: int, ends: tuple[int, int, int]
) -> dict[str, object]:
    name = solution.instance.service_ids[s]
    price, low, high = (HOURS_PER_MONTH * end / MICRO for end in ends)
    what = f"{_WORDS[code]} for {name}"
    return {
        "constraint_code": code,
        "scope": "service",
        "service_id": name,
        "region_id": ALL,
        "is_binding": True,
        "price_usd_per_month": price,
        "price_lower_usd_per_month": low,
        "price_upper_usd_per_month": high,
        "price_method": "bounded",
        "sentence": _sentence(what, price, True),
    }
