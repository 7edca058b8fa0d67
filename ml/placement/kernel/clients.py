"""What the clients of some services ask for, made when it is asked: all at once may not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml.placement.fleet.fleet import GB_PER_KB, SECONDS_PER_HOUR
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.policy import Policy
from ml.placement.problem.slots import Clients, Slots, in_time
from ml.placement.problem.subsets import expected_shares


class Source(Protocol):
    """Gives the clients of some services; the arrays' first axis is those services."""

    @property
    def n_clients(self) -> int:
        """Number of clients: user origins, then, where services call each other, regions."""
        ...

    def part(self, services: Ints) -> Clients:
        """Return the clients of ``services``."""
        ...


@dataclass(frozen=True)
class UserClients:
    """Users alone: services that do not call each other."""

    instance: Instance

    @property
    def n_clients(self) -> int:
        """Number of user origins."""
        return self.instance.n_origins

    def part(self, services: Ints) -> Clients:
        """Return the users of ``services``."""
        one, n = self.instance, len(services)
        mean = one.mean_rps[services]
        per_gb = (
            one.response_kb[services][:, None] * np.nan_to_num(one.user_egress_usd)
            + one.request_kb[services][:, None] * one.policy.ingress_usd_per_gb
        )
        hourly = SECONDS_PER_HOUR * GB_PER_KB
        worth = SECONDS_PER_HOUR * one.usd_per_request_ms[services]
        nothing = np.zeros((n, one.n_regions))
        return Clients(
            one.peak_rps[services],
            mean,
            worth[:, None] * mean,
            np.zeros_like(mean),
            hourly * mean[:, :, None] * per_gb[:, None, :],
            nothing,
            nothing,
            nothing,
        )


@dataclass(frozen=True)
class FixedClients:
    """Clients of all services as one plan of the fleet makes them, calls included."""

    clients: Clients

    @property
    def n_clients(self) -> int:
        """Number of user origins and regions."""
        return int(self.clients.mean_rps.shape[1])

    def part(self, services: Ints) -> Clients:
        """Return the clients of ``services``."""
        parts = {k: getattr(self.clients, k)[services] for k in Clients.__dataclass_fields__}
        return Clients(**parts)


def listed_slots(instance: Instance, clients: Clients, services: Ints, regions: Ints) -> Slots:
    """Return the sums of one region set per service, the set given by its regions.

    The sums are those of :func:`ml.placement.problem.slots.one_set_each`, without the
    enumeration of all sets of the fleet, which large problems cannot hold.

    Args:
        instance: The problem.
        clients: Of ``services`` alone, ``(n, ...)``.
        services: Numbers of the services, ``(n,)``.
        regions: Regions of each set, ascending, -1 where not filled, ``(n, K)``.
    """
    used = regions >= 0
    at = np.where(used, regions, 0)
    n, width = at.shape
    rtt = instance.rtt_ms[: clients.mean_rps.shape[1]].T[at]
    astray = instance.misroute[: clients.mean_rps.shape[1]]
    share, peak_share = _shares(rtt, used, astray, instance.policy)
    lost = np.zeros((n, width, width))
    for f in range(width):
        left = used.copy()
        left[:, f] = False
        left &= used[:, f][:, None]
        _, gone = _shares(rtt, left, astray, instance.policy)
        lost[:, f] = np.matmul(gone, clients.peak_rps).max(axis=2)
    member = np.zeros((n, instance.n_regions), dtype=bool)
    member[np.nonzero(used)[0], regions[used]] = True
    rows = np.arange(n)[:, None]
    egress = clients.egress_usd.transpose(0, 2, 1)[rows, at]
    within = in_time(instance, services, clients.dependency_ms, clients.dependency_variance)
    ok = within[:, : rtt.shape[2]].transpose(0, 2, 1, 3)[rows, at]
    mean = clients.mean_rps[:, None, :]
    wait, caller = clients.wait_usd[:, None, :], clients.caller_usd[:, None, :]

    def total(values: Floats) -> Floats:
        return np.asarray((share * values).sum(axis=2))[:, None]

    return Slots(
        services,
        at[:, None],
        used[:, None],
        member[:, None],
        used.sum(axis=1)[:, None],
        np.matmul(peak_share, clients.peak_rps).max(axis=2)[:, None],
        lost[:, None],
        total(mean),
        total(mean * rtt),
        total(wait),
        total(wait * rtt),
        total(caller),
        total(caller * rtt),
        total(egress),
        (share[..., None] * mean[..., None] * ok).sum(axis=2)[:, None],
    )


def _shares(rtt: Floats, used: Flags, astray: Floats, policy: Policy) -> tuple[Floats, Floats]:
    """Return who serves what and who is sized for what, ``(n, K, C)`` each."""
    way = np.where(used[..., None], rtt, np.inf)
    size = np.maximum(1, used.sum(axis=1))[:, None, None]
    least = way.min(axis=1, keepdims=True)
    # Of a set without regions nothing is asked.
    some = np.where(np.isfinite(least), way, 1.0)
    near = expected_shares(
        some.swapaxes(1, 2), policy.near_tie_share, policy.near_tie_is_split
    ).swapaxes(1, 2)
    spread = astray / size
    maybe = way <= np.where(np.isfinite(least), least, -1.0) * (1.0 + policy.near_tie_share)
    share = np.where(used[..., None], near * (1.0 - astray) + spread, 0.0)
    return share, np.where(used[..., None], maybe * (1.0 - astray) + spread, 0.0)
