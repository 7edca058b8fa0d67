"""The "check" numbers of the design, measured on a world; used by the slow test of three seeds."""

from __future__ import annotations

import numpy as np

from generator.synthetic.foundation import Foundation
from generator.synthetic.history import History


def r2(estimate: np.ndarray, observed: np.ndarray) -> float:
    return 1 - float(((estimate - observed) ** 2).sum() / ((observed - observed.mean()) ** 2).sum())


def measure(base: Foundation, past: History) -> dict[str, float]:
    """Return every check of entities, demand, placement and latency by name."""
    ok = past.active & np.isfinite(past.seen["avg_latency_ms"])
    mu, y = past.truth["mu_ms"][ok], past.seen["avg_latency_ms"][ok]
    p95, p99 = past.truth["p95_ms"][ok] / mu, past.truth["p99_ms"][ok] / mu
    rho = past.truth["rho"][ok]
    cpu = past.seen["cpu"][ok]
    fleet = base.services
    out = {
        "r2_mu_y": r2(mu, y),
        "p95_over_mean_median": float(np.nanmedian(p95)),
        "p95_over_mean_p90": float(np.nanquantile(p95, 0.9)),
        "p99_over_mean_median": float(np.nanmedian(p99)),
        "p99_over_mean_p90": float(np.nanquantile(p99, 0.9)),
        "rows": float(past.active.sum()),
        "edges": float(len(base.graph)),
        "largest_in_degree": float(np.bincount(base.graph.callee).max()),
        "largest_out_degree": float(np.bincount(base.graph.caller).max()),
        "entry_share": float(fleet.is_entry.mean()),
        "leaf_share": float(fleet.is_leaf.mean()),
        "wait_over_5_ms_share": float((past.truth["queue_ms"][ok] > 5).mean()),
        "hot_share": float((rho > 0.6).mean()),
        "daily_rho_median": float(np.median(rho)),
        "cpu_median": float(np.median(cpu)),
    }
    for name, chosen in (
        ("entry", fleet.is_entry),
        ("middle", ~fleet.is_entry & ~fleet.is_leaf),
        ("leaf", fleet.is_leaf),
    ):
        out[f"instances_{name}"] = float(past.instances[chosen][past.active[chosen]].mean())
    return out | _demand(past)


def _demand(past: History) -> dict[str, float]:
    by_service = np.sort(past.offered.sum(axis=(1, 2)))[::-1].astype(float)
    by_service = by_service[by_service > 0]
    total = by_service.sum()
    share = np.cumsum(by_service) / total
    n = by_service.size
    by_hour = past.offered.sum(axis=(0, 1)).astype(float)
    days = by_hour.reshape(-1, 24).sum(axis=1)
    weeks = days[: days.size // 7 * 7].reshape(-1, 7).mean(axis=0)
    swing = [
        past.offered[:, o].sum(axis=0).max() / past.offered[:, o].sum(axis=0).min()
        for o in range(past.offered.shape[1])
    ]
    return {
        "top_1_percent": float(np.interp(0.01 * n, np.arange(1, n + 1), share)),
        "top_10_percent": float(share[int(0.1 * n) - 1]),
        "top_20_percent": float(share[int(0.2 * n) - 1]),
        "max_over_min": float(by_service[0] / by_service[-1]),
        "fleet_hour_min": float(by_hour.min() / by_hour.mean()),
        "fleet_hour_max": float(by_hour.max() / by_hour.mean()),
        "origin_swing_min": float(min(swing)),
        "origin_swing_max": float(max(swing)),
        "weekend_over_weekday": float(weeks[5:].mean() / weeks[:5].mean()),
        "traffic_rows": float(np.prod(past.offered.shape)),
    }
