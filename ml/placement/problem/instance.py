"""One placement problem as plain arrays; everything the decision may know, nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ml.placement.problem.policy import Policy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NO_BLOCKER, NOT_OFFERED, BANNED, RESIDENCY, INCOMPLETE = 0, 1, 2, 3, 4


@dataclass(frozen=True)
class Edges:
    """Calls between services, sorted by (caller, stage, callee); acyclic."""

    caller: Ints
    callee: Ints
    calls: Floats
    """Calls per request of the caller."""
    factor: Floats
    """Answer times of the callee that one request of the caller waits for."""
    stage: Ints
    is_async: Flags
    request_kb: Floats
    response_kb: Floats

    @cached_property
    def spread(self) -> Floats:
        """What a call adds to its caller's variance: of the callee's variance and squared mean.

        A call that not every request makes adds the variance of that coin, ``(E, 2)``.
        """
        is_coin = (self.calls < 1) & (self.factor < 1)
        own = np.where(is_coin, self.factor, self.factor**2)
        coin = np.where(is_coin, self.factor * (1.0 - self.factor), 0.0)
        return np.stack((own, coin), axis=1)


@dataclass(frozen=True)
class Latency:
    """Predicted parts of the latency by service, region and utilisation bucket, ``(S, R, B)``."""

    buckets: Floats
    own_ms: Floats
    """Own work and queue; the time on calls comes on top, as the plan has it."""
    calls_ms: Floats
    """Time on calls as the model sees today's plan; a plan's own takes its place."""
    own_variance: Floats
    """Variance of the own time, ms²; NaN where nobody knows: the p95 is then a multiple."""
    network_weight: Floats
    factor: Floats
    mean_lo: Floats
    mean_hi: Floats
    p95: Floats
    """Factor on the p95 that mean and variance give; p95 over mean without a variance."""
    p95_hi: Floats


@dataclass(frozen=True)
class Instance:
    """Sets S services, R regions, O user origins, H hour bins; clients are origins, then regions.

    Money is $ per hour, demand requests per second, time milliseconds, sizes kB and GB.
    """

    policy: Policy
    trained_through: date
    service_ids: tuple[str, ...]
    region_ids: tuple[str, ...]
    origin_ids: tuple[str, ...]
    edges: Edges
    latency: Latency
    rtt_ms: Floats
    """Round trip from client to region, ``(O + R, R)``."""
    misroute: Floats
    """Share of a client's requests spread evenly over the open regions, ``(O + R,)``."""
    peak_rps: Floats
    """Upper quantile of the users' own demand, ``(S, O, H)``."""
    mean_rps: Floats
    """Mean of the users' own demand, ``(S, O)``."""
    cpu_cores: Floats
    memory_gb: Floats
    demand_ms: Floats
    usd_per_request_ms: Floats
    replica_usd: Floats
    """Fixed $ per hour of every further region of a stateful service, ``(S,)``."""
    request_kb: Floats
    response_kb: Floats
    state_gb: Floats
    tier: Ints
    loss_proof: Flags
    min_regions: Ints
    max_regions: Ints
    slo_ms: Floats
    """Hard p95 objective; NaN where the objective is no rule, ``(S,)``."""
    slo_stated_ms: Floats
    blocker: Ints
    """Code of the rule that keeps a service out of a region, 0 where allowed, ``(S, R)``."""
    blocker_evidence: tuple[tuple[str, ...], ...]
    current: Flags
    """Where each service ran on the last complete day, ``(S, R)``."""
    is_fixed: Flags
    """Services that keep their regions: no demand, or frozen, ``(S,)``."""
    vcpu_usd: Floats
    memory_usd: Floats
    user_egress_usd: Floats
    region_egress_usd: Floats
    """$ per GB sent from row to column, ``(R, R)``."""
    capacity_vcpu: Floats
    """Infinite where no limit is known, ``(R,)``."""
    carbon_g_per_kwh: Floats | None = None
    """Grid intensity, NaN where unknown, ``(R,)``."""
    carbon_priced: bool = False
    """Carbon counts in the cost: it has a price, and every usable region a figure."""
    memory_capacity_gb: Floats | None = None
    """Infinite where no limit is known, ``(R,)``; none at all without any limit."""
    bill_cap_usd: float = float("inf")
    """Most that compute, open regions and transfer may cost, $ per hour."""
    rent_usd: Floats | None = None
    """$ per vCPU-hour in regions whose capacity is elastic and overrun, ``(R,)``."""
    move_rent_usd: float = 0.0
    """$ per hour and added region once an elastic move budget is overrun."""
    notes: tuple[tuple[str, str, str], ...] = ()
    """Degradations met while reading: code, scope, detail."""

    @property
    def n_services(self) -> int:
        """Number of services S."""
        return len(self.service_ids)

    @property
    def n_regions(self) -> int:
        """Number of regions R."""
        return len(self.region_ids)

    @property
    def n_origins(self) -> int:
        """Number of user origins O."""
        return len(self.origin_ids)

    @property
    def has_extra_terms(self) -> bool:
        """Whether :func:`ml.placement.problem.terms.extra_terms` adds to the cost of plans."""
        return (
            self.carbon_priced
            or self.policy.elastic_slo_usd_per_request is not None
            or self.policy.region_loss_usd_per_request is not None
            or self.rent_usd is not None
            or self.move_rent_usd != 0
        )

    @property
    def hard_capacity_vcpu(self) -> Floats:
        """Capacity that no plan may exceed: infinite where more is rented instead, ``(R,)``."""
        if self.rent_usd is None:
            return self.capacity_vcpu
        return np.where(self.rent_usd > 0, np.inf, self.capacity_vcpu)

    @property
    def workers(self) -> Floats:
        """Requests that one instance works on at once, ``(S,)``."""
        return np.maximum(1.0, np.floor(self.cpu_cores))

    @property
    def full_rate(self) -> Floats:
        """Requests per second of one instance at utilisation 1, ``(S,)``."""
        return 1000.0 * self.workers / self.demand_ms

    @property
    def instance_usd(self) -> Floats:
        """$ per hour of one instance, ``(S, R)``; NaN where a price is unknown."""
        return np.outer(self.cpu_cores, self.vcpu_usd) + np.outer(self.memory_gb, self.memory_usd)

    @cached_property
    def layers(self) -> list[Ints]:
        """Services by their longest chain of callers, callers first."""
        return call_layers(self.edges, self.n_services)

    @cached_property
    def layer_edges(self) -> list[Ints]:
        """Numbers of the edges whose caller is in each layer."""
        layer = np.zeros(self.n_services, dtype=np.int64)
        for k, services in enumerate(self.layers):
            layer[services] = k
        return [np.flatnonzero(layer[self.edges.caller] == k) for k in range(len(self.layers))]

    @cached_property
    def layer_calls(self) -> list[csr_array]:
        """Calls per request from each layer's services to all services, ``(S, n)`` each."""
        found = []
        for services, e in zip(self.layers, self.layer_edges, strict=True):
            at = np.searchsorted(services, self.edges.caller[e])
            entries = (self.edges.calls[e], (self.edges.callee[e], at))
            found.append(csr_array(entries, shape=(self.n_services, len(services))))
        return found

    def digest(self) -> str:
        """Return the SHA-256 of every array and id: the ``input_hash`` of a plan."""
        total = hashlib.sha256()
        for part in (self, self.edges, self.latency):
            for field in fields(part):
                if field.name in ("policy", "edges", "latency", "notes"):
                    continue
                value = getattr(part, field.name)
                total.update(field.name.encode())
                total.update(
                    np.ascontiguousarray(value).tobytes()
                    if isinstance(value, np.ndarray)
                    else repr(value).encode()
                )
        return total.hexdigest()


def call_layers(edges: Edges, n_services: int) -> list[Ints]:
    """Return services by their longest chain of callers: layer 0 has no caller.

    Raises:
        ValueError: If the calls form a cycle.
    """
    depth = np.zeros(n_services, dtype=np.int64)
    for _ in range(n_services + 1):
        deeper = depth.copy()
        np.maximum.at(deeper, edges.callee, depth[edges.caller] + 1)
        if np.array_equal(deeper, depth):
            return [np.flatnonzero(depth == k) for k in range(int(depth.max(initial=0)) + 1)]
        depth = deeper
    msg = "the calls form a cycle; the features must break it and flag the edge is_broken"
    raise ValueError(msg)
