"""Rules of the whole fleet that may be broken at a price: capacity and the move budget.

A row with the price p per unit costs p x max(0, use - limit). Where the row is overrun that is
p x use minus a constant, so the row is dropped and every unit costs its rent: the same optimum,
found by the same search. Which rows are overrun is not known beforehand; they are tried.
Objectives that may be missed at a price belong to one service and stand in its own cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ml.placement.errors import InfeasibleError
from ml.placement.fleet.fleet import Fleet
from ml.placement.problem.instance import Instance
from ml.placement.problem.rows import used_by
from ml.placement.problem.subsets import SetSpace

MOVES = "moves"
_SLACK = 1e-6
Row = int | str


@dataclass(frozen=True)
class Exceeded:
    """One elastic rule that a plan breaks, with what that costs."""

    rule: str
    service_id: str
    region_id: str
    amount: float
    unit: str
    usd_per_unit_hour: float

    @property
    def usd_per_hour(self) -> float:
        """Price of the whole violation, $ per hour."""
        return self.amount * self.usd_per_unit_hour


def prices(instance: Instance) -> dict[Row, float]:
    """Return the price per unit and hour of every shared row that is declared elastic."""
    policy = instance.policy
    found: dict[Row, float] = {}
    vcpu = policy.elastic_capacity_usd_per_vcpu_hour
    if vcpu:
        found |= dict.fromkeys(np.flatnonzero(np.isfinite(instance.capacity_vcpu)).tolist(), vcpu)
    if policy.elastic_move_usd and policy.move_budget is not None:
        found[MOVES] = policy.elastic_move_usd / policy.migration_amortisation_hours
    return found


def rented(instance: Instance, rows: frozenset[Row]) -> Instance:
    """Return the problem in which the given rows are dropped and every unit costs its rent."""
    price = prices(instance)
    rent = np.array([price[r] if r in rows else 0.0 for r in range(instance.n_regions)])
    move = price[MOVES] if MOVES in rows else 0.0
    return replace(instance, rent_usd=rent if rent.any() else None, move_rent_usd=move)


def offset_usd(instance: Instance) -> float:
    """Return what a rented problem's cost counts too much: the rent of what lies within limits."""
    total = 0.0
    if instance.rent_usd is not None:
        paid = instance.rent_usd > 0
        total += float((instance.rent_usd[paid] * instance.capacity_vcpu[paid]).sum())
    return total + instance.move_rent_usd * float(instance.policy.move_budget or 0)


def relaxed(instance: Instance, solve: Callable[[Instance], object]) -> Instance:
    """Return the problem with those elastic rows rented that a good plan overruns.

    Args:
        instance: The problem, nothing rented yet.
        solve: Returns a :class:`~ml.placement.search.solve.Solution`, or raises
            ``InfeasibleError``.

    Raises:
        InfeasibleError: If the rules that are not elastic contradict each other.
    """
    price = prices(instance)
    if not price:
        return instance
    # A row whose scarcity is worth more than its price is worth overrunning.
    wanted = _scarce(instance, solve, price)
    for _ in range(len(price) + 1):
        trial = rented(instance, wanted)
        if not wanted:
            break
        slack = _within(trial, solve(trial))
        if not slack:
            break
        wanted -= slack
    return rented(instance, wanted)


def _scarce(
    instance: Instance, solve: Callable[[Instance], object], price: dict[Row, float]
) -> frozenset[Row]:
    try:
        found = solve(instance)
    except InfeasibleError:
        return frozenset(price)
    master = found.master  # type: ignore[attr-defined]
    worth: dict[Row, float] = {r: float(master.capacity_dual[r]) for r in range(instance.n_regions)}
    worth[MOVES] = float(master.move_dual)
    return frozenset(row for row, usd in price.items() if worth[row] > usd)


def _within(instance: Instance, found: object) -> frozenset[Row]:
    """Return the rented rows that the plan does not fill: paying for them was not needed."""
    fleet: Fleet = found.fleet  # type: ignore[attr-defined]
    space: SetSpace = found.space  # type: ignore[attr-defined]
    use, out = used_by(instance, space, fleet), set()
    rent = instance.rent_usd if instance.rent_usd is not None else np.zeros(instance.n_regions)
    for r in np.flatnonzero(rent > 0):
        if use[r] < instance.capacity_vcpu[r] - _SLACK:
            out.add(int(r))
    moves, budget = int(fleet.assessed.added.sum()), instance.policy.move_budget
    if instance.move_rent_usd > 0 and budget is not None and moves < budget:
        return frozenset(out) | {MOVES}
    return frozenset(out)


def exceeded(instance: Instance, space: SetSpace, fleet: Fleet) -> list[Exceeded]:
    """Return every elastic rule that a plan breaks, sorted by rule, service and region."""
    policy, found = instance.policy, fleet.assessed
    out: list[Exceeded] = []
    use = used_by(instance, space, fleet)
    rent = instance.rent_usd if instance.rent_usd is not None else np.zeros(instance.n_regions)
    for r in np.flatnonzero(rent > 0):
        over = float(use[r] - instance.capacity_vcpu[r])
        if over > _SLACK:
            name = instance.region_ids[r]
            out.append(Exceeded("NO_CAPACITY", "*", name, over, "vCPU", float(rent[r])))
    over = int(found.added.sum()) - (policy.move_budget or 0)
    if instance.move_rent_usd > 0 and over > 0:
        out.append(Exceeded("MOVE_BUDGET", "*", "*", over, "moves", instance.move_rent_usd))
    price = policy.elastic_slo_usd_per_request
    if price is not None:
        short = np.maximum(0.0, policy.slo_demand_share - found.slo_share[:, 0])
        missed = np.where(np.isnan(instance.slo_ms), 0.0, short)
        missed *= fleet.clients.mean_rps.sum(axis=1)
        for s in np.flatnonzero(missed > _SLACK):
            per_hour = 3600.0 * price
            out.append(
                Exceeded(
                    "SLO_MISSED",
                    instance.service_ids[s],
                    "*",
                    float(missed[s]),
                    "requests/s",
                    per_hour,
                )
            )
    return sorted(out, key=lambda one: (one.rule, one.service_id, one.region_id))
