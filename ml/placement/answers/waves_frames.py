"""Waves of moves into the rows of the prediction contract."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.placement.answers.waves import (
    Planner,
    Schedule,
    Unit,
    Wave,
    monthly_saving_usd,
    moving_usd,
    payback,
)
from ml.placement.fleet.fleet import MICRO, evaluate_fleet, migration_usd
from ml.placement.search.plans import mean_ms, monthly_micro
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH


def waves_frame(solution: Solution, schedule: Schedule) -> pd.DataFrame:
    """Return ``placement_waves``: today, then the fleet after each wave."""
    instance = solution.instance
    today = evaluate_fleet(instance, solution.space, solution.today.home, solution.today)
    held = Planner(solution).instances_of(today) * instance.cpu_cores[:, None]
    none = Wave(0, (), today, np.asarray(held.sum(axis=0)), 0)
    rows = []
    for wave in (none, *schedule.waves):
        share = wave.side_by_side / instance.capacity_vcpu
        limited = np.isfinite(instance.capacity_vcpu).any()
        fullest = int(np.argmax(np.where(np.isfinite(instance.capacity_vcpu), share, -1.0)))
        rps = wave.fleet.clients.mean_rps.sum(axis=1)
        served = wave.fleet.assessed.served_share[:, 0]
        rows.append(
            {
                "wave": wave.number,
                "services": sum(len(unit.services) for unit in wave.units),
                "regions_added": sum(unit.added for unit in wave.units),
                "cost_usd_per_month": HOURS_PER_MONTH * monthly_micro(wave.fleet) / MICRO,
                "mean_latency_ms": mean_ms(wave.fleet),
                "n1_served_share": min(1.0, float((rps * served).sum() / max(rps.sum(), 1e-12))),
                "peak_capacity_share": float(share[fullest]) if limited else None,
                "fullest_region_id": instance.region_ids[fullest] if limited else None,
                "newly_broken_services": wave.newly_broken,
            }
        )
    return pd.DataFrame(rows)


def moves_frame(solution: Solution, schedule: Schedule) -> pd.DataFrame:
    """Return ``placement_moves``: every region gained or given up, with its wave."""
    rows: list[dict[str, object]] = []
    for wave in schedule.waves:
        for unit in wave.units:
            rows += _moves(solution, unit, wave.number, schedule)
    for unit in schedule.stuck:
        rows += _moves(solution, unit, None, schedule)
    return pd.DataFrame(rows)


def _moves(
    solution: Solution, unit: Unit, wave: int | None, schedule: Schedule
) -> list[dict[str, object]]:
    instance, planner = solution.instance, Planner(solution)
    before, after = (planner.instances_of(f) for f in (solution.today_fleet, solution.fleet))
    state, saved = migration_usd(instance), monthly_saving_usd(solution)
    rows: list[dict[str, object]] = []
    for s in unit.services:
        member = solution.space.member[solution.fleet.chosen[s]]
        home = solution.space.member[solution.today.home[s]]
        for r in np.flatnonzero(member != home):
            is_added = bool(member[r])
            paid = float(state[s, r]) if is_added else 0.0
            days = payback(float(moving_usd(solution)[s]), float(saved[s]))
            rows.append(
                {
                    "service_id": instance.service_ids[s],
                    "region_id": instance.region_ids[r],
                    "change": "add" if is_added else "remove",
                    "wave": wave,
                    "unit": instance.service_ids[unit.services[0]],
                    "is_deadlock": wave is None,
                    "reason": _reason(solution, unit, s, wave, schedule),
                    "instances": int(after[s, r] if is_added else before[s, r]),
                    "migration_usd": paid,
                    "payback_days": days if np.isfinite(days) else None,
                    "is_reversible": not instance.state_gb[s] > 0,
                }
            )
    return rows


def _reason(solution: Solution, unit: Unit, s: int, wave: int | None, schedule: Schedule) -> str:
    if wave is None:
        return schedule.obstacle.get(s, "waits for services that cannot move")
    parts = []
    if len(unit.services) > 1:
        parts.append(f"together with {len(unit.services) - 1} others it calls or is called by")
    if unit.has_state:
        parts.append("alone, as its state is copied")
    if unit.is_last:
        parts.append("late, as its loss loses the product")
    return "; ".join(parts) or "best payback among those whose old and new fit side by side"
