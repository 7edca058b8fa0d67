"""Services: what they are. Hidden attributes stay here; exported ones become columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.synthetic.params import Params, Template
from generator.synthetic.rng import Floats, counter, normal, uniform

_CORES = np.array([0.5, 1.0, 2.0, 4.0])
_CORES_CUM = np.array([0.15, 0.50, 0.85])
_MEMORY = np.array([256, 512, 1024, 2048, 4096])
NEVER = 1 << 19
"""A day no window reaches."""


@dataclass(frozen=True)
class Services:
    """All services, in the order of their ids; every array has shape (S,) unless said.

    Attributes:
        ids: ``svc-00001`` ...
        names: Template and block, ``payment-003``.
        templates: Template of each service.
        block: Block of the service; blocks grow, old ones never change.
        layer: Layer of the call graph, 0 = entry.
        is_entry, is_leaf, is_direct, is_critical, is_business: Kinds.
        cores, memory_mb: Of one instance (exported).
        cpu_ms, io_ms: Work of a request (hidden).
        service_ms: Time S that a request holds a worker, memory pressure included (hidden).
        workers: Requests one instance works on at once.
        ca2, cs2: Squared variation of arrivals and service (hidden).
        round_trips: Round trips per user request (hidden).
        template_io_ms: Mean io of the template, for the cold-start ceiling (hidden).
        noise_sd: Row noise of the log latency (hidden).
        error_base: Error rate without load (hidden).
        target_utilisation: What the service was sized for (hidden).
        born_day, retired_day: Absolute days; alive on [born, retired).
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    templates: tuple[Template, ...]
    block: np.ndarray
    layer: np.ndarray
    is_entry: np.ndarray
    is_leaf: np.ndarray
    is_direct: np.ndarray
    is_critical: np.ndarray
    is_business: np.ndarray
    cores: Floats
    memory_mb: np.ndarray
    cpu_ms: Floats
    io_ms: Floats
    service_ms: Floats
    workers: np.ndarray
    ca2: Floats
    cs2: Floats
    round_trips: Floats
    template_io_ms: Floats
    noise_sd: Floats
    error_base: Floats
    target_utilisation: Floats
    born_day: np.ndarray
    retired_day: np.ndarray

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self.ids)

    @property
    def kappa(self) -> Floats:
        """Return (c_a² + c_s²)/2, by which the wait of Erlang C is stretched."""
        return (self.ca2 + self.cs2) / 2

    @property
    def work_variance_ms2(self) -> Floats:
        """Return the variance of the own work of a request before any deploy, wait not counted."""
        found: Floats = self.service_ms**2 * self.cs2 + self.io_ms**2 / 2
        return found

    def alive(self, days: np.ndarray) -> np.ndarray:
        """Return whether each service lives on each absolute day, shape (S, D)."""
        return (self.born_day[:, None] <= days) & (days < self.retired_day[:, None])


def make_services(seed: int, count: int, params: Params) -> Services:
    """Return the first ``count`` services of the world.

    Args:
        seed: Seed of the world.
        count: Number of services, at least 5 so that every class is there; blocks hold 25.
        params: Parameters.

    Raises:
        ValueError: If ``count`` is too small or needs more than 999 blocks.
    """
    if not 5 <= count <= 24_975:
        msg = f"services == {count}, must be between 5 and 24975"
        raise ValueError(msg)
    size = len(params.templates)
    index = np.arange(count)
    key = counter(index)
    templates = tuple(params.templates[i % size] for i in index)

    def u(stream: str) -> Floats:
        return uniform(seed, stream, key)

    def z(stream: str) -> Floats:
        return normal(seed, stream, key)

    is_entry = np.array([t.service_class == "entry" for t in templates])
    is_leaf = np.array([t.service_class == "leaf" for t in templates])
    cores = _CORES[np.searchsorted(_CORES_CUM, u("cores"), side="right")]
    memory = _MEMORY[(u("memory") * len(_MEMORY)).astype(int)]
    cpu = np.array([t.cpu_ms for t in templates]) * np.exp(0.45 * z("cpu"))
    io_median = np.array([t.io_ms for t in templates])
    # Working set relative to memory: above 80 % of it, garbage collection and paging cost time.
    pressure = np.maximum(0.0, np.exp(-0.55 + 0.35 * z("working_set")) - 0.8)
    factor = np.array([params.noise_factor.get(t.name, 1.0) for t in templates])
    born, retired = _lives(seed, key, params)
    return Services(
        ids=tuple(f"svc-{i + 1:05d}" for i in index),
        names=tuple(f"{t.name}-{i // size + 1:03d}" for i, t in enumerate(templates)),
        templates=templates,
        block=index // size,
        layer=np.array([t.layer for t in templates]),
        is_entry=is_entry,
        is_leaf=is_leaf,
        is_direct=is_entry | (~is_leaf & (u("direct") < params.services.direct_middle_share)),
        is_critical=u("critical") < np.where(is_entry, 0.8, 0.4),
        is_business=u("business") < params.services.business_share,
        cores=cores,
        memory_mb=memory,
        cpu_ms=cpu,
        io_ms=io_median * np.exp(0.5 * z("io")),
        service_ms=(1 + 6 * pressure**2) * cpu / np.minimum(1.0, cores),
        workers=np.maximum(1, np.floor(cores)).astype(np.int64),
        ca2=np.exp(0.7 + 0.6 * z("ca2")),
        cs2=np.exp(0.3 + 0.4 * z("cs2")),
        round_trips=np.where(is_entry, 1 + 0.6 * u("round_trips"), 1.0),
        template_io_ms=io_median * np.exp(0.5**2 / 2),
        noise_sd=np.clip(0.08 * factor * np.exp(0.5 * z("noise_sd")), 0.03, 0.30),
        error_base=2e-4 * np.exp(0.6 * z("error_base")),
        target_utilisation=0.48 + 0.40 * u("target_utilisation"),
        born_day=born,
        retired_day=retired,
    )


def _lives(seed: int, key: np.ndarray, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Return absolute days of birth and retirement; most services live through everything."""
    p = params.services

    def days(stream: str, bounds: tuple[int, int]) -> np.ndarray:
        span = bounds[1] - bounds[0] + 1
        return bounds[0] + (uniform(seed, stream, key) * span).astype(np.int64)

    born = uniform(seed, "is_born", key) < p.born_share
    retired = uniform(seed, "is_retired", key) < p.retired_share
    return (
        np.where(born, days("born_day", p.born_days), 0),
        np.where(retired, days("retired_day", p.retired_days), NEVER),
    )
