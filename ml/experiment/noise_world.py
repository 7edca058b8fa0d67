"""A parametric noise model in which the truth is known: what the statistics are calibrated on.

Not the synthetic world: daily log noise of services, communities and the fleet, so cheap that
thousands of worlds can be drawn. Its defaults are round figures of the size seen in real fleets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
Interference = Literal["none", "spill", "cap"]
HOURS = 24
NIGHT_HOURS = 8
NIGHT_FACTOR = 0.85
SPILL_SHARE = 0.4
CAP_SLOWDOWN = 0.02


@dataclass(frozen=True)
class NoiseWorld:
    """Parameters of the noise model; standard deviations are of daily log latency.

    Attributes:
        weight_sigma: Spread of log traffic over services; 1.5 gives about 31 effective services.
        base_sd: Spread of log base latency over services, around 60 ms.
        effect: Traffic-weighted relative effect of the treatment; services scatter by
            ``effect_sd`` around it.
        interference: ``spill``: 40 % of a callee's gain reaches its caller. ``cap``: everybody
            slows by 2 % when the fleet runs the treatment.
        carryover: Share of a day, from its start, that still runs the plan of the day before.
        is_mixed: Services differ even where the total effect is 0.
    """

    services: int = 150
    communities: int = 25
    callees: int = 3
    inside_share: float = 0.85
    weight_sigma: float = 1.5
    fleet_sd: float = 0.04
    weekday_sd: float = 0.05
    base_sd: float = 0.30
    community_sd: float = 0.05
    service_sd: float = 0.15
    autocorrelation: float = 0.5
    drift_per_28_days: float = 0.10
    incident_rate: float = 0.01
    effect: float = 0.0
    effect_sd: float = 0.08
    interference: Interference = "none"
    carryover: float = 0.0
    is_mixed: bool = False


@dataclass(frozen=True)
class Bank:
    """Many drawn worlds: fleet latency per day under both plans, shape (W, D), and services."""

    control: Floats
    treatment: Floats
    weights: Floats
    service_logs: Floats


def _ar1(rng: np.random.Generator, shape: tuple[int, ...], phi: float, sd: float) -> Floats:
    noise = rng.standard_normal(shape)
    noise[..., 1:] *= math.sqrt(1 - phi**2)
    # The first value already has the stationary spread: no burn-in.
    filtered: Floats = lfilter([1.0], [1.0, -phi], noise, axis=-1)
    return sd * filtered


@dataclass(frozen=True)
class Parts:
    """Services of many drawn worlds, before any plan is chosen.

    Attributes:
        weights: Traffic shares (W, S).
        community: Community of each service (W, S).
        logs: Daily log latency under the control (W, S, D).
        direct: Relative effect of a service's own treatment (W, S).
        callee: Callees of each service (W, S, C), None where nothing spills.
    """

    weights: Floats
    community: NDArray[np.int64]
    logs: Floats
    direct: Floats
    callee: NDArray[np.int64] | None


def draw_parts(world: NoiseWorld, worlds: int, days: int, rng: np.random.Generator) -> Parts:
    """Draw ``worlds`` independent fleets over ``days`` days."""
    size = (worlds, world.services)
    weights = rng.lognormal(0.0, world.weight_sigma, size)
    weights /= weights.sum(axis=1, keepdims=True)
    community = rng.integers(0, world.communities, size)
    shared = _ar1(rng, (worlds, world.communities, days), world.autocorrelation, world.community_sd)
    logs = np.take_along_axis(shared, community[:, :, None], axis=1)
    logs = logs + _ar1(rng, (*size, days), world.autocorrelation, world.service_sd)
    fleet = _ar1(rng, (worlds, 1, days), world.autocorrelation, world.fleet_sd)
    weekday = rng.normal(0.0, world.weekday_sd, (worlds, 1, 7))[..., np.arange(days) % 7]
    drift = world.drift_per_28_days * np.arange(days) / 28.0
    incident = math.log(2.0) * (rng.random((*size, days)) < world.incident_rate)
    base = rng.normal(math.log(60.0), world.base_sd, (*size, 1))
    logs = logs + base + fleet + weekday + drift + incident
    raw = rng.normal(0.0, world.effect_sd, weights.shape)
    raw -= (weights * raw).sum(axis=1, keepdims=True)
    differs = world.effect != 0.0 or world.is_mixed
    direct = world.effect + (raw if differs else 0.0 * raw)
    spills = differs and world.interference == "spill"
    return Parts(
        weights, community, logs, direct, _callees(world, community, rng) if spills else None
    )


def draw_bank(world: NoiseWorld, worlds: int, days: int, rng: np.random.Generator) -> Bank:
    """Return fleet latency under both plans, all services alike in their plan.

    The treatment shares all noise with the control: only its effect differs.
    """
    parts = draw_parts(world, worlds, days, rng)
    levels = parts.weights[:, :, None] * np.exp(parts.logs)
    effects = _effects(world, parts)[:, :, None]
    treatment = (levels * (1.0 + effects)).sum(axis=1)
    return Bank(levels.sum(axis=1), treatment, parts.weights, parts.logs)


def spilled(world: NoiseWorld, parts: Parts, gain: Floats) -> Floats:
    """Return what reaches callers of their callees' ``gain`` (W, S)."""
    if parts.callee is None:
        return np.zeros_like(gain)
    picked = np.take_along_axis(gain, parts.callee.reshape(len(gain), -1), axis=1)
    result: Floats = SPILL_SHARE * picked.reshape(*gain.shape, world.callees).mean(axis=2)
    return result


def _effects(world: NoiseWorld, parts: Parts) -> Floats:
    effects = parts.direct + spilled(world, parts, parts.direct)
    if world.interference == "cap" and (world.effect != 0.0 or world.is_mixed):
        effects = (1.0 + effects) * (1.0 + CAP_SLOWDOWN) - 1.0
    result: Floats = np.maximum(effects, -0.9)
    return result


def _callees(
    world: NoiseWorld, community: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw callees: another service of the caller's community for the stated share of calls.

    A service that is alone in its community calls outside; nobody calls itself. Shape (W, S, C).
    """
    worlds, services = community.shape
    order = np.argsort(community, axis=1, kind="stable")
    place = np.argsort(order, axis=1, kind="stable")
    sizes = (community[:, :, None] == np.arange(world.communities)).sum(axis=1)
    starts = np.take_along_axis(np.cumsum(sizes, axis=1) - sizes, community, axis=1)[:, :, None]
    own = np.take_along_axis(sizes, community, axis=1)[:, :, None]
    wants_inside = rng.random((worlds, services, world.callees)) < world.inside_share
    is_inside = (wants_inside & (own > 1)) | (own == services)
    # Services lie by community: so many steps on from oneself, round one's own or round the rest.
    step = rng.random(is_inside.shape)
    inside = starts + (place[:, :, None] - starts + 1 + (step * (own - 1)).astype(np.int64)) % own
    outside = (starts + own + (step * (services - own)).astype(np.int64)) % services
    at = np.where(is_inside, inside, outside)
    result: NDArray[np.int64] = np.take_along_axis(order[:, :, None], at, axis=1)
    return result


def contaminated_share(carryover: float, warmup_hours: int) -> float:
    """Return which share of the measured latency still belongs to the day before's plan.

    Night hours (the first eight) are 15 % faster, so a left-out hour is not like every other.

    Example:
        >>> contaminated_share(0.15, 4), contaminated_share(0.15, 0) > 0.1
        (0.0, True)
    """
    profile = np.where(np.arange(HOURS) < NIGHT_HOURS, NIGHT_FACTOR, 1.0)
    exposed = np.clip(carryover * HOURS - np.arange(HOURS), 0.0, 1.0)
    kept = np.arange(HOURS) >= warmup_hours
    return float((profile * exposed * kept).sum() / (profile * kept).sum())


def observe(
    bank: Bank, coins: NDArray[np.bool_], rows: NDArray[np.int64], *, contaminated: float = 0.0
) -> Floats:
    """Return block differences (runs, blocks) of log fleet latency under a coin design.

    Args:
        bank: Worlds.
        coins: Treatment on the first day of each block, shape (runs, blocks).
        rows: World of each run, shape (runs,).
        contaminated: See :func:`contaminated_share`.
    """
    runs, blocks = coins.shape
    is_treated = np.empty((runs, 2 * blocks), dtype=bool)
    is_treated[:, 0::2], is_treated[:, 1::2] = coins, ~coins
    control, treatment = bank.control[rows][:, : 2 * blocks], bank.treatment[rows][:, : 2 * blocks]
    seen = np.where(is_treated, treatment, control)
    if contaminated > 0:
        before = np.roll(is_treated, 1, axis=1)
        before[:, 0] = is_treated[:, 0]
        carried = np.where(before, treatment, control)
        seen = (1 - contaminated) * seen + contaminated * carried
    logs = np.log(seen)
    first, second = logs[:, 0::2], logs[:, 1::2]
    differences: Floats = np.where(coins, first - second, second - first)
    return differences


def true_effect(bank: Bank, rows: NDArray[np.int64], days: int) -> Floats:
    """Return each run's total effect: log ratio of the whole period, both plans on all days."""
    top = bank.treatment[rows][:, :days].sum(axis=1)
    result: Floats = np.log(top) - np.log(bank.control[rows][:, :days].sum(axis=1))
    return result
