"""What happened when the fleet ran under a plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from generator.synthetic.rng import Floats


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of one plan on some days.

    S services, O user origins, R regions, D days, H = 24 D hours, B = 592 histogram bins. Counts
    and sums are integers, so that they add up to the same total in any order.

    Attributes:
        service_ids, origin_ids, region_ids, days: Names along the axes, ids sorted.
        offered: Requests, shape (S, O, H); served + errored + dropped = offered.
        served, errored, dropped: What became of them.
        latency_sum_us: Latency of served requests.
        imputed_sum_us: The same, with unserved requests at the time-out.
        slo_violations: Served requests above the service's objective; zeros without detail.
        compute_microusd, egress_microusd, storage_microusd: Cost, shape (S, D).
        region_utilisation: Busy over running vCPUs, shape (R, H).
        histogram: Fleet latency of served requests by day, shape (D, B); None without detail.
        histogram_after_warmup: The same for the hours from 04:00 on.
        bin_edges_ms: Shape (B + 1,), from 0 to infinity.
        n1_served_share: Share of requests still served after the worst loss of one region, (S,).
    """

    service_ids: tuple[str, ...]
    origin_ids: tuple[str, ...]
    region_ids: tuple[str, ...]
    days: tuple[date, ...]
    offered: np.ndarray
    served: np.ndarray
    errored: np.ndarray
    dropped: np.ndarray
    latency_sum_us: np.ndarray
    imputed_sum_us: np.ndarray
    slo_violations: np.ndarray
    compute_microusd: np.ndarray
    egress_microusd: np.ndarray
    storage_microusd: np.ndarray
    region_utilisation: Floats
    histogram: Floats | None
    histogram_after_warmup: Floats | None
    bin_edges_ms: Floats
    n1_served_share: Floats
