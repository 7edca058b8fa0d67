"""Waves of moves into the rows of the prediction contract."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from ml.placement.answers.waves import (
    Schedule,
    Stay,
    Unit,
    Wave,
    monthly_saving_usd,
    moving_usd,
    payback,
)
from ml.placement.answers.waves_trial import Trials
from ml.placement.fleet.fleet import MICRO, Fleet, evaluate_fleet, migration_usd
from ml.placement.search.plans import mean_ms, monthly_micro
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH


def waves_frame(solution: Solution, schedule: Schedule) -> pd.DataFrame:
    """Return ``placement_waves``: today, then the fleet after each wave."""
    instance, member = solution.instance, solution.space.member
    today = evaluate_fleet(instance, solution.space, solution.today.home, solution.today)
    held = Trials(solution).instances_of(today) * instance.cpu_cores[:, None]
    none = Wave(0, (), today, np.asarray(held.sum(axis=0)), 0)
    rows, before = [], today
    for wave in (none, *schedule.waves):
        share = wave.side_by_side / instance.capacity_vcpu
        limited = np.isfinite(instance.capacity_vcpu).any()
        fullest = int(np.argmax(np.where(np.isfinite(instance.capacity_vcpu), share, -1.0)))
        rps = wave.fleet.clients.mean_rps.sum(axis=1)
        served = wave.fleet.assessed.served_share[:, 0]
        stays = [
            stay
            for stay in schedule.stays
            if stay.from_wave <= wave.number and wave.number < (stay.until_wave or np.inf)
        ]
        rows.append(
            {
                "wave": wave.number,
                "services": sum(len(unit.services) for unit in wave.units),
                "regions_added": int((member[wave.fleet.chosen] & ~member[before.chosen]).sum()),
                "cost_usd_per_month": HOURS_PER_MONTH * monthly_micro(wave.fleet) / MICRO,
                "mean_latency_ms": mean_ms(wave.fleet),
                "n1_served_share": min(1.0, float((rps * served).sum() / max(rps.sum(), 1e-12))),
                "peak_capacity_share": float(share[fullest]) if limited else None,
                "fullest_region_id": instance.region_ids[fullest] if limited else None,
                "newly_broken_services": wave.newly_broken,
                "temporary_services": len(stays),
                "temporary_usd_per_month": sum(stay.usd_per_month for stay in stays),
            }
        )
        before = wave.fleet
    return pd.DataFrame(rows)


def moves_frame(solution: Solution, schedule: Schedule) -> pd.DataFrame:
    """Return ``placement_moves``: every region gained or given up, with its wave."""
    return Moves(solution, schedule).frame()


class Moves:
    """Rows of the changes, in the order of waves; those in deadlock last."""

    def __init__(self, solution: Solution, schedule: Schedule) -> None:
        """Look up what several rows need."""
        self._solution, self._schedule = solution, schedule
        self._state_usd = migration_usd(solution.instance)
        self._saved, self._moving = monthly_saving_usd(solution), moving_usd(solution)
        self._stays = {stay.service: stay for stay in schedule.stays}
        self._seen: Counter[tuple[int, int]] = Counter()

    def frame(self) -> pd.DataFrame:
        """Return all rows."""
        rows: list[dict[str, object]] = []
        before = self._solution.today_fleet
        for wave in self._schedule.waves:
            for unit in wave.units:
                rows += self._rows(unit, before, wave.fleet, wave.number)
            before = wave.fleet
        for unit in self._schedule.stuck:
            rows += self._rows(unit, before, self._solution.fleet, None)
        return pd.DataFrame(rows)

    def _rows(
        self, unit: Unit, before: Fleet, after: Fleet, wave: int | None
    ) -> list[dict[str, object]]:
        instance, member = self._solution.instance, self._solution.space.member
        need = [Trials(self._solution).instances_of(fleet) for fleet in (before, after)]
        rows: list[dict[str, object]] = []
        for s in unit.services:
            days = payback(float(self._moving[s]), float(self._saved[s]))
            changed = np.flatnonzero(member[before.chosen[s]] != member[after.chosen[s]])
            for r in (int(r) for r in changed):
                is_added = bool(member[after.chosen[s], r])
                self._seen[s, r] += 1
                rows.append(
                    {
                        "service_id": instance.service_ids[s],
                        "region_id": instance.region_ids[r],
                        "step": self._seen[s, r],
                        "change": "add" if is_added else "remove",
                        "wave": wave,
                        "unit": instance.service_ids[unit.services[0]],
                        "is_deadlock": wave is None,
                        "reason": self._reason(unit, s, wave),
                        "instances": int(need[1][s, r] if is_added else need[0][s, r]),
                        "migration_usd": float(self._state_usd[s, r]) if is_added else 0.0,
                        "payback_days": days if np.isfinite(days) else None,
                        "is_reversible": not instance.state_gb[s] > 0,
                        **self._stay(s, r, wave, is_first=r == changed[0]),
                    }
                )
        return rows

    def _stay(self, s: int, r: int, wave: int | None, *, is_first: bool) -> dict[str, object]:
        """Say whether a change is undone on the way, and what the stay costs.

        The cost stands on one row of a stay, the first region of its first step, so that it can
        be summed.
        """
        stay = self._stays.get(s)
        begins = stay is not None and stay.from_wave == wave
        ends = stay is not None and stay.until_wave == wave
        is_temporary = stay is not None and (begins or ends) and self._is_undone(stay, r)
        return {
            "is_temporary": is_temporary,
            "until_wave": stay.until_wave if stay and begins and is_temporary else None,
            "stay_usd_per_month": stay.usd_per_month if stay and begins and is_first else None,
        }

    def _is_undone(self, stay: Stay, r: int) -> bool:
        """Say whether a region changes both at the begin and at the end of a stay."""
        waves, member, s = self._schedule.waves, self._solution.space.member, stay.service

        def runs(number: int) -> bool:
            at = waves[number - 1].fleet.chosen if number else self._solution.today.home
            return bool(member[at[s], r])

        if stay.until_wave is None:
            return False
        first, last = stay.from_wave, stay.until_wave
        return runs(first - 1) != runs(first) and runs(last - 1) != runs(last)

    def _reason(self, unit: Unit, s: int, wave: int | None) -> str:
        if wave is None:
            return self._schedule.obstacle.get(s) or "waits for services that cannot move"
        if unit.step == "aside":
            return "steps aside for a while: others need its room, or it would need theirs"
        if unit.step == "back":
            return f"back from where it stepped aside in wave {self._stays[s].from_wave}"
        parts = []
        stay = self._stays.get(s)
        if stay is not None and stay.until_wave == wave:
            parts.append(f"from where it stepped aside in wave {stay.from_wave}")
        if len(unit.services) > 1:
            parts.append(f"together with {len(unit.services) - 1} others it calls or is called by")
        if unit.has_state:
            parts.append("alone, as its state is copied")
        if unit.is_last:
            parts.append("late, as its loss loses the product")
        return "; ".join(parts) or "best payback among those whose old and new fit side by side"
