"""Exact pricing of all region sets of every service by a compiled, pruned search.

The same plans at the same costs as the table of :mod:`ml.placement.fleet.pricing`, without it:
at 10,000 services and 30 regions that would hold 319 million plans.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.placement.columns.types import Batch, Prices
from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import MICRO
from ml.placement.kernel.clients import Source
from ml.placement.kernel.jit import side_by_side
from ml.placement.kernel.search import search
from ml.placement.kernel.today import Judged, home_sets, judge_sets
from ml.placement.kernel.types import (
    COST,
    FIRST,
    HOLDS,
    LOST,
    LOWEST,
    REGIONS,
    Best,
    Fixed,
    Local,
    Part,
    Tree,
)
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.slots import Clients

_CHUNK = 500
_SLACK = 1e-9
_NO_SIZE = 1 << 30


@dataclass(frozen=True)
class KernelPricer:
    """Prices plans of an instance whose clients are fixed; keeps no plan."""

    instance: Instance
    source: Source
    today: Today
    base_usd: Floats | None = None
    """Taken off each service's cost, ``(S,)``."""

    @property
    def n_services(self) -> int:
        """Number of services."""
        return self.instance.n_services

    @property
    def cpu_cores(self) -> Floats:
        """vCPU of one instance, ``(S,)``."""
        return self.instance.cpu_cores

    @property
    def memory_gb(self) -> Floats:
        """Memory of one instance, ``(S,)``."""
        return self.instance.memory_gb

    @cached_property
    def home(self) -> Ints:
        """Today's regions, ``(S, K)``, -1 where not filled."""
        return home_sets(self.instance)

    @cached_property
    def _home_judged(self) -> Judged:
        return judge_sets(self.instance, self.source, self.today, self.home, base_usd=self.base_usd)

    @cached_property
    def _stays(self) -> Flags:
        """Services that keep today's regions: fixed, pinned; found stuck ones are added."""
        return np.asarray(self.instance.is_fixed | self.today.pinned)

    @cached_property
    def is_stuck(self) -> Flags:
        """Services without any plan that keeps their rules; complete after the first pricing."""
        return np.asarray(self.today.pinned & ~self.instance.is_fixed)

    @cached_property
    def _fixed(self) -> Fixed:
        one, policy, n = self.instance, self.instance.policy, self.source.n_clients
        rtt = np.ascontiguousarray(one.rtt_ms[:n].T)
        rank = np.argsort(np.argsort(rtt, axis=0, kind="stable"), axis=0).astype(np.float64)
        return Fixed(
            rtt=rtt,
            rank=rank,
            misroute=one.misroute[:n],
            buckets=one.latency.buckets,
            near_tie=policy.near_tie_share,
            utilisation=policy.utilisation_target,
            after_loss=policy.utilisation_after_loss,
            saturation=policy.saturation,
            need=policy.slo_demand_share,
            least=policy.min_instances,
            open_usd=policy.open_region_usd_per_hour,
            cost_weight=1.0,
            move_price=0.0,
            slack=1.0,
        )

    def price(
        self, prices: Prices, best: int, services: Ints | None = None, limit: Floats | None = None
    ) -> Batch:
        """Return the ``best`` best plans of each service, exactly, over all its plans.

        Args:
            prices: Of the shared rows.
            best: Plans per service.
            services: Which; all by default.
            limit: Values above which plans are of no interest, ``(n,)`` micro-dollars.
        """
        wanted = np.arange(self.n_services) if services is None else services
        most = np.full(len(wanted), np.inf) if limit is None else limit
        fixed = self._fixed._replace(
            cost_weight=prices.cost_weight,
            move_price=prices.move,
            # Without costs most plans tie at nothing: only better ones are of interest then.
            slack=1.0 if prices.cost_weight else -1e-3,
        )
        found, free = _empty(len(wanted), best, self.home.shape[1]), ~self._stays[wanted]

        def run(first: int) -> None:
            upto = slice(first, first + _CHUNK)
            chunk = Best(found.value[upto], found.plan[upto], found.evaluated[upto], found.width)
            part = self._part(wanted[upto], prices, most[upto])
            local, tree = _work(part, fixed, found.width)
            search(fixed, part, local, tree, chunk)

        # Each chunk writes rows of its own: the result is the same for any number of threads.
        side_by_side(run, range(0, len(wanted), _CHUNK))
        none = free & (found.plan[:, 0, HOLDS] == _NO_SIZE) & np.isinf(most)
        self._stays[wanted[none]] = self.is_stuck[wanted[none]] = True
        self._fill_home(wanted, found, prices)
        return self._batch(wanted, found)

    def floor_at(self, value: Floats, services: Ints, old: Prices, new: Prices) -> Floats:
        """Return the least at new prices of plans that are worth ``value`` or more at old ones.

        A plan pays for its instances, so where the price of none falls by more than a share of
        what it was in all, neither does the plan's value; added regions come off apart.
        """
        one = self.instance
        fell = np.outer(one.cpu_cores[services], old.vcpu - new.vcpu)
        fell += np.outer(one.memory_gb[services], old.memory - new.memory)
        paid = np.outer(one.cpu_cores[services], old.vcpu + np.nan_to_num(one.vcpu_usd))
        paid += np.outer(one.memory_gb[services], old.memory + np.nan_to_num(one.memory_usd))
        share = np.divide(fell, paid, out=np.full_like(fell, np.inf), where=paid > 0)
        share = np.where(fell > 0, share, 0.0).max(axis=1)
        base = self._base(services)
        moves = max(0.0, old.move - new.move) * one.policy.max_regions_cap
        known, found = np.isfinite(value), value.copy()
        whole = value[known] + base[known] * MICRO + 1.0
        share = share[known]
        found[known] -= np.where(share > 0, share * whole, 0.0) + moves * MICRO
        return found

    def _fill_home(self, services: Ints, chunk: Best, prices: Prices) -> None:
        for i in np.flatnonzero(self._stays[services]):
            s, judged = services[i], self._home_judged
            chunk.plan[i, 0] = np.concatenate(
                (
                    [judged.cost_micro[s], (self.home[s] >= 0).sum()],
                    self.home[s],
                    judged.instances[s],
                )
            )
            at = self.home[s][self.home[s] >= 0]
            rent = self.cpu_cores[s] * prices.vcpu[at] + self.memory_gb[s] * prices.memory[at]
            value = float((judged.instances[s, : len(at)] * rent).sum())
            value += float(judged.added[s]) * prices.move
            chunk.value[i, 0] = prices.cost_weight * judged.cost_micro[s] + value * MICRO

    def _batch(self, services: Ints, found: Best) -> Batch:
        regions = found.plan[:, :, REGIONS : REGIONS + found.width]
        used = regions >= 0
        new = ~self.instance.current[services[:, None, None], np.where(used, regions, 0)] & used
        return Batch(
            services,
            found.value,
            found.plan[:, :, COST].copy(),
            regions.astype(np.int16),
            found.plan[:, :, REGIONS + found.width :].astype(np.int32),
            new.sum(axis=2),
            int(found.evaluated.sum()),
        )

    def _part(self, services: Ints, prices: Prices, limit: Floats) -> Part:
        one, clients = self.instance, self.source.part(services)
        parts = one.latency
        dependency = clients.dependency_ms[:, :, None]
        factor = np.ascontiguousarray(parts.factor[services])
        size = (self.home[services] >= 0).sum(axis=1)
        is_large = (size > one.policy.max_regions_cap) & (size <= one.max_regions[services])
        home = one.current[services] & is_large[:, None]
        allowed = (one.blocker[services] == 0) & ~self._stays[services][:, None]
        home &= (allowed | ~home).all(axis=1)[:, None]
        now = one.current[services]
        rent = one.cpu_cores[services][:, None] * prices.vcpu
        rent = rent + one.memory_gb[services][:, None] * prices.memory
        price = np.outer(one.cpu_cores[services], one.vcpu_usd)
        price += np.outer(one.memory_gb[services], one.memory_usd)
        hop = np.where(now, 0.0, self.today.move_usd[services])
        spent, price = clients.onward_usd, np.nan_to_num(price)
        most = self._room(services)
        inside = np.maximum(0.0, parts.own_ms[services] + dependency)
        cell = (inside, parts.network_weight[services], factor, factor * parts.p95_hi[services])
        part = Part(
            asked=np.stack((clients.mean_rps, clients.wait_usd + clients.caller_usd), axis=2),
            peak=clients.peak_rps,
            egress=clients.egress_usd,
            area=np.stack((spent, price, rent, hop, ~now, allowed, home, most), axis=2),
            cell=np.stack(cell, axis=3),
            own=self._own(services, limit),
        )
        # One layout in memory, or the compiler would make the loop anew for another.
        return Part(*(np.ascontiguousarray(field, dtype=np.float64) for field in part))

    def _own(self, services: Ints, limit: Floats) -> Floats:
        one = self.instance
        own = (
            one.full_rate[services],
            one.cpu_cores[services],
            one.replica_usd[services],
            self._base(services),
            np.nan_to_num(one.slo_stated_ms[services], nan=-1.0),
            ~np.isnan(one.slo_ms[services]),
            one.loss_proof[services],
            self.today.served_floor[services],
            self.today.slowest_ms[services],
            one.min_regions[services],
            np.minimum(one.max_regions[services], one.policy.max_regions_cap),
            limit,
        )
        return np.stack(own, axis=1)

    def _base(self, services: Ints) -> Floats:
        return np.zeros(len(services)) if self.base_usd is None else self.base_usd[services]

    def _room(self, services: Ints) -> Floats:
        """Return the most instances that one service alone may have in each region."""
        one = self.instance
        most = most_instances(one.hard_capacity_vcpu, one.cpu_cores[services])
        if one.memory_capacity_gb is None:
            return most
        by_memory = most_instances(one.memory_capacity_gb, one.memory_gb[services])
        return np.minimum(most, by_memory)


def most_instances(room: Floats, size: Floats) -> Floats:
    """Return how many instances of one service fit a region by itself, ``(n, R)``.

    The comparison is that of the evaluation: a product, not a quotient, decides on the last one.

    Example:
        >>> most_instances(np.array([10.0, np.inf]), np.array([3.0])).tolist()
        [[3.0, inf]]
    """
    each = size[:, None]
    count = np.floor((room + _SLACK) / each)
    for step in (1.0, -1.0):
        other = count + step
        fits = other * each <= room + _SLACK
        count = np.where(fits if step > 0 else count * each > room + _SLACK, other, count)
    return np.asarray(count)


def _empty(n: int, best: int, width: int) -> Best:
    plan = np.zeros((n, best, REGIONS + 2 * width), dtype=np.int64)
    plan[:, :, HOLDS] = _NO_SIZE
    plan[:, :, REGIONS : REGIONS + width] = -1
    return Best(np.full((n, best), np.inf), plan, np.zeros(n, dtype=np.int64), width)


def _work(part: Part, fixed: Fixed, width: int) -> tuple[Local, Tree]:
    """Return work space for one service at a time."""
    n_r, n_c = fixed.rtt.shape
    hours, n_b, deep = part.peak.shape[2], len(fixed.buckets), width + 1
    marks = np.zeros((4, max(n_c, hours, width, 2)), dtype=np.int64)
    local = Local(
        client=np.zeros((n_c, 3)),
        peak=np.zeros((n_c + 1, hours)),
        place=np.zeros((3, n_r, n_c)),
        astray=np.zeros((n_r + 1, 4)),
        ok=np.zeros((n_b, n_r, n_c + 1)),
        marks=marks,
        slot=np.zeros((width, LOST + width)),
        hour=np.zeros((width, hours)),
    )
    tree = Tree(
        pair=np.zeros((3, n_r, n_c)),
        region=np.zeros((n_r, 5)),
        near=np.zeros((deep, 3, n_c)),
        listed=np.zeros((deep, FIRST + n_r), dtype=np.int64),
        bound=np.zeros((deep, n_r)),
        sums=np.zeros((deep, 5)),
        facts=np.zeros(LOWEST + width),
        ids=np.zeros(width, dtype=np.int64),
    )
    return local, tree


__all__ = ["Clients", "KernelPricer"]
