"""Changes of a plan looked at, or made, one after another; each followed through all its calls.

Thousands of changes a second, where ``fleet.changes`` evaluates hundreds: the search proposes with
it, and what it ends at is evaluated by ``fleet.evaluate`` before it counts.
"""

from __future__ import annotations

import numpy as np

from ml.placement.fleet.evaluate import RULES, Today
from ml.placement.fleet.fleet import GB_PER_KB, SECONDS_PER_HOUR
from ml.placement.fleet.pricing import PlanTable
from ml.placement.fleet.rows import Reached
from ml.placement.problem.instance import (
    BANNED,
    INCOMPLETE,
    NOT_OFFERED,
    RESIDENCY,
    Flags,
    Floats,
    Instance,
    Ints,
)
from ml.placement.problem.rows import row_limits
from ml.placement.problem.subsets import SetSpace
from ml.placement.problem.terms import kg_per_vcpu_hour
from ml.placement.walk.moves import Moves
from ml.placement.walk.ranks import ASTRAY, Rank, move_limit
from ml.placement.walk.sweep import sweep
from ml.placement.walk.types import BITS, CHOSEN, COST, COUNT, S_LOST, TOP, Known, Rows, Work

_LOOK, _KEEP_BETTER, _BEGIN, _MAKE, _KEEP_CHEAP = range(5)
_NOTHING: Ints = np.zeros(0, dtype=np.int64)


class CompiledWalk:
    """One plan and what follows from it, kept up to date while it changes."""

    def __init__(
        self,
        instance: Instance,
        space: SetSpace,
        today: Today,
        table: PlanTable,
        chosen: Ints,
    ) -> None:
        """Start at a plan.

        Args:
            instance: The problem.
            space: Its region sets.
            today: What to compare with.
            table: Says which plans are open, and who stays.
            chosen: Set of every service, ``(S,)``.
        """
        n = instance.n_services
        self._known = _known(instance, space, today)
        width, rows = space.slot_region.shape[1], len(self._known.limits)
        self._base = _rows(instance, n, width)
        self._trial = _rows(instance, n, width)
        self._work = Work(
            mark=np.zeros(n, dtype=np.uint8),
            place=np.full(n, -1, dtype=np.int64),
            touched=np.zeros(n, dtype=np.int64),
            hour=np.zeros(instance.peak_rps.shape[2]),
            calling=np.zeros(instance.n_regions),
            took=np.zeros((width, 3)),
            instances=np.zeros(width, dtype=np.int64),
            proof=np.zeros(width, dtype=np.int64),
            use=np.zeros((2, rows)),
            total=np.zeros(4, dtype=np.int64),
            is_open=table.is_open.astype(np.uint8),
            stays=(table.is_stuck | instance.is_fixed).astype(np.uint8),
        )
        # Before anything follows from the plan, every service seems to be on the first set.
        astray = (self._work.stays != 0) & (self._work.is_open[:, 0] == 0)
        self._work.total[1] = ASTRAY * int(astray.sum())
        self._rank: Ints = np.zeros(4, dtype=np.int64)
        self._go(Moves.of([(np.arange(n), chosen)]), _BEGIN)

    @property
    def chosen(self) -> Ints:
        """Set of every service now, ``(S,)``."""
        return self._base.found[:, CHOSEN].copy()

    @property
    def rank(self) -> Rank:
        """Rank of the plan now: shared rows overrun, rules broken, cost in micro-dollars."""
        over, broken, cost, _ = (int(value) for value in self._rank)
        return over, broken, cost

    @property
    def broken(self) -> Flags:
        """Services that break a rule now, ``(S,)``."""
        return np.asarray(self._base.found[:, BITS] != 0)

    def ranks(self, moves: Moves) -> Ints:
        """Return the rank of the plan after each group, as if it were made alone, ``(G, 3)``."""
        return self._go(moves, _LOOK)[:, :3]

    def reach(self, moves: Moves) -> Reached:
        """Return whom each group reaches and what follows for them, as if it were made alone."""
        found, bills, counts = [self._trial.found[:0]], [self._trial.bill[:0]], []
        services = [self._work.touched[:0]]
        for g in range(moves.n):
            self._go(Moves.of([moves.group(g)]), _LOOK)
            count = int(self._work.total[3])
            order = np.argsort(self._work.touched[:count])
            services.append(self._work.touched[order])
            found.append(self._trial.found[order])
            bills.append(self._trial.bill[order])
            counts.append(count)
        rows = np.concatenate(found)
        return Reached(
            np.repeat(np.arange(moves.n), counts),
            np.concatenate(services),
            rows[:, CHOSEN],
            rows[:, COST],
            rows[:, BITS],
            rows[:, COUNT:],
            np.concatenate(bills),
        )

    def make(self, services: Ints, plans: Ints) -> None:
        """Make one change, whatever it does to the rank."""
        self._go(Moves.of([(services, plans)]), _MAKE)

    def take(self, moves: Moves) -> bool:
        """Make one group after another, each where it betters the plan so far.

        Returns:
            Whether any did.
        """
        before = self.rank
        self._go(moves, _KEEP_BETTER)
        return self.rank < before

    def accept(self, moves: Moves, dearer: Ints, prices: Ints) -> None:
        """Make one group after another, each where it makes the plan dearer by no more than said.

        Args:
            moves: Groups of moves.
            dearer: Micro-dollars by which each may make it dearer, ``(G,)``.
            prices: See :func:`ml.placement.walk.ranks.priced`, ``(4,)``.
        """
        self._go(moves, _KEEP_CHEAP, dearer, prices)

    def _go(
        self, moves: Moves, mode: int, dearer: Ints = _NOTHING, prices: Ints = _NOTHING
    ) -> Ints:
        ranks = np.zeros((moves.n + 1, 4), dtype=np.int64)
        ranks[-1] = self._rank
        sweep(
            self._known,
            self._base,
            self._trial,
            self._work,
            moves.services,
            moves.plans,
            moves.starts,
            ranks,
            mode,
            dearer,
            prices,
        )
        self._rank = ranks[-1].copy()
        return ranks[:-1]


def _rows(instance: Instance, n: int, width: int) -> Rows:
    regions, hours = instance.n_regions, instance.peak_rps.shape[2]
    return Rows(
        peak=np.zeros((n, regions, hours)),
        flow=np.zeros((n, regions, TOP + 1)),
        load_peak=np.zeros((n, regions, hours)),
        load=np.zeros((n, regions)),
        slot=np.zeros((n, width, S_LOST + width)),
        depends=np.zeros((n, regions, 2)),
        answers=np.zeros((n, regions, 2)),
        found=np.zeros((n, COUNT + width), dtype=np.int64),
        bill=np.zeros(n),
    )


def _known(one: Instance, space: SetSpace, today: Today) -> Known:
    n, policy, edges = one.n_services, one.policy, one.edges
    sets = (
        space.size[:, None],
        space.slot_region,
        space.slot_row,
        space.lost_row.reshape(len(space.sets), -1),
    )
    incoming = np.lexsort((np.arange(len(edges.callee)), edges.callee))
    every = np.arange(n + 1)
    starts = (np.searchsorted(edges.caller, every), np.searchsorted(edges.callee[incoming], every))
    rules = (
        policy.min_instances,
        policy.utilisation_target,
        policy.utilisation_after_loss,
        policy.saturation,
        policy.slo_demand_share,
        policy.open_region_usd_per_hour,
        policy.max_regions_cap,
        policy.region_loss_usd_per_request or 0.0,
        -1.0 if (price := policy.elastic_slo_usd_per_request) is None else price,
        one.move_rent_usd,
        move_limit(one),
    )
    return Known(
        share=space.share,
        peak_share=space.peak_share,
        sets=np.ascontiguousarray(np.concatenate(sets, axis=1)),
        rtt=one.rtt_ms,
        out_usd=one.region_egress_usd,
        peak=one.peak_rps,
        user=_users(one),
        cell=_cells(one),
        area=_areas(one, today),
        own=_own(one, today),
        region=_regions(one),
        edge=np.stack((edges.caller, edges.callee, edges.stage, edges.is_async), axis=1).astype(
            np.int64
        ),
        call=np.column_stack(
            (edges.calls, edges.factor, edges.request_kb, edges.response_kb, edges.spread)
        ),
        starts=np.stack(starts, axis=1).astype(np.int64),
        incoming=incoming,
        order=np.concatenate(one.layers),
        buckets=one.latency.buckets,
        rules=np.array(rules, dtype=np.float64),
        limits=row_limits(one),
        has=np.array([one.memory_capacity_gb is not None, np.isfinite(one.bill_cap_usd)]).astype(
            np.int64
        ),
    )


def _users(one: Instance) -> Floats:
    hourly = SECONDS_PER_HOUR * GB_PER_KB
    per_gb = (
        one.response_kb[:, None] * np.nan_to_num(one.user_egress_usd)
        + one.request_kb[:, None] * one.policy.ingress_usd_per_gb
    )
    wait = SECONDS_PER_HOUR * one.usd_per_request_ms[:, None] * one.mean_rps
    top = one.peak_rps.max(axis=2, initial=0.0)
    first = np.stack((one.mean_rps, wait, top), axis=2)
    egress = hourly * one.mean_rps[:, :, None] * per_gb[:, None, :]
    return np.concatenate((first, egress), axis=2)


def _cells(one: Instance) -> Floats:
    parts = one.latency
    upper = parts.factor * parts.p95_hi
    variance = np.nan_to_num(parts.own_variance, nan=-1.0)
    cells = (parts.own_ms, parts.network_weight, parts.factor, upper, variance)
    return np.stack(cells, axis=3)


def _areas(one: Instance, today: Today) -> Floats:
    closed = np.zeros(one.blocker.shape)
    codes = (NOT_OFFERED, BANNED, RESIDENCY, INCOMPLETE)
    for bit, code in enumerate(codes):
        closed[one.blocker == code] = 1 << bit
    if RULES[: len(codes)] != ("NOT_OFFERED", "REGION_BANNED", "RESIDENCY", "INCOMPLETE_DATA"):
        msg = "the rules on regions are not the first bits"
        raise AssertionError(msg)
    price, now = np.nan_to_num(one.instance_usd), one.current.astype(np.float64)
    return np.stack((price, today.move_usd, closed, now), axis=2)


def _own(one: Instance, today: Today) -> Floats:
    is_hard: Flags = ~np.isnan(one.slo_ms)
    columns = (
        one.full_rate,
        one.cpu_cores,
        one.memory_gb,
        one.usd_per_request_ms,
        one.replica_usd,
        one.loss_proof,
        today.served_floor,
        is_hard,
        np.nan_to_num(one.slo_stated_ms, nan=-1.0),
        today.slowest_ms,
        one.min_regions,
        one.max_regions,
        # What a loss leaves is costly to know, and asked of few services alone.
        one.loss_proof | (today.served_floor > 0) | bool(one.policy.region_loss_usd_per_request),
    )
    return np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)


def _regions(one: Instance) -> Floats:
    nothing, never = np.zeros(one.n_regions), np.full(one.n_regions, np.inf)
    carbon = nothing
    if one.carbon_priced:
        carbon = (one.policy.carbon_usd_per_kg or 0.0) * np.nan_to_num(kg_per_vcpu_hour(one))
    memory = never if one.memory_capacity_gb is None else one.memory_capacity_gb
    rent = nothing if one.rent_usd is None else one.rent_usd
    return np.stack((one.hard_capacity_vcpu, memory, rent, carbon), axis=1)
