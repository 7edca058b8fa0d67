"""What the experiment needs from a world: run a plan on some days, hand back what happened.

The synthetic world implements this by simulation. A real deployment would implement it by reading
what happened. Neither side imports the other: the match is by structure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import pandas as pd
from numpy.typing import NDArray

HOURS_PER_DAY = 24
TIMEOUT_MS = 2000.0


class Outcomes(Protocol):
    """What happened to every request of a period under one plan.

    Shapes use S services, O origins, R regions (each sorted by id), D days, H = 24 D hours and
    B histogram bins. Counts and sums are integers, so that no order of summing changes them.
    """

    @property
    def service_ids(self) -> Sequence[str]:
        """Services, sorted."""

    @property
    def origin_ids(self) -> Sequence[str]:
        """Origins of user demand, sorted."""

    @property
    def region_ids(self) -> Sequence[str]:
        """Regions, sorted."""

    @property
    def days(self) -> Sequence[date]:
        """Days simulated, in the order of the hours."""

    @property
    def offered(self) -> NDArray[Any]:
        """Requests offered, int64 (S, O, H)."""

    @property
    def served(self) -> NDArray[Any]:
        """Requests answered in time, int64 (S, O, H)."""

    @property
    def errored(self) -> NDArray[Any]:
        """Requests answered with an error, int64 (S, O, H)."""

    @property
    def dropped(self) -> NDArray[Any]:
        """Requests never answered, int64 (S, O, H)."""

    @property
    def latency_sum_us(self) -> NDArray[Any]:
        """Latency of the served requests, microseconds, int64 (S, O, H)."""

    @property
    def imputed_sum_us(self) -> NDArray[Any]:
        """The same plus the time-out for every request not served, int64 (S, O, H)."""

    @property
    def slo_violations(self) -> NDArray[Any]:
        """Requests above their service's objective, int64 (S, O, H)."""

    @property
    def compute_microusd(self) -> NDArray[Any]:
        """Instances times price book, micro-dollars, int64 (S, D)."""

    @property
    def egress_microusd(self) -> NDArray[Any]:
        """Transfer, micro-dollars, int64 (S, D)."""

    @property
    def storage_microusd(self) -> NDArray[Any]:
        """Storage, micro-dollars, int64 (S, D)."""

    @property
    def region_utilisation(self) -> NDArray[Any]:
        """Utilisation of each region, float (R, H)."""

    @property
    def histogram(self) -> NDArray[Any] | None:
        """Fleet latency counts per day, all hours (D, B); None without detail."""

    @property
    def histogram_after_warmup(self) -> NDArray[Any] | None:
        """The same without the first four hours of each day (D, B); None without detail."""

    @property
    def bin_edges_ms(self) -> NDArray[Any]:
        """Edges of the histogram bins, milliseconds (B + 1,)."""

    @property
    def n1_served_share(self) -> NDArray[Any]:
        """Served share of each service after its worst single-region loss, float (S,)."""


class World(Protocol):
    """A place where plans can be tried on the same demand and the same random numbers."""

    @property
    def history_first_on(self) -> date:
        """First day of the history that plans were made from."""

    @property
    def first_future_on(self) -> date:
        """First day that no plan can know."""

    def run(
        self,
        plan: pd.DataFrame,
        days: Sequence[date],
        *,
        replication: int = 0,
        inputs: Mapping[str, float] | None = None,
        detail: bool = True,
    ) -> Outcomes:
        """Run ``plan`` (service_id, region_id, instances) on ``days``.

        Args:
            plan: One row per service and region.
            days: History or future days, ascending.
            replication: Which set of random numbers; the same for every plan.
            inputs: Factors on uncertain inputs (`rtt_scale`, `service_time_scale`,
                `capacity_scale`, `demand_scale`); 1.0 where absent.
            detail: False skips histograms and may leave SLO violations at zero.
        """
