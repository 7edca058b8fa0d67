"""Prices of calls, of vCPU and of moves, and what every set costs at them.

The part of :mod:`ml.placement.graph.bound` that is evaluated again and again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.placement.fleet.fleet import GB_PER_KB, SECONDS_PER_HOUR
from ml.placement.graph.bound_terms import (
    SEVERAL,
    SINGLE,
    Demand,
    Sizes,
)
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.solve import move_limit

_HOURLY = SECONDS_PER_HOUR * GB_PER_KB
_FLOAT_SLACK = 1e-11


@dataclass(frozen=True)
class Prices:
    """Any numbers give a valid bound, as long as the last two are not negative."""

    call: Floats
    """eta: $ per hour and call per second, by call and caller's region, ``(E, R)``."""
    wait: Floats
    """zeta: $ for $, by call and caller's region: ms of answer time that a caller counts with."""
    vcpu: Floats
    """lambda: $ per vCPU-hour, ``(R,)``; 0 where there is no limit."""
    move: float
    """chi: $ per hour and added region."""

    def moved(self, step: Floats) -> Prices:
        """Return the prices after a step in the order of :meth:`Slopes.stacked`."""
        cells, regions = self.call.size, len(self.vcpu)
        return Prices(
            self.call + step[:cells].reshape(self.call.shape),
            self.wait + step[cells : 2 * cells].reshape(self.call.shape),
            np.maximum(0.0, self.vcpu + step[2 * cells : 2 * cells + regions]),
            max(0.0, self.move + float(step[-1])),
        )


@dataclass(frozen=True)
class Slopes:
    """How the bound changes with the prices."""

    call: Floats
    wait: Floats
    vcpu: Floats
    move: float

    def stacked(self) -> Floats:
        """Return all slopes in one row."""
        return np.concatenate((self.call.ravel(), self.wait.ravel(), self.vcpu, [self.move]))


@dataclass(frozen=True)
class Relaxed:
    """The problem of every service by itself, for given prices; E calls, P sets."""

    instance: Instance
    space: SetSpace
    demand: Demand
    sizes: Sizes
    buckets: Flags
    usable: Flags
    own_usd: Floats
    """Open regions and moving, ``(S, P)``."""
    added: Ints
    inside_ms: Floats
    """Time inside the service without its calls, ``(S, R, B)``."""
    theta: Floats
    """Weight of a call in its stage by caller's region, times its latency factor, ``(E, R)``."""
    worth: tuple[Floats, Floats]
    """Least and most worth of a ms of the callee for one call per second, ``(E, R)`` each."""
    scale: Floats

    @cached_property
    def calls(self) -> Floats:
        """Calls per second of every edge, ``(E,)``."""
        return self.instance.edges.calls * self.demand.mean[self.instance.edges.caller]

    @cached_property
    def _rows(self) -> tuple[Ints, Ints]:
        """Region and kind (single or several) of every row of routing, ``(rows,)`` each."""
        kind = np.full(len(self.space.row_region) + 1, SEVERAL, dtype=np.int64)
        kind[self.space.slot_row[self.space.size == 1]] = SINGLE
        return self.space.row_region, kind[:-1]

    @cached_property
    def transfer(self) -> Floats:
        """$ per hour and call per second, from a caller's region to each set, ``(E, P, R)``."""
        edges, out = self.instance.edges, np.nan_to_num(self.instance.region_egress_usd)
        share = self.space.share[:-1, self.instance.n_origins :]
        region = self.space.row_region
        up = self._by_set(share * out.T[region])
        down = self._by_set(share * out[region])
        kb = (edges.request_kb[:, None, None], edges.response_kb[:, None, None])
        return np.asarray(_HOURLY * (kb[0] * up + kb[1] * down))

    def _by_set(self, rows: Floats) -> Floats:
        """Add up rows of routing by set, ``(..., P, C)`` from ``(..., rows, C)``."""
        padded = np.concatenate((rows, np.zeros((*rows.shape[:-2], 1, rows.shape[-1]))), axis=-2)
        found = np.zeros((*rows.shape[:-2], len(self.space.sets), rows.shape[-1]))
        for slot in range(self.space.slot_row.shape[1]):
            found += np.take(padded, self.space.slot_row[:, slot], axis=-2)
        return found

    @cached_property
    def _user_usd(self) -> Floats:
        """Transfer of the users' own demand, $ per hour, by set, ``(S, P)``."""
        one = self.instance
        kb = one.response_kb[:, None] * np.nan_to_num(one.user_egress_usd)
        per_gb = _HOURLY * (kb + one.request_kb[:, None] * one.policy.ingress_usd_per_gb)
        share = self.space.share[:-1, : one.n_origins]
        served = one.mean_rps @ share.T
        return np.asarray(self._by_set((served * per_gb[:, self.space.row_region])[..., None]))[
            ..., 0
        ]

    def value(self, prices: Prices) -> tuple[float, Slopes, Ints]:
        """Return the bound at prices in $ per hour, its slopes, and the set each service takes.

        The bound is rounded down by more than its sums can be wrong.
        """
        one, edges = self.instance, self.instance.edges
        origins = one.n_origins
        onward = np.zeros((one.n_services, one.n_regions))
        np.add.at(onward, edges.caller, edges.calls[:, None] * prices.call)
        later = np.zeros_like(onward)
        np.add.at(later, edges.caller, self.theta * prices.wait)
        time, factor = self._best_buckets(later)
        region, kind = self._rows
        share = self.space.share[:-1]
        worth = SECONDS_PER_HOUR * one.usd_per_request_ms
        # By row of routing: cost per unit of each client's demand and worth, then by set.
        row_time = share * time[:, kind, region]
        by_set = self._by_set(row_time)
        row_onward = self._by_set(share * onward[:, region][..., None])
        total = self._counted(prices) + self.own_usd + self.added * prices.move
        users = (by_set[..., :origins] * worth[:, None, None] + row_onward[..., :origins]) @ (
            one.mean_rps[:, :, None]
        )
        total += users[..., 0] + self._user_usd
        best, at, ratio = self._answered(by_set, row_onward, prices)
        t = edges.callee
        np.add.at(total, t, self.calls[:, None] * best)
        closed = np.where(self.usable, total, np.inf)
        chosen = closed.argmin(axis=1)
        every = np.arange(one.n_services)
        value = closed[every, chosen]
        limit, moves = row_limits(one)[: one.n_regions], move_limit(one)
        rent = _rent(prices, limit, moves)
        size = np.abs(value).sum() + rent + (self.calls[:, None] * np.abs(prices.call)).sum()
        bound = math.fsum(value) - rent - _FLOAT_SLACK * float(size)
        e = np.arange(len(t))
        picked = (at[e, chosen[t]], ratio[e, chosen[t], at[e, chosen[t]]])
        return bound, self._slopes(chosen, picked, factor, limit, moves), chosen

    def _answered(
        self, by_set: Floats, row_onward: Floats, prices: Prices
    ) -> tuple[Floats, Ints, Floats]:
        """Return what one call costs each set at least, from where, and the worth that suits it.

        ``(E, P)``, ``(E, P)`` and ``(E, P, R)``.
        """
        edges, origins = self.instance.edges, self.instance.n_origins
        t, worth = edges.callee, SECONDS_PER_HOUR * self.instance.usd_per_request_ms
        answered = np.where(edges.is_async, 0.0, worth[t])
        wait = by_set[t][..., origins:]
        paid = self.transfer + row_onward[t][..., origins:] - prices.call[:, None]
        paid += answered[:, None, None] * wait
        beyond = wait - prices.wait[:, None]
        low, high = self.worth
        ratio = np.where(beyond >= 0, low[:, None], high[:, None])
        paid += ratio * beyond
        at = paid.argmin(axis=2)
        return np.take_along_axis(paid, at[..., None], axis=2)[..., 0], at, ratio

    def _best_buckets(self, later: Floats) -> tuple[Floats, Floats]:
        """Return cost of a unit of worth by kind, region, client, and the factor that gives it."""
        one, parts = self.instance, self.instance.latency
        inside = self.inside_ms + later[:, :, None]
        time = parts.factor[:, :, None] * (
            parts.network_weight[:, :, None] * one.rtt_ms.T[None, :, :, None] + inside[:, :, None]
        )
        found, factors = [], []
        for kind in (SINGLE, SEVERAL):
            shown = np.where(self.buckets[kind][:, None, None], time, np.inf)
            at = shown.argmin(axis=3)
            found.append(np.take_along_axis(shown, at[..., None], axis=3)[..., 0])
            factors.append(
                np.take_along_axis(
                    np.broadcast_to(parts.factor[:, :, None], time.shape), at[..., None], axis=3
                )[..., 0]
            )
        return np.stack(found, axis=1), np.stack(factors, axis=1)

    def _counted(self, prices: Prices) -> Floats:
        """Return the least counts of instances of every set at prices, ``(S, P)``."""
        least, more, price = self.sizes.least, self.sizes.more, self._instance_usd(prices)
        slot = np.where(self.space.slot_used, price[:, self.space.slot_region], np.inf)
        found = (least * np.where(np.isinf(slot), 0.0, slot)).sum(axis=2)
        return np.asarray(found + more * slot.min(axis=2))

    def _instance_usd(self, prices: Prices) -> Floats:
        return self.sizes.price + self.instance.cpu_cores[:, None] * prices.vcpu

    def sizing_usd(self, chosen: Ints) -> float:
        """Return what the instances cost that the bound counts for given sets, $ per hour."""
        s = np.arange(len(chosen))
        price = np.nan_to_num(self.instance.instance_usd)
        slot = np.where(
            self.space.slot_used[chosen], price[s[:, None], self.space.slot_region[chosen]], np.inf
        )
        own = (self.sizes.least[s, chosen] * np.where(np.isinf(slot), 0.0, slot)).sum()
        return float(own + (self.sizes.more[s, chosen] * slot.min(axis=1)).sum())

    def _slopes(
        self,
        chosen: Ints,
        picked: tuple[Ints, Floats],
        factor: Floats,
        limit: Floats,
        moves: float,
    ) -> Slopes:
        one, edges = self.instance, self.instance.edges
        n, regions, origins = one.n_services, one.n_regions, one.n_origins
        where, ratio = picked
        e, t = np.arange(len(where)), edges.callee
        mean = np.zeros((n, origins + regions))
        mean[:, :origins] = one.mean_rps
        worth = SECONDS_PER_HOUR * one.usd_per_request_ms
        wait = worth[:, None] * mean
        np.add.at(mean, (t, origins + where), self.calls)
        answered = np.where(edges.is_async, 0.0, worth[t])
        np.add.at(wait, (t, origins + where), self.calls * (answered + ratio))
        rows = self.space.slot_row[chosen]
        region = self.space.slot_region[chosen]
        kind = np.where(self.space.size[chosen] == 1, SINGLE, SEVERAL)
        every = np.arange(n)[:, None]
        share = self.space.share[rows]
        load, weighed = np.zeros((n, regions)), np.zeros((n, regions))
        np.add.at(load, (every, region), (share * mean[:, None]).sum(axis=2))
        used = factor[every, kind[:, None], region]
        np.add.at(weighed, (every, region), (share * used * wait[:, None]).sum(axis=2))
        call = edges.calls[:, None] * load[edges.caller]
        call[e, where] -= self.calls
        later = self.theta * weighed[edges.caller]
        later[e, where] -= self.calls * ratio
        vcpu = np.zeros(regions)
        count = self.sizes.least[np.arange(n), chosen].astype(float)
        price = np.where(self.space.slot_used[chosen], self.sizes.price[every, region], np.inf)
        count[np.arange(n), price.argmin(axis=1)] += self.sizes.more[np.arange(n), chosen]
        np.add.at(vcpu, region, count * one.cpu_cores[:, None])
        limited = np.isfinite(limit)
        vcpu = np.where(limited, vcpu - np.where(limited, limit, 0.0), 0.0)
        added = float(self.added[np.arange(n), chosen].sum())
        excess = added - moves if math.isfinite(moves) else 0.0
        return Slopes(call, later, vcpu, excess)


def _rent(prices: Prices, limit: Floats, moves: float) -> float:
    scarce = prices.vcpu > 0
    rent = math.fsum(prices.vcpu[scarce] * limit[scarce])
    return rent + (prices.move * moves if prices.move > 0 else 0.0)
