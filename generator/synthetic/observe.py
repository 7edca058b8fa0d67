"""What a monitoring system sees of the truth: noise, incidents, sampling, errors, CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.synthetic.entities import Services
from generator.synthetic.params import LatencyParams
from generator.synthetic.queue import RHO_MAX, Wait
from generator.synthetic.rng import Floats, ar1, counter, normal, uniform


@dataclass(frozen=True)
class RowNoise:
    """Noise of rows (service, day, region); shapes (S, D, R).

    Attributes:
        log_noise: η, autocorrelated over days, centred so that its factor has mean 1.
        incident: Factor of an incident, 1 on quiet days.
        incident_errors: Error rate that the incident adds.
    """

    log_noise: Floats
    incident: Floats
    incident_errors: Floats


def deploy_drift(seed: int, services: Services, days: int, params: LatencyParams) -> Floats:
    """Return the log factor δ of own work: every deploy moves it for good, shape (S, D)."""
    cells = counter(np.arange(len(services))[:, None], 0, np.arange(days))
    deploys = uniform(seed, "deploy", cells) < params.deploy_rate
    moves: Floats = np.cumsum(
        deploys * params.deploy_sd * normal(seed, "deploy_size", cells), axis=1
    )
    return moves


def row_noise(
    seed: int, services: Services, regions: int, days: int, params: LatencyParams
) -> RowNoise:
    """Return the noise of every row from day 0 on; the same for every plan.

    Args:
        seed: Seed of the world, or of a replication of it.
        services: All services.
        regions: Number of regions.
        days: Days from day 0 on.
        params: Latency parameters.
    """
    index = np.arange(len(services))[:, None, None]
    # Days last: the filter runs along them.
    cells = counter(index, np.arange(regions)[:, None], np.arange(days))
    sd = services.noise_sd[:, None, None]
    eta = sd * ar1(normal(seed, "row_noise", cells), params.row_phi) - sd**2 / 2
    happens = uniform(seed, "incident", cells) < params.incident_rate
    incident = np.where(happens, 1 + 3 * uniform(seed, "incident_size", cells) ** 2, 1.0)
    errors = np.where(happens, 0.01 + 0.08 * uniform(seed, "incident_errors", cells), 0.0)

    def days_first(values: Floats) -> Floats:
        return values.transpose(0, 2, 1)

    return RowNoise(days_first(eta), days_first(incident), days_first(errors))


def sample_size(requests: Floats) -> Floats:
    """Return the effective number of sampled requests behind an observed latency."""
    return 25 + 0.001 * requests


def shed_share(rho: Floats) -> Floats:
    """Return the share of requests dropped because the workers cannot do them."""
    over = np.maximum(0.0, rho - RHO_MAX)
    return np.divide(over, rho, out=np.zeros_like(rho), where=rho > 0)


def load_errors(law: Wait, timeout_ms: float) -> Floats:
    """Return the share of requests that fail from load: strain near saturation, and time-outs."""
    strain = 0.02 / (1 + np.exp(-(law.rho - 0.92) / 0.03))
    scale = np.where(law.scale_ms > 0, law.scale_ms, 1.0)
    late: Floats = law.chance * np.exp(-timeout_ms / scale)
    return np.where(law.scale_ms > 0, strain + late, 0.0)
