"""Round trips between regions, day by day: drift, route changes, and what a probe sees."""

from __future__ import annotations

import numpy as np

from generator.synthetic.facts import Geography
from generator.synthetic.params import NetworkParams
from generator.synthetic.rng import Floats, ar1, counter, normal, uniform


def daily_rtt_ms(seed: int, geography: Geography, days: int, params: NetworkParams) -> Floats:
    """Return the true round trip of every day and pair, symmetric, shape (D, R, R).

    Args:
        seed: Seed of the world.
        geography: Base round trips.
        days: Days from day 0 on; the drift is filtered from day 0, so any prefix agrees.
        params: Network parameters.
    """
    n = len(geography.region_ids)
    a, b = np.triu_indices(n)
    t = np.arange(days)
    cells = counter(a[:, None], b[:, None], t)
    log_drift = params.drift_sd * ar1(normal(seed, "rtt_drift", cells), params.drift_phi)
    # A region to itself crosses no backbone: it drifts, but no route changes.
    between = (a != b)[:, None]
    log_step = between * (
        _steps(seed, "minor", cells, params.minor_rate, (0.05, 0.25), (3, 12))
        + _steps(seed, "major", cells, params.major_rate, (0.5, 3.5), (21, 42))
    )
    values = geography.rtt_ms[a, b][:, None] * np.exp(log_drift + log_step)
    daily = np.empty((days, n, n))
    daily[:, a, b] = values.T
    daily[:, b, a] = values.T
    return daily


def _steps(
    seed: int,
    kind: str,
    cells: np.ndarray,
    rate: float,
    rise: tuple[float, float],
    length: tuple[int, int],
) -> Floats:
    """Return the log factor of route changes that are in force, shape (pairs, D)."""
    starts = uniform(seed, f"rtt_{kind}_start", cells) < rate
    u_rise = uniform(seed, f"rtt_{kind}_rise", cells)
    u_days = uniform(seed, f"rtt_{kind}_days", cells)
    total = np.zeros(cells.shape)
    for pair, day in np.argwhere(starts):
        lasts = length[0] + int(u_days[pair, day] * (length[1] - length[0] + 1))
        factor = 1 + rise[0] + u_rise[pair, day] * (rise[1] - rise[0])
        total[pair, day : day + lasts] += np.log(factor)
    return total


def probed_rtt_ms(seed: int, daily: Floats, params: NetworkParams) -> tuple[Floats, Floats]:
    """Return the round trips a probe reports, median and p95 of the day, shape (D, R, R) each.

    The two directions are measured apart, so they differ by measurement error and by the small
    asymmetry seen in public measurements (median 0.03 ms of 210 pairs).
    """
    days, n, _ = daily.shape
    source, target = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    # Counter: source in the service bits, target in the region bits, day in the time bits.
    cells = counter(source[None], target[None], np.arange(days)[:, None, None])
    error = normal(seed, "rtt_error", cells)
    asymmetry = 0.03 * normal(seed, "rtt_asymmetry", cells)
    median = np.maximum(daily * np.exp(params.measurement_sd * error) + asymmetry, 0.2)
    # Deviation within a window: 0.34 ms in public measurements, so p95 is 1.645 of it above.
    spread = 0.34 * np.exp(0.4 * normal(seed, "rtt_spread", cells))
    return median, median + 1.645 * spread
