"""Synthetic fleets of any size for measuring the optimiser: real regions, drawn services.

Nothing here is a fact about a company. Regions have their real places and list prices; services,
demand and today's plan are drawn from a seed, with the shapes that make placement hard: a heavy
tail of sizes, customers on several continents, residency, objectives and survival of a loss.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
from numpy.random import Generator

from ml.placement.bench.calls import as_if_users_called, draw_calls, no_calls, with_calls_of_today
from ml.placement.bench.world import ORIGINS, World, load_world
from ml.placement.columns.fleet import fleet_problem, solve_fleet
from ml.placement.problem.instance import RESIDENCY, Edges, Flags, Floats, Instance, Ints, Latency
from ml.placement.problem.policy import load_policy

_HOURS = 6
_BUCKETS = (0.5, 0.65, 0.8)
_SLOWER = (1.0, 1.15, 1.5)
"""Internal time by utilisation bucket, relative to an idle instance."""
_P95_FACTOR = (1.5, 1.6, 1.8)
_N1_SHARE, _RESIDENCY_SHARE, _CRITICAL_SHARE = 0.30, 0.25, 0.30
_REACHED_SHARE = 0.98
"""Demand that the regions behind a drawn objective reach in time; a few stay too tight."""
_CAPACITY_SHARE = 0.85
_CHUNK = 2_000


def bench_fleet(
    services: int,
    regions: int,
    *,
    seed: int = 0,
    capacity: bool = False,
    call_graph: bool = False,
) -> Instance:
    """Return a drawn problem of the asked size.

    Args:
        services: Number of services.
        regions: Number of regions, 2 to those of ``regions.csv``.
        seed: Seed of every draw.
        capacity: Give the busiest half of the regions 85 % of what a free optimum uses there.
        call_graph: Let a sixth of the services have users and call the others, without cycles.

    Raises:
        ValueError: If a size is out of range.

    Example:
        >>> bench_fleet(20, 4).rtt_ms.shape
        (29, 4)
    """
    if services < 1:
        raise ValueError(f"services == {services}, must be at least 1")
    world, rng = load_world(regions), np.random.default_rng(seed)
    edges, layer = no_calls(), np.zeros(services, dtype=np.int64)
    if call_graph:
        edges, layer = draw_calls(rng, services)
    instance = _drawn(rng, world, edges, layer == 0)
    if call_graph:
        instance = with_calls_of_today(instance)
    return _limited(instance) if capacity else instance


def _limited(instance: Instance) -> Instance:
    """Give the busiest half of the regions a share of what a free optimum uses there.

    With calls, the free optimum is the one that would hold if users sent the calls themselves.
    """
    alone = as_if_users_called(instance)
    free = solve_fleet(fleet_problem(alone))
    use = free.pool.total_use(free.chosen)[: instance.n_regions]
    busy = np.argsort(-use, kind="stable")[: max(1, instance.n_regions // 2)]
    limits = np.full(instance.n_regions, np.inf)
    limits[busy] = np.floor(_CAPACITY_SHARE * use[busy])
    return replace(instance, capacity_vcpu=limits)


def _drawn(rng: Generator, world: World, edges: Edges, has_users: Flags) -> Instance:
    n, regions = len(has_users), len(world.region_ids)
    policy = load_policy(
        {
            "move_budget": None,
            "slowdown_limit_share": None,
            "keep_loss_survival": False,
            "near_tie_is_split": False,
        }
    )
    mean, peak = _demand(rng, world, has_users)
    is_critical = rng.random(n) < _CRITICAL_SHARE
    tier = np.where(rng.random(n) < _N1_SHARE, 1, rng.integers(2, 5, n))
    blocker, evidence = _residency(rng, world, mean)
    own_ms = np.exp(rng.normal(2.3, 0.5, n))
    factor = rng.uniform(0.95, 1.1, regions)
    needs = np.where(tier == 1, 2, 1)
    reach = _reach_ms(world, mean, blocker == 0)
    slo = np.ceil((reach + own_ms * _SLOWER[1]) * factor.max() * _P95_FACTOR[1] / 10.0) * 10.0
    slo = np.where(is_critical & has_users, slo, np.nan)
    is_stateful = rng.random(n) < 0.2
    state_gb = np.where(is_stateful, np.exp(rng.normal(4.0, 1.2, n)), 0.0)
    return Instance(
        policy=policy,
        trained_through=date(2026, 1, 31),
        service_ids=tuple(f"s{i:06d}" for i in range(n)),
        region_ids=world.region_ids,
        origin_ids=tuple(ORIGINS),
        edges=edges,
        latency=_latency(own_ms, factor),
        rtt_ms=world.rtt_ms,
        misroute=np.full(len(world.rtt_ms), policy.misroute_share),
        peak_rps=peak,
        mean_rps=mean,
        cpu_cores=rng.choice([0.5, 1.0, 2.0, 4.0], n, p=[0.2, 0.3, 0.3, 0.2]),
        memory_gb=rng.choice([1.0, 2.0, 4.0, 8.0], n),
        demand_ms=np.exp(rng.normal(2.0, 0.6, n)),
        usd_per_request_ms=np.where(
            is_critical, policy.usd_per_request_ms_critical, policy.usd_per_request_ms_other
        ),
        replica_usd=state_gb * policy.replica_usd_per_gb_hour,
        request_kb=np.exp(rng.normal(0.5, 0.7, n)),
        response_kb=np.exp(rng.normal(2.3, 0.9, n)),
        state_gb=state_gb,
        tier=tier,
        loss_proof=np.isin(tier, policy.loss_proof_tiers),
        min_regions=needs,
        max_regions=np.full(n, min(policy.max_regions_cap, regions)),
        slo_ms=slo,
        slo_stated_ms=slo,
        blocker=blocker,
        blocker_evidence=evidence,
        current=_current(rng, world, mean, blocker == 0, needs),
        is_fixed=np.zeros(n, dtype=bool),
        vcpu_usd=world.vcpu_usd,
        memory_usd=world.memory_usd,
        user_egress_usd=world.egress_usd,
        region_egress_usd=_between(world),
        capacity_vcpu=np.full(regions, np.inf),
    )


def _demand(rng: Generator, world: World, has_users: Flags) -> tuple[Floats, Floats]:
    """Return mean demand ``(S, O)`` and its upper quantile by bin of the day ``(S, O, H)``."""
    n, origins = len(has_users), len(world.weight)
    level = np.where(has_users, np.exp(rng.normal(4.6, 1.6, n)), 0.0)
    taste = rng.gamma(0.45, 1.0, (n, origins)) * world.weight
    mean = level[:, None] * taste / taste.sum(axis=1, keepdims=True)
    # Traces from everywhere carry no weight in a decision; real telemetry has none of them either.
    mean = np.where(mean < 1e-3 * level[:, None], 0.0, mean)
    hour = np.arange(_HOURS) * 24.0 / _HOURS
    wave = 1.0 + 0.55 * np.cos(2 * np.pi * (hour + world.local_hour[:, None] - 15.0) / 24.0)
    head = rng.uniform(1.05, 1.3, (n, 1, 1))
    return mean, mean[:, :, None] * wave[None] * head


def _residency(
    rng: Generator, world: World, mean: Floats
) -> tuple[Ints, tuple[tuple[str, ...], ...]]:
    """Keep some services on the continent of the region nearest to most of their demand."""
    continent = np.array(world.continent)
    names, of = np.unique(continent, return_inverse=True)
    most = mean @ np.eye(len(world.continent))[world.rtt_ms[: mean.shape[1]].argmin(axis=1)]
    home = of[most.argmax(axis=1)]
    enough = np.bincount(of)[home] >= 2
    held = (rng.random(len(mean)) < _RESIDENCY_SHARE) & enough
    blocked = held[:, None] & (of[None, :] != home[:, None])
    free = ("",) * len(continent)
    # One row per rule, shared by all services it holds: a million strings would be a gigabyte.
    texts = [tuple("" if c == k else f"outside {names[k]}" for c in of) for k in range(len(names))]
    evidence = tuple(texts[k] if h else free for k, h in zip(home, held, strict=True))
    return np.where(blocked, RESIDENCY, 0), evidence


def _reach_ms(world: World, mean: Floats, allowed: Flags) -> Floats:
    """Return the round trip within which three well chosen regions reach most of the demand."""
    found = np.zeros(len(mean))
    rtt = world.rtt_ms[: mean.shape[1]]
    for first in range(0, len(mean), _CHUNK):
        some = slice(first, first + _CHUNK)
        near = np.full((len(mean[some]), len(rtt)), 400.0)
        for _ in range(3):
            way = np.minimum(near[:, :, None], rtt[None])
            total = np.where(allowed[some], (mean[some][:, :, None] * way).sum(axis=1), np.inf)
            best = total.argmin(axis=1)
            near = np.minimum(near, rtt[:, best].T)
        order = np.argsort(near, axis=1, kind="stable")
        served = np.cumsum(np.take_along_axis(mean[some], order, axis=1), axis=1)
        at = (served >= _REACHED_SHARE * served[:, -1:]).argmax(axis=1)
        found[some] = np.take_along_axis(near, order, axis=1)[np.arange(len(at)), at]
    return found


def _current(rng: Generator, world: World, mean: Floats, allowed: Flags, needs: Ints) -> Flags:
    """Return today's plan: as many regions as needed or a few more, mostly but not always near."""
    rtt, n = world.rtt_ms[: mean.shape[1]], len(mean)
    way = (mean @ rtt) / np.maximum(mean.sum(axis=1, keepdims=True), 1e-12)
    noise = -60.0 * np.log(-np.log(rng.random(way.shape)))
    rank = np.where(allowed, way - noise, np.inf).argsort(axis=1).argsort(axis=1)
    count = np.minimum(np.maximum(needs, rng.choice([1, 2, 3], n, p=[0.6, 0.3, 0.1])), 4)
    return np.asarray((rank < count[:, None]) & allowed)


def _latency(own_ms: Floats, factor: Floats) -> Latency:
    """Return predicted parts; values that do not differ are views, or 50,000 x 34 would not fit."""
    shape = (len(own_ms), len(factor), len(_BUCKETS))

    def wide(values: Floats) -> Floats:
        return np.broadcast_to(values, shape)

    one = np.ones((1, 1, 1))
    return Latency(
        buckets=np.array(_BUCKETS),
        own_ms=wide((own_ms[:, None] * np.array(_SLOWER))[:, None, :]),
        calls_ms=wide(0.0 * one),
        own_variance=wide(np.nan * one),
        network_weight=wide(one),
        factor=wide(factor[None, :, None]),
        mean_lo=wide(0.9 * one),
        mean_hi=wide(1.15 * one),
        p95=wide(1.4 * one),
        p95_hi=wide(np.array(_P95_FACTOR)[None, None, :]),
    )


def _between(world: World) -> Floats:
    """Return $ per GB between regions: a quarter of the price to users, dearer overseas."""
    continent = np.array(world.continent)
    far = continent[:, None] != continent[None, :]
    usd = world.egress_usd[:, None] * np.where(far, 0.45, 0.22)
    np.fill_diagonal(usd, 0.0)
    return np.asarray(usd)
