"""Constants of single services, held near the fleet's.

A service's round trips per request, the burstiness of its load and the factors of its calls differ
from the fleet's; its own history tells by how much. The prior keeps what the history cannot tell:
with little variation a service has the fleet's constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.latency.graph import Call, FloatArray, traced_factors
from ml.latency.settings import LatencySettings
from ml.latency.slopes import Slopes, centre

TINY = 1e-12


@dataclass(frozen=True)
class Own:
    """Round trips per request (S,), queue slopes (S,) and call factors of every service."""

    trips: FloatArray
    queue: FloatArray
    factors: tuple[FloatArray, ...]


@dataclass(frozen=True)
class OneService:
    """Constants of one service; ``factors`` has one entry per call."""

    trips: float
    queue: float
    factors: FloatArray


@dataclass(frozen=True)
class Parts:
    """Training rows of one service, shape (n,) each; ``calls_ms`` has shape (calls, n).

    Attributes:
        target_ms: Observed latency without CPU work.
        rtt_w_ms: Round trip.
        q_hat_ms: Queue.
        calls_ms: What each call adds with the traced factor, where it is its stage's slowest.
        fitted_ms: Estimate of the pass before.
        observed_ms: Observed latency.
    """

    target_ms: FloatArray
    rtt_w_ms: FloatArray
    q_hat_ms: FloatArray
    calls_ms: FloatArray
    fitted_ms: FloatArray
    observed_ms: FloatArray


def fleet_slopes(
    slopes: Slopes, is_entry: NDArray[np.bool_], calls: tuple[tuple[Call, ...], ...]
) -> Own:
    """Return the fleet's constants for every service, with the factors that tracing shows."""
    return Own(
        np.asarray(slopes.network + slopes.entry * is_entry, dtype=np.float64),
        np.full(len(is_entry), slopes.queue),
        tuple(traced_factors(own) for own in calls),
    )


def fit_one_service(parts: Parts, mean: OneService, settings: LatencySettings) -> OneService:
    """Return the constants of one service by ridge regression around the fleet's.

    Rows count by their relative error; what is constant within the service is its base. The
    penalty is the squared departure over its prior spread.

    Args:
        parts: Training rows.
        mean: Constants of the fleet.
        settings: Prior spreads, outlier rule.
    """
    error = np.log(np.maximum(parts.observed_ms, TINY) / parts.fitted_ms)
    middle = float(np.median(error))
    spread = max(settings.width_floor, 1.4826 * float(np.median(np.abs(error - middle))))
    is_usual = np.abs(error - middle) <= settings.own_outlier * spread
    columns = [mean.trips * parts.rtt_w_ms, mean.queue * parts.q_hat_ms, *parts.calls_ms]
    prior = [settings.own_trips, settings.own_queue, *[settings.own_calls] * len(parts.calls_ms)]
    left = parts.target_ms - np.sum(columns, axis=0)
    # Neighbouring days err alike: fewer independent rows than rows.
    scale = np.maximum(parts.fitted_ms, settings.weight_floor_ms) * spread
    weight = np.where(is_usual, 1.0 / (scale * np.sqrt(settings.own_inflation)), 0.0)
    group = np.zeros(len(left), dtype=np.int64)
    rows = np.stack([weight * centre(c, group, weight**2) for c in columns])
    right = weight * centre(left, group, weight**2)
    gram = np.sum(rows[:, None] * rows[None], axis=2) + np.diag(1.0 / np.square(prior))
    change = np.linalg.solve(gram, np.sum(rows * right, axis=1))
    # No constant may turn negative: more load would then mean less latency.
    ratio = np.maximum(1.0 + change, 0.0)
    return OneService(
        mean.trips * float(ratio[0]), mean.queue * float(ratio[1]), mean.factors * ratio[2:]
    )
