"""What follows from changes of a plan: only the services that a change reaches are looked at.

A service that moves sends its calls from elsewhere, down to the last callee; a service whose
answers take another time makes its callers wait otherwise, up to the first caller. Many changes of
one plan are evaluated together, layer by layer of the call graph, each as if it were made alone.
The reached rows are computed anew from their sums, never as differences, so a chain of changes
gathers no error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from ml.placement.fleet.evaluate import Assessed, Today, assess
from ml.placement.fleet.fleet import (
    GB_PER_KB,
    MICRO,
    SECONDS_PER_HOUR,
    Fleet,
    answer_times,
    call_times,
    loads_of,
    slowest_calls,
)
from ml.placement.fleet.rows import Flow, Part, Reached, rows_of, today_of
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.slots import Clients, one_set_each
from ml.placement.problem.subsets import SetSpace

_CELLS_PER_CHUNK = 6_000_000
_OF_CLIENTS = (
    *("peak_rps", "mean_rps", "wait_usd", "egress_usd", "dependency_ms"),
    "dependency_variance",
)
Change = tuple[Ints, Ints]
"""Services that move, and the numbers of their new sets."""


@dataclass(frozen=True)
class Changes:
    """Evaluates changes of one plan."""

    instance: Instance
    space: SetSpace
    today: Today
    base: Fleet

    def reach(self, changes: Sequence[Change]) -> Reached:
        """Return the services that each change reaches, and what follows for them.

        Args:
            changes: Each is evaluated as if it were made alone.
        """
        found = [_nobody(self.base)]
        for first, last in self._chunks(changes):
            parts = self._run(changes[first:last])
            if not parts:
                continue
            joined = Reached(
                np.concatenate([p.change for p in parts]) + first,
                np.concatenate([p.service for p in parts]),
                np.concatenate([p.chosen for p in parts]),
                np.concatenate([_micro(p.found) for p in parts]),
                np.concatenate([p.found.broken[:, 0] for p in parts]),
                np.concatenate([p.found.instances[:, 0] for p in parts]),
                np.concatenate([_bill(p.found) for p in parts]),
            )
            order = np.lexsort((joined.service, joined.change))
            found.append(Reached(*(getattr(joined, f.name)[order] for f in fields(Reached))))
        return Reached(
            *(np.concatenate([getattr(f, k.name) for f in found]) for k in fields(Reached))
        )

    def apply(self, services: Ints, plans: Ints) -> Fleet:
        """Return the fleet after one change."""
        parts = self._run([(services, plans)])
        base, chosen = self.base, self.base.chosen.copy()
        chosen[services] = plans
        clients = {k.name: getattr(base.clients, k.name) for k in fields(Clients)}
        for name in _OF_CLIENTS:
            clients[name] = clients[name].copy()
        found = {k.name: getattr(base.assessed, k.name).copy() for k in fields(Assessed)}
        answers = np.stack((base.answer_ms, base.answer_variance))
        slowest = base.is_slowest.copy()
        for part in parts:
            s = part.service
            for name in _OF_CLIENTS:
                clients[name][s] = getattr(part.clients, name)
            for name, values in found.items():
                values[s] = getattr(part.found, name)
            answers[:, s] = part.answers
            slowest[part.slowest[0]] = part.slowest[1]
        return Fleet(chosen, Clients(**clients), Assessed(**found), answers[0], answers[1], slowest)

    @cached_property
    def _loads(self) -> tuple[Floats, Floats]:
        """Peak ``(S, R, H)`` and mean ``(S, R)`` load of every service at the base."""
        n, clients = np.arange(self.instance.n_services), self.base.clients
        return loads_of(self.space, self.base.chosen, clients.peak_rps, clients.mean_rps, n)

    @cached_property
    def _answers(self) -> Floats:
        """Mean and variance of every service's answers at the base, ``(2, S, R)``."""
        return np.stack((self.base.answer_ms, self.base.answer_variance))

    def _chunks(self, changes: Sequence[Change]) -> list[tuple[int, int]]:
        per_row = int(np.prod(self.base.clients.peak_rps.shape[1:]))
        step = max(1, _CELLS_PER_CHUNK // (40 * per_row))
        step = max(1, min(step, _CELLS_PER_CHUNK // self.instance.n_services))
        return [(i, min(len(changes), i + step)) for i in range(0, len(changes), step)]

    def _run(self, changes: Sequence[Change]) -> list[Part]:
        chosen = np.tile(self.base.chosen, (len(changes), 1))
        for i, (some, plans) in enumerate(changes):
            chosen[i, some] = plans
        moved: Flags = chosen != self.base.chosen
        called = self._called(moved)
        flow = self._flow(chosen, moved, called)
        parts: list[Part] = []
        differs = np.zeros_like(moved)
        where = np.full(moved.shape, -1, dtype=np.int64)
        told = [np.zeros((2, 0, self.instance.n_regions))]
        count = 0
        for services, e in zip(
            reversed(self.instance.layers), reversed(self.instance.layer_edges), strict=True
        ):
            waits = self._waiting_anew(services, e, differs)
            reached = (moved | called)[:, services] | waits
            b, at = np.nonzero(reached)
            if not b.size:
                continue
            part = self._assess(b, services[at], chosen, flow, waits[b, at], e, where, told)
            parts.append(part)
            s = part.service
            is_new = (part.answers != self._answers[:, s]).any(axis=(0, 2))
            differs[b[is_new], s[is_new]] = True
            where[b[is_new], s[is_new]] = count + np.arange(int(is_new.sum()))
            told.append(part.answers[:, is_new])
            count += int(is_new.sum())
        return parts

    def _called(self, moved: Flags) -> Flags:
        """Return whose callers call from elsewhere, ``(B, S)``."""
        edges = self.instance.edges
        called = np.zeros_like(moved)
        for e in self.instance.layer_edges:
            if not e.size:
                continue
            order = e[np.argsort(edges.callee[e], kind="stable")]
            callee, starts = np.unique(edges.callee[order], return_index=True)
            source = (moved | called)[:, edges.caller[order]]
            called[:, callee] |= np.logical_or.reduceat(source, starts, axis=1)
        return called

    def _waiting_anew(self, services: Ints, e: Ints, differs: Flags) -> Flags:
        """Return which of ``services`` call somebody whose answers differ, ``(B, n)``."""
        edges = self.instance.edges
        waits = np.zeros((len(differs), len(services)), dtype=bool)
        e = e[~edges.is_async[e]]
        if e.size:
            caller, starts = np.unique(edges.caller[e], return_index=True)
            hit = np.logical_or.reduceat(differs[:, edges.callee[e]], starts, axis=1)
            waits[:, np.searchsorted(services, caller)] = hit
        return waits

    def _flow(self, chosen: Ints, moved: Flags, called: Flags) -> Flow:
        """Return the clients of all services that are moved or called from elsewhere."""
        base, origins = self.base.clients, self.instance.n_origins
        b, s = np.nonzero(moved | called)
        row = np.full(moved.shape, -1, dtype=np.int64)
        row[b, s] = np.arange(b.size)
        flow = Flow(
            row, s, base.peak_rps[s], base.mean_rps[s], base.wait_usd[s], base.egress_usd[s]
        )
        fresh = np.flatnonzero(called[b, s])
        for values in (flow.peak, flow.mean, flow.wait, flow.egress):
            values[fresh, origins:] = 0.0
        for services, e in zip(self.instance.layers, self.instance.layer_edges, strict=True):
            if e.size:
                self._call(chosen, called, flow, services, e)
        return flow

    def _call(self, chosen: Ints, called: Flags, flow: Flow, services: Ints, e: Ints) -> None:
        """Add the calls of one layer to the clients of those who are called from elsewhere."""
        edges, origins = self.instance.edges, self.instance.n_origins
        regions, hours = self.instance.n_regions, flow.peak.shape[2]
        b, at = np.nonzero(called[:, edges.callee[e]])
        if not b.size:
            return
        one = e[at]
        caller, target = edges.caller[one], flow.row[b, edges.callee[one]]
        mine = flow.row[b, caller]
        inside = np.zeros(self.instance.n_services, dtype=bool)
        inside[services] = True
        own = np.flatnonzero(inside[flow.service])
        change = np.nonzero(flow.row >= 0)[0][own]
        peak, mean = loads_of(
            self.space, chosen[change, flow.service[own]], flow.peak[own], flow.mean[own]
        )
        spot = np.full(len(flow.service), -1, dtype=np.int64)
        spot[own] = np.arange(own.size)
        base_peak, base_mean = self._loads
        n = self.instance.n_services
        column = np.where(mine >= 0, n + spot[mine], caller)
        stacked = np.concatenate((base_mean, mean))
        calls = edges.calls[one][:, None] * stacked[column]
        used, into = np.unique(target, return_inverse=True)
        sent = csr_array((edges.calls[one], (into, column)), shape=(used.size, n + own.size))
        both = np.concatenate((base_peak, peak)).reshape(n + own.size, -1)
        more: Floats = np.asarray(sent @ both)
        flow.peak[used, origins:] += more.reshape(used.size, regions, hours)
        entries = (np.ones(len(one)), (into, np.arange(len(one))))
        every_call = csr_array(entries, shape=(used.size, len(one)))

        def total(values: Floats) -> Floats:
            return np.asarray(every_call @ values)

        flow.mean[used, origins:] += total(calls)
        worth = SECONDS_PER_HOUR * self.instance.usd_per_request_ms[edges.callee[one]]
        worth = np.where(edges.is_async[one], 0.0, worth)
        flow.wait[used, origins:] += total(worth[:, None] * calls)
        out, hourly = self.instance.region_egress_usd, SECONDS_PER_HOUR * GB_PER_KB
        up = total(edges.request_kb[one][:, None] * calls)
        down = total(edges.response_kb[one][:, None] * calls)
        flow.egress[used, origins:] += hourly * (up[..., None] * out + down[..., None] * out.T)

    def _assess(
        self,
        b: Ints,
        s: Ints,
        chosen: Ints,
        flow: Flow,
        waits: Flags,
        e: Ints,
        where: Ints,
        told: list[Floats],
    ) -> Part:
        base = self.base
        held = base.clients
        calls = np.stack((held.dependency_ms[s], held.dependency_variance[s]))
        slowest: tuple[Ints, Flags] = (np.zeros(0, dtype=np.int64), base.is_slowest[:0])
        if waits.any():
            at = np.flatnonzero(waits)
            known = np.concatenate(told, axis=1)
            calls[:, at], slowest = self._wait(b[at], s[at], e, where, known)
        row = flow.row[b, s]
        own = np.flatnonzero(row >= 0)
        clients = [held.peak_rps[s], held.mean_rps[s], held.wait_usd[s], held.egress_usd[s]]
        for values, fresh in zip(
            clients, (flow.peak, flow.mean, flow.wait, flow.egress), strict=True
        ):
            values[own] = fresh[row[own]]
        peak, mean, wait, egress = clients
        nothing = np.zeros_like(calls[0])
        seen = Clients(peak, mean, wait, np.zeros_like(mean), egress, nothing, *calls)
        one, today = rows_of(self.instance, s), today_of(self.today, s)
        every, plans = np.arange(len(s)), chosen[b, s]
        slots = one_set_each(one, self.space, seen, every, plans)
        found = assess(one, slots, today, calls[0], nothing)
        answers = answer_times(one, self.space, every, plans, found, calls)
        return Part(b, s, plans, seen, found, answers, slowest)

    def _wait(
        self, b: Ints, s: Ints, e: Ints, where: Ints, told: Floats
    ) -> tuple[Floats, tuple[Ints, Flags]]:
        """Return the time on calls of each (change, service), ``(2, n, R)``, and who decides it."""
        edges = self.instance.edges
        e = e[~edges.is_async[e]]
        first = np.searchsorted(edges.caller[e], s, side="left")
        count = np.searchsorted(edges.caller[e], s, side="right") - first
        owner = np.repeat(np.arange(len(s)), count)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        one = e[np.repeat(first, count) + offset]
        callee = edges.callee[one]
        anew = where[b[owner], callee]
        answers = self._answers[:, callee]
        answers[:, anew >= 0] = told[:, anew[anew >= 0]]
        calls = np.zeros((2, len(s), self.instance.n_regions))
        times = call_times(edges, one, answers)
        return calls, (one, slowest_calls(owner, edges.stage[one], times, calls))


def _nobody(base: Fleet) -> Reached:
    none = np.zeros(0, dtype=np.int64)
    return Reached(
        none, none, none, none, none, base.assessed.instances[:0, 0], np.zeros(0, dtype=np.float64)
    )


def _micro(found: Assessed) -> Ints:
    return np.rint(found.total[:, 0] * MICRO).astype(np.int64)


def _bill(found: Assessed) -> Floats:
    return np.asarray((found.compute + found.open + found.egress)[:, 0])
