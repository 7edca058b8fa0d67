"""Seeded placement problems of any size, with the shapes that real ones have."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from ml.placement.problem.instance import RESIDENCY, Edges, Instance, Latency
from ml.placement.problem.policy import load_policy
from ml.placement.search.solve import solve, uses_of


def build_instance(
    services: int,
    regions: int,
    seed: int = 0,
    *,
    hours: int = 12,
    calls: bool = True,
    capacity_share: float | None = None,
    slo_share: float = 0.5,
    varies: bool = True,
    **overrides: Any,
) -> Instance:
    """Return a problem drawn from ``seed``.

    ``capacity_share`` limits all regions alike; unless ``varies``, nobody knows how times vary.
    """
    rng = np.random.default_rng(seed)
    policy = load_policy(overrides)
    origins = regions
    place = rng.uniform(0, 100, (regions, 2))
    rtt = 2.0 + 2.0 * np.linalg.norm(place[:, None] - place[None], axis=2)
    rtt = np.vstack((rtt, rtt))
    entry = rng.random(services) < (0.4 if calls else 1.1)
    entry[0] = True
    level = np.where(entry, np.exp(rng.normal(4.0, 1.2, services)), 0.0)
    mix = rng.dirichlet(np.full(origins, 1.2), services)
    mean = level[:, None] * mix
    phase = rng.uniform(0, 2 * np.pi, origins)
    wave = 1 + 0.6 * np.cos(2 * np.pi * np.arange(hours)[None] / hours - phase[:, None])
    peak = mean[:, :, None] * wave[None] * rng.uniform(1.0, 1.3, (services, origins, hours))
    current = np.zeros((services, regions), dtype=bool)
    for s in range(services):
        count = int(rng.integers(1, min(4, regions) + 1))
        current[s, rng.choice(regions, count, replace=False)] = True
    critical = rng.random(services) < 0.5
    slo = np.where(
        critical & (rng.random(services) < slo_share), rng.uniform(200, 700, services), 0
    )
    stated = np.where(slo > 0, slo, np.nan)
    tier = rng.integers(1, 5, services)
    blocker = np.where(rng.random((services, regions)) < 0.08, RESIDENCY, 0)
    blocker[current] = 0
    price = rng.uniform(0.03, 0.05, regions)
    cores = rng.choice([0.5, 1.0, 2.0, 4.0], services)
    egress = rng.uniform(0.02, 0.09, (regions, regions))
    np.fill_diagonal(egress, 0.0)
    instance = Instance(
        policy=policy,
        trained_through=date(2026, 8, 29),
        service_ids=tuple(f"s{i:05d}" for i in range(services)),
        region_ids=tuple(f"r{i:02d}" for i in range(regions)),
        origin_ids=tuple(f"o{i:02d}" for i in range(origins)),
        edges=_edges(rng, services, entry) if calls else _edges(rng, 0, entry),
        latency=_latency(rng, services, regions, varies=varies),
        rtt_ms=rtt,
        misroute=np.repeat(
            [policy.misroute_share, policy.misroute_share_calls or 0.0], [origins, regions]
        ),
        peak_rps=peak,
        mean_rps=mean,
        cpu_cores=cores,
        memory_gb=rng.choice([0.25, 1.0, 4.0], services),
        demand_ms=np.exp(rng.normal(1.5, 0.6, services)),
        usd_per_request_ms=np.where(
            critical, policy.usd_per_request_ms_critical, policy.usd_per_request_ms_other
        ),
        replica_usd=np.where(rng.random(services) < 0.2, 0.01, 0.0),
        request_kb=rng.uniform(0.5, 4, services),
        response_kb=rng.uniform(1, 40, services),
        state_gb=np.where(rng.random(services) < 0.2, 50.0, 0.0),
        tier=tier,
        loss_proof=np.isin(tier, policy.loss_proof_tiers),
        min_regions=np.where(tier == 1, 2, 1),
        max_regions=np.full(services, regions),
        slo_ms=stated,
        slo_stated_ms=stated,
        blocker=blocker,
        blocker_evidence=tuple(tuple("outside EU" if b else "" for b in row) for row in blocker),
        current=current,
        is_fixed=np.zeros(services, dtype=bool),
        vcpu_usd=price,
        memory_usd=price / 8,
        user_egress_usd=rng.uniform(0.05, 0.12, regions),
        region_egress_usd=egress,
        capacity_vcpu=np.full(regions, np.inf),
    )
    return instance if capacity_share is None else _limited(instance, capacity_share)


def _limited(instance: Instance, share: float) -> Instance:
    """Give the busiest half of the regions ``share`` of what a free optimum would use there."""
    use, _ = uses_of(solve(instance))
    cap = np.full(instance.n_regions, np.inf)
    busy = np.argsort(-use, kind="stable")[: max(1, instance.n_regions // 2)]
    cap[busy] = np.floor(use[busy] * share)
    return replace(instance, capacity_vcpu=cap)


def _edges(rng: np.random.Generator, services: int, entry: np.ndarray) -> Edges:
    pairs: list[tuple[int, int, int]] = []
    for s in range(services - 1):
        later = np.arange(s + 1, services)
        targets = rng.choice(later, min(len(later), int(rng.integers(0, 4))), replace=False)
        pairs.extend((s, int(rng.integers(0, 3)), int(t)) for t in targets)
    called = {t for _, _, t in pairs}
    pairs.extend((0, 0, t) for t in range(1, services) if t not in called and not entry[t])
    pairs = sorted(set(pairs))
    n = len(pairs)
    ids = np.array(pairs, dtype=np.int64).reshape(n, 3)
    calls = rng.choice([1.0, 0.3, 0.5], n)
    return Edges(
        caller=ids[:, 0],
        callee=ids[:, 2],
        calls=calls,
        factor=calls.copy(),
        stage=ids[:, 1],
        is_async=rng.random(n) < 0.2,
        request_kb=rng.uniform(0.2, 2, n),
        response_kb=rng.uniform(0.5, 20, n),
    )


def _latency(rng: np.random.Generator, services: int, regions: int, *, varies: bool) -> Latency:
    buckets = np.array([0.3, 0.5, 0.65, 0.8])
    shape = (services, regions, len(buckets))
    own = np.exp(rng.normal(2.5, 0.6, services))[:, None, None]
    spread = own * np.array([0.5, 0.55, 0.7, 0.9]) * np.ones(shape)
    if not varies:
        spread = np.full(shape, np.nan)
    return Latency(
        buckets=buckets,
        own_ms=own * np.array([1.0, 1.05, 1.2, 1.6]) * np.ones(shape),
        calls_ms=np.zeros(shape),
        own_variance=spread**2,
        network_weight=np.full(shape, 1.0),
        factor=rng.uniform(0.9, 1.1, (services, regions))[:, :, None] * np.ones(shape),
        mean_lo=np.full(shape, 0.9),
        mean_hi=np.full(shape, 1.15),
        p95=np.full(shape, 1.0),
        p95_hi=np.full(shape, 1.2 if varies else 2.2),
    )
