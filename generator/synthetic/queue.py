"""The wait for a worker: exact Erlang C, stretched for bursts, cut by the caller's time-out.

The features downstream use Sakasegawa's approximation instead, on purpose: a model that inverts
its own generator proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, gammaln

from generator.synthetic.rng import Floats

RHO_MAX = 0.97


@dataclass(frozen=True)
class Wait:
    """Law of the wait W: P(W > t) = C exp(-t/θ) below the time-out; arrays of one shape.

    Attributes:
        rho: Utilisation, may exceed 1.
        chance: C, the probability to wait.
        scale_ms: θ, the mean of the wait of those who wait.
        mean_ms: E[min(W, time-out)].
        variance_ms2: V[W].
    """

    rho: Floats
    chance: Floats
    scale_ms: Floats
    mean_ms: Floats
    variance_ms2: Floats


def erlang_c(servers: Floats, rho: Floats) -> Floats:
    """Return the probability to wait in M/M/c, without a loop, for real-valued c too.

    With a the offered load, Erlang B is the Poisson mass at c over its distribution function,
    which is the upper regularised incomplete gamma function Q(c + 1, a).

    Args:
        servers: c > 0.
        rho: Utilisation, below 1.
    """
    a = np.maximum(servers * rho, 1e-300)
    log_mass = servers * np.log(a) - a - gammaln(servers + 1)
    blocked = np.exp(log_mass) / gammaincc(servers + 1, a)
    result: Floats = blocked / (1 - rho * (1 - blocked))
    return result


def wait(
    load_rps: Floats, servers: Floats, service_ms: Floats, kappa: Floats, timeout_ms: float
) -> Wait:
    """Return the law of the wait (Allen-Cunneen: C of M/M/c, conditional wait stretched by κ).

    Args:
        load_rps: Requests per second.
        servers: Workers, instances times workers per instance.
        service_ms: Time that a request holds a worker.
        kappa: (c_a² + c_s²)/2.
        timeout_ms: When the caller gives up.
    """
    rho = load_rps * service_ms / (1000 * servers)
    capped = np.minimum(rho, RHO_MAX)
    chance = erlang_c(servers, capped)
    overload = 1 + 6 * np.maximum(0.0, rho - RHO_MAX)
    scale = kappa * service_ms / (servers * (1 - capped)) * overload
    # The smooth time-out keeps the mean strictly increasing in load; a hard cap would be flat.
    mean = chance * scale * -np.expm1(-timeout_ms / scale)
    return Wait(rho, chance, scale, mean, chance * scale**2 * (2 - chance))
