"""Plans beside the recommended one: baselines of equal budget, and the ends of the trade-off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ml.placement.fleet.fleet import (
    MICRO,
    Fleet,
    describe_today,
    evaluate_fleet,
    nothing_to_compare,
)
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import Flags, Instance, Ints
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.rules import cheapest_sets, nearest_sets, spread_instances
from ml.placement.search.solve import Solution, move_limit, solve, space_of

_WAITING_FACTORS = (16.0, 4.0)
_BILL_CAP_SHARE = 0.10
_REDRAWS = 20

Counts = dict[tuple[str, str], int]


def placements(instance: Instance, space: SetSpace, fleet: Fleet) -> pd.DataFrame:
    """Return a plan as rows of service_id, region_id, instances, sorted by key."""
    rows = [
        (instance.service_ids[s], instance.region_ids[r], int(fleet.assessed.instances[s, 0, k]))
        for s, chosen in enumerate(fleet.chosen)
        for k, r in enumerate(space.sets[chosen])
    ]
    return pd.DataFrame(rows, columns=["service_id", "region_id", "instances"])


def least_cost(solution: Solution) -> Solution:
    """Return the plan with the lowest bill that keeps every rule; waiting is worth nothing."""
    free = np.zeros(solution.instance.n_services)
    trial = replace(solution.instance, usd_per_request_ms=free)
    return solve(trial, start=solution.fleet.chosen)


def best_latency(solution: Solution) -> Solution:
    """Return the fastest plan found whose bill is at most a tenth above today's."""
    instance, today = solution.instance, solution.today_fleet
    found: Solution | None = None
    limit = _bill(today) * (1.0 + _BILL_CAP_SHARE)
    for factor in _WAITING_FACTORS:
        trial = replace(instance, usd_per_request_ms=factor * instance.usd_per_request_ms)
        found = solve(trial, start=solution.fleet.chosen)
        if _bill(found.fleet) <= limit:
            break
    if found is None:
        msg = "no factor was tried"
        raise AssertionError(msg)
    return found


def _bill(fleet: Fleet) -> float:
    found = fleet.assessed
    return float((found.compute + found.open + found.egress).sum())


def monthly_micro(fleet: Fleet) -> int:
    """Return what is billed, in micro-dollars per hour: instances and transfer."""
    found = fleet.assessed
    return int(np.rint((found.compute + found.egress).sum() * MICRO))


def mean_ms(fleet: Fleet) -> float:
    """Return the mean latency over all requests of all services."""
    rps = fleet.clients.mean_rps.sum(axis=1)
    total = float((rps * fleet.assessed.mean_ms[:, 0]).sum())
    return total / max(float(rps.sum()), 1e-12)


def within_cap(
    ends: Sequence[tuple[Fleet, str]], solution: Solution
) -> Sequence[tuple[Fleet, str]]:
    """Return the plans whose bill is at most a tenth above today's; all where none is."""
    limit = _bill(solution.today_fleet) * (1.0 + _BILL_CAP_SHARE)
    return [end for end in ends if _bill(end[0]) <= limit] or ends


def greedy(solution: Solution) -> Ints:
    """Return what a careful person would do: each service alone, best saving first.

    Services are taken by the saving of their best plan at today's flows; a plan is taken if it
    still fits the capacity and the move budget. Services that break a rule today come first.
    """
    space, instance = solution.space, solution.instance
    table, _ = price_all(instance, space, solution.today_fleet, solution.today)
    n = np.arange(instance.n_services)
    chosen = solution.today.home.copy()
    cost = np.where(table.is_open, table.cost_micro, 2**60)
    use = table.vcpu(n, chosen).sum(axis=0)
    left = move_limit(instance)
    saving = table.cost_micro[n, chosen] - cost.min(axis=1)
    urgent = ~table.is_open[n, chosen]
    for s in np.lexsort((n, -saving, ~urgent)):
        one = np.full(len(space.sets), s)
        every = np.arange(len(space.sets))
        rest = use - table.vcpu(one[:1], chosen[s : s + 1])[0]
        after = rest + table.vcpu(one, every)
        # A region that is too full today must not forbid moves that leave it no fuller.
        fits = ((after <= instance.capacity_vcpu + 1e-9) | (after <= use + 1e-9)).all(axis=1)
        fits &= table.is_open[s] & (table.added[s] <= left)
        if not fits.any():
            continue
        best = int(np.argmin(np.where(fits, cost[s], 2**61)))
        chosen[s], left = best, left - int(table.added[s, best])
        use = rest + table.vcpu(one[:1], np.array([best]))[0]
    return chosen


def greedy_nearest(instance: Instance, plan: pd.DataFrame) -> pd.DataFrame:
    """Return as many regions per service as ``plan``, those nearest to its demand today.

    Args:
        instance: The problem.
        plan: Rows of service_id, region_id, instances; each service's total is kept.
    """
    space, today, like, totals = _like(instance, plan)
    return _spread(instance, space, nearest_sets(instance, space, today, like), totals)


def cheapest(instance: Instance, plan: pd.DataFrame) -> pd.DataFrame:
    """Return as many regions per service as ``plan``, those with the lowest instance price.

    Args:
        instance: The problem.
        plan: Rows of service_id, region_id, instances; each service's total is kept.
    """
    space, _, like, totals = _like(instance, plan)
    return _spread(instance, space, cheapest_sets(instance, space, like), totals)


def random_matched_plans(
    instance: Instance, plan: pd.DataFrame, n: int, seed: int
) -> Iterator[pd.DataFrame]:
    """Yield ``n`` random plans of the same budget as ``plan``.

    Every service gets as many regions and as many instances as in ``plan``; regions are drawn
    uniformly from those it may use, instances follow the load that its routing then brings. A
    draw that overruns a region's capacity is repeated.

    Args:
        instance: The problem.
        plan: Rows of service_id, region_id, instances.
        n: Number of plans.
        seed: Seed of the draws.
    """
    space, _, like, totals = _like(instance, plan)
    rng = np.random.default_rng(seed)
    for _ in range(n):
        for _ in range(_REDRAWS):
            chosen = _draw(instance, space, like, rng)
            found = _spread(instance, space, chosen, totals)
            if _fits(instance, found):
                break
        yield found


def _draw(instance: Instance, space: SetSpace, like: Ints, rng: np.random.Generator) -> Ints:
    chosen = like.copy()
    for s in range(instance.n_services):
        allowed = np.flatnonzero(instance.blocker[s] == 0)
        k = int(space.size[like[s]])
        if not instance.is_fixed[s] and len(allowed) >= k:
            regions = tuple(sorted(int(r) for r in rng.choice(allowed, k, replace=False)))
            chosen[s] = space.index.get(regions, like[s])
    return chosen


def _fits(instance: Instance, plan: pd.DataFrame) -> bool:
    cores = dict(zip(instance.service_ids, instance.cpu_cores, strict=True))
    room = dict(zip(instance.region_ids, instance.capacity_vcpu, strict=True))
    vcpu = plan["instances"] * plan["service_id"].map(cores)
    used = vcpu.groupby(plan["region_id"]).sum()
    return all(used[r] <= room[r] + 1e-9 for r in used.index)


def _like(instance: Instance, plan: pd.DataFrame) -> tuple[SetSpace, Fleet, Ints, Ints]:
    """Return today's plan, the sets of ``plan`` and each service's total of instances."""
    services = {name: i for i, name in enumerate(instance.service_ids)}
    regions = {name: i for i, name in enumerate(instance.region_ids)}
    known = plan[plan["service_id"].isin(services)]
    member: Flags = np.zeros((instance.n_services, instance.n_regions), dtype=bool)
    member[known["service_id"].map(services), known["region_id"].map(regions)] = True
    totals = np.zeros(instance.n_services, dtype=np.int64)
    np.add.at(totals, known["service_id"].map(services).to_numpy(), known["instances"].to_numpy())
    space = space_of(replace(instance, current=member | instance.current))
    _, today = describe_today(instance, space)
    sets = [tuple(np.flatnonzero(m).tolist()) for m in member]
    like = np.array([space.index.get(s, today.chosen[i]) for i, s in enumerate(sets)])
    return space, today, like, totals


def _spread(instance: Instance, space: SetSpace, chosen: Ints, totals: Ints) -> pd.DataFrame:
    fleet = evaluate_fleet(instance, space, chosen, nothing_to_compare(instance, chosen))
    rate = instance.full_rate[:, None] * np.maximum(fleet.assessed.instances[:, 0], 1)
    load = fleet.assessed.slot_peak_utilisation[:, 0] * rate
    rows = []
    for s, plan in enumerate(chosen):
        regions = space.sets[plan]
        given = spread_instances(load[s, : len(regions)], int(totals[s]))
        rows += [
            (instance.service_ids[s], instance.region_ids[r], int(n))
            for r, n in zip(regions, given, strict=True)
        ]
    return pd.DataFrame(rows, columns=["service_id", "region_id", "instances"])
