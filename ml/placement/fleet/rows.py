"""Rows of services that a change reaches, and an instance made of any rows, repeats allowed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ml.placement.fleet.evaluate import Assessed, Today
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.slots import Clients

_ROWS = (
    *("cpu_cores", "memory_gb", "demand_ms", "usd_per_request_ms", "replica_usd", "request_kb"),
    *("response_kb", "state_gb", "loss_proof", "min_regions", "max_regions", "slo_ms"),
    *("slo_stated_ms", "blocker", "current"),
)


@dataclass(frozen=True)
class Reached:
    """Services that some change reaches, sorted by change and service; n rows."""

    change: Ints
    service: Ints
    chosen: Ints
    cost_micro: Ints
    broken: Ints
    instances: Ints
    """``(n, K)``."""
    bill_usd: Floats
    """Compute, open regions and transfer, $ per hour."""


@dataclass(frozen=True)
class Part:
    """All that follows for the reached services of one layer."""

    change: Ints
    service: Ints
    chosen: Ints
    clients: Clients
    found: Assessed
    answers: Floats
    """Mean and variance, ``(2, n, R)``."""
    slowest: tuple[Ints, Flags]


@dataclass
class Flow:
    """Clients of the services whose own set or whose callers' sets differ, by row."""

    row: Ints
    """Row of a (change, service), -1 where its clients and its set stay, ``(B, S)``."""
    service: Ints
    peak: Floats
    mean: Floats
    wait: Floats
    egress: Floats


def rows_of(instance: Instance, services: Ints) -> Instance:
    """Return an instance whose services are ``services``, repeats allowed, without calls."""
    rows = {name: getattr(instance, name)[services] for name in _ROWS}
    latency = instance.latency
    parts = {
        k.name: getattr(latency, k.name)[services] for k in fields(latency) if k.name != "buckets"
    }
    return replace(instance, latency=replace(latency, **parts), **rows)


def today_of(today: Today, services: Ints) -> Today:
    """Return what the given services are compared with, in their order."""
    return Today(*(getattr(today, k.name)[services] for k in fields(Today)))
