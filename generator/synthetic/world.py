"""The world that an experiment may run plans in; every plan meets the same demand and noise."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from generator.synthetic.demand import offered_requests, propagate, user_rates
from generator.synthetic.foundation import make_foundation
from generator.synthetic.ideal import ideal_calls, ideal_latency
from generator.synthetic.network import daily_rtt_ms
from generator.synthetic.observe import deploy_drift
from generator.synthetic.outcomes import Outcomes
from generator.synthetic.rng import Floats
from generator.synthetic.slo import objectives_ms
from generator.synthetic.twin import Demand, Inputs, Load, Physics, load_of, physics_of
from generator.synthetic.twin_loss import served_share_after_loss
from generator.synthetic.twin_noise import (
    Coins,
    Draws,
    coins_of,
    draws_of,
    factors_of,
    outcomes_of,
)

T = TypeVar("T")
_HORIZON = 28
"""Days by which the horizon of users' demand grows."""


class _Recent:
    """Keeps the few results used last; plans and days repeat, replications differ."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the kept result of ``key``, or make and keep it."""
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            made = make()
            if self._size == 0:
                return made
            self._kept[key] = made
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        found: T = self._kept[key]  # type: ignore[assignment]
        return found


def _positions(ids: Sequence[str], wanted: pd.Series) -> np.ndarray:
    """Return where ids stand, -1 where unknown."""
    position = {name: index for index, name in enumerate(ids)}
    return np.array([position.get(name, -1) for name in wanted.tolist()], dtype=np.int64)


class SyntheticWorld:
    """Runs plans in the synthetic world.

    Args:
        seed: Seed of the world; the one its raw tables were made with.
        services: Number of services.
        regions: Number of regions.
        history_days: Days of the past; the future begins after them.
    """

    def __init__(
        self, seed: int = 42, services: int = 150, regions: int = 5, history_days: int = 90
    ) -> None:
        self._base = make_foundation(seed, services, regions)
        self._history_days = history_days
        self._start = self._base.params.start_on
        # Both arms of an experiment must fit; at ten times the default each takes about 0.8 GB.
        self._is_large = services * regions > 2000
        kept = 2 if self._is_large else 3
        self._users = _Recent(0 if self._is_large else 2)
        self._demand = _Recent(2)
        self._loads = _Recent(kept)
        self._physics = _Recent(kept)
        self._draws = _Recent(kept)
        self._coins = _Recent(2)
        self._losses = _Recent(512)

    @property
    def history_first_on(self) -> date:
        """First day of the past."""
        return self._start

    @property
    def first_future_on(self) -> date:
        """First day after the past."""
        return self._start + timedelta(days=self._history_days)

    @cached_property
    def _slo_ms(self) -> Floats:
        return objectives_ms(self._base)

    def run(
        self,
        plan: pd.DataFrame,
        days: Sequence[date],
        *,
        replication: int = 0,
        inputs: Mapping[str, float] | None = None,
        detail: bool = True,
    ) -> Outcomes:
        """Return what happens under ``plan``.

        Args:
            plan: ``service_id, region_id, instances``; constant over the days.
            days: Days of the past or the future, ascending.
            replication: Which draw of row noise, incidents and deploys; 0 is the world's own.
                All replications and plans meet the same demand.
            inputs: Factors ``rtt_scale``, ``service_time_scale``, ``capacity_scale``,
                ``demand_scale``; 1 when not given.
            detail: Also histograms and objectives.

        Raises:
            ValueError: If the plan names an unknown service or region, has fewer than one
                instance, or a day lies before the past.
        """
        instances = self._instances(plan)
        when = self._days(days)
        scales = Inputs.of(inputs or {})
        plan_key, day_key = instances.tobytes(), when.tobytes()
        demand = self._demand.get(day_key, lambda: self._demand_of(when))
        load: Load = self._loads.get(
            (plan_key, day_key), lambda: load_of(self._base, demand, instances)
        )
        physics: Physics = self._physics.get(
            (plan_key, day_key, scales, detail),
            lambda: physics_of(self._base, demand, load, scales, self._slo_ms if detail else None),
        )
        lost = self._losses.get(
            (plan_key, day_key, detail),
            lambda: served_share_after_loss(self._base, demand, instances, 7 if detail else 1),
        )
        horizon = int(when.max()) + 1
        draws: Draws = self._draws.get(
            (replication, horizon),
            lambda: draws_of(self._base, horizon, replication, self._history_days),
        )
        coins: Coins = self._coins.get(
            (replication, day_key), lambda: coins_of(self._base.seed, demand, replication)
        )
        noise = factors_of(demand, physics, draws)
        return outcomes_of(self._base, demand, load, physics, noise, coins, lost, tuple(days))

    def ideal_latency(
        self, plan: pd.DataFrame, day: date, buckets: Sequence[float]
    ) -> pd.DataFrame:
        """Return what a perfect model of latency would predict, for scoring decisions only.

        Args:
            plan: The plan in force: calls take their time under it.
            day: Day whose state of deploys is meant.
            buckets: Utilisations to predict at.
        """
        demand = self._demand_of(self._days([day]))
        load = load_of(self._base, demand, self._instances(plan))
        return ideal_latency(self._base, demand, load, buckets)

    def ideal_calls(self) -> pd.DataFrame:
        """Return what one request of a caller truly waits for, for scoring decisions only.

        Returns:
            One row per synchronous call: caller_service_id, callee_service_id, latency_factor and
            traced_factor.
        """
        return ideal_calls(self._base.services, self._base.graph)

    def _instances(self, plan: pd.DataFrame) -> np.ndarray:
        ids, regions = self._base.services.ids, self._base.geography.region_ids
        s, r = _positions(ids, plan["service_id"]), _positions(regions, plan["region_id"])
        if (s < 0).any() or (r < 0).any():
            bad = plan[(s < 0) | (r < 0)].iloc[0].to_dict()
            msg = f"plan row {bad}, must name a known service and region"
            raise ValueError(msg)
        copies = plan["instances"].to_numpy(dtype=np.int64)
        if (copies < 1).any():
            msg = f"instances == {copies.min()}, must be at least 1"
            raise ValueError(msg)
        out = np.zeros((len(ids), len(regions)), dtype=np.int64)
        np.add.at(out, (s, r), copies)
        return out

    def _days(self, days: Sequence[date]) -> np.ndarray:
        when = np.array([(day - self._start).days for day in days], dtype=np.int64)
        if when.size == 0 or when.min() < 0 or (np.diff(when) <= 0).any():
            msg = f"days == {list(days)[:3]}..., must be ascending and not before {self._start}"
            raise ValueError(msg)
        return when

    def _demand_of(self, when: np.ndarray) -> Demand:
        base = self._base
        horizon = int(when.max()) + 1
        offsets = base.geography.numbers("utc_offset_hours")
        # Days do not depend on the horizon, so near ones share what was made for a longer one.
        upto = horizon if self._is_large else -(-horizon // _HORIZON) * _HORIZON
        users = self._users.get(
            upto,
            lambda: user_rates(base.seed, base.services, base.users, offsets, upto, base.params),
        )
        count, origins, _ = users.shape
        by_day = np.ascontiguousarray(users.reshape(count, origins, upto, 24)[:, :, when])
        del users
        rates = by_day.reshape(count, origins, -1).copy()
        rates = propagate(rates, base.services, base.graph, when)
        hours = (when[:, None] * 24 + np.arange(24)).ravel()
        rtt = daily_rtt_ms(base.seed, base.geography, horizon, base.params.network)[when]
        offered = offered_requests(base.seed, rates, hours)
        drift = deploy_drift(base.seed, base.services, horizon, base.params.latency)[:, when]
        return Demand(when, by_day, offered, rtt, drift)
