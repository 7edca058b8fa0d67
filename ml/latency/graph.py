"""Calls between services: what a request waits for others, callees first.

Everything is dense over (service, region, day). A call made in region q goes to the callee's
nearest active region, except for the fleet's misroute share, which spreads evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.inputs import LatencyInputs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_FAR = np.inf


@dataclass(frozen=True)
class Call:
    """One synchronous edge: ``factor`` sequential waits for ``callee`` in ``stage``.

    ``is_coin`` says that fewer than all requests make the call, so that a wait is often nothing.
    """

    stage: float
    callee: int
    factor: float
    is_coin: bool = False


@dataclass(frozen=True)
class Fleet:
    """Services, regions and days as dense arrays of shape (S, R, D).

    Attributes:
        services: Service ids, sorted.
        regions: Region ids, sorted.
        near: Index of the active region nearest to a caller in each region.
        active: Where the service ran.
        rtt_ms: Round trips (region of the caller, serving region, day), shape (R, R, D).
        reach_rtt_ms: Expected round trip from a caller in each region.
        misroute: Share of requests spread evenly over the active regions.
        calls: Edges of each service.
        order: Services, callees before callers.
        cut_edges: Edges left out because they close a cycle.
        row_at: Index (service, region, day) of every feature row.
    """

    services: NDArray[np.object_]
    regions: NDArray[np.object_]
    near: IntArray
    active: NDArray[np.bool_]
    rtt_ms: FloatArray
    reach_rtt_ms: FloatArray
    misroute: float
    calls: tuple[tuple[Call, ...], ...]
    order: tuple[int, ...]
    cut_edges: int
    row_at: tuple[IntArray, IntArray, IntArray]

    def spread(self, values: FloatArray) -> FloatArray:
        """Return row values as (S, R, D); gaps take the mean of the service's day, else its own."""
        grid = np.full(self.active.shape, np.nan)
        grid[self.row_at] = values
        known = np.isfinite(grid)
        total = np.where(known, grid, 0.0)
        day = _ratio(total.sum(axis=1), known.sum(axis=1))[:, None, :]
        own = _ratio(total.sum(axis=(1, 2)), known.sum(axis=(1, 2)))[:, None, None]
        filled = np.where(known, grid, np.where(np.isfinite(day), day, own))
        known_or_zero = np.asarray(np.nan_to_num(filled, nan=0.0), dtype=np.float64)
        return known_or_zero

    def without(self, dropped: NDArray[np.bool_]) -> Fleet:
        """Return the fleet with some edges unknown; ``dropped`` runs over all calls in order."""
        kept, at = [], 0
        for calls in self.calls:
            kept.append(tuple(c for i, c in enumerate(calls) if not dropped[at + i]))
            at += len(calls)
        return replace(self, calls=tuple(kept))


def _ratio(total: FloatArray, count: NDArray[np.int_]) -> FloatArray:
    ratio: FloatArray = np.full(total.shape, np.nan)
    np.divide(total, count, out=ratio, where=count > 0)
    return ratio


def build_fleet(inputs: LatencyInputs) -> Fleet:
    """Return the dense view of ``inputs``."""
    rows, asked = inputs.rows, inputs.candidates
    places = inputs.places
    ids = [rows["service_id"], asked["service_id"], places["service_id"]]
    ids += [inputs.edges["caller_service_id"], inputs.edges["callee_service_id"]]
    services = np.array(sorted(set(pd.concat(ids))), dtype=object)
    seen = pd.concat([rows["region_id"], asked["region_id"], places["region_id"]])
    regions = np.array(sorted(set(seen)), dtype=object)
    row_at = (
        _index(services, rows["service_id"]),
        _index(regions, rows["region_id"]),
        rows["day_index"].to_numpy(np.int64),
    )
    active = np.zeros((len(services), len(regions), inputs.days), dtype=bool)
    active[
        _index(services, places["service_id"]),
        _index(regions, places["region_id"]),
        places["day_index"].to_numpy(np.int64),
    ] = True
    rtt = _rtt_cube(inputs, regions)
    near, reach = _reach(active, rtt, inputs.misroute_share)
    calls = _calls(inputs.edges, services)
    order, calls, cut = _callees_first(calls)
    share = inputs.misroute_share
    return Fleet(services, regions, near, active, rtt, reach, share, calls, order, cut, row_at)


def _index(ids: NDArray[np.object_], values: pd.Series) -> IntArray:
    position = pd.Series(np.arange(len(ids)), index=ids)
    return position.loc[values.to_numpy()].to_numpy(np.int64)


def _rtt_cube(inputs: LatencyInputs, regions: NDArray[np.object_]) -> FloatArray:
    """Round trips (caller region, serving region, day); a day without a value keeps the median."""
    known = inputs.rtt[
        inputs.rtt["client_id"].isin(regions) & inputs.rtt["region_id"].isin(regions)
    ]
    client, region = _index(regions, known["client_id"]), _index(regions, known["region_id"])
    day, value = known["day_index"].to_numpy(np.int64), known["rtt_ms"].to_numpy(np.float64)
    median = np.full((len(regions), len(regions)), np.nan)
    is_median = day < 0
    median[client[is_median], region[is_median]] = value[is_median]
    # Unknown pairs: the largest known round trip, so that ignorance never attracts traffic.
    worst = float(np.nanmax(median)) if np.isfinite(median).any() else 0.0
    median = np.where(np.isfinite(median), median, worst)
    cube = np.repeat(median[:, :, None], inputs.days, axis=2)
    daily = (day >= 0) & (day < inputs.days)
    cube[client[daily], region[daily], day[daily]] = value[daily]
    return cube


def _reach(
    active: NDArray[np.bool_], rtt: FloatArray, misroute: float
) -> tuple[IntArray, FloatArray]:
    near = np.zeros(active.shape, dtype=np.int64)
    reach = np.zeros(active.shape)
    count = active.sum(axis=1)
    days = np.arange(active.shape[2])
    for caller in range(active.shape[1]):
        way = np.where(active, rtt[caller][None], _FAR)
        near[:, caller] = way.argmin(axis=1)
        straight = rtt[caller][near[:, caller], days]
        even = _ratio(np.where(active, rtt[caller][None], 0.0).sum(axis=1), count)
        reach[:, caller] = np.where(
            count > 0, (1 - misroute) * straight + misroute * np.nan_to_num(even), 0.0
        )
    return near, reach


def _calls(edges: pd.DataFrame, services: NDArray[np.object_]) -> tuple[tuple[Call, ...], ...]:
    out: list[list[Call]] = [[] for _ in services]
    callers = _index(services, edges["caller_service_id"])
    callees = _index(services, edges["callee_service_id"])
    stages = pd.to_numeric(edges["stage"]).fillna(0).to_numpy(np.float64)
    factors = edges["latency_factor"].to_numpy(np.float64)
    # A source that does not count calls leaves only the waits to tell that some are not made.
    counted = pd.to_numeric(edges["calls_per_request"], errors="coerce").fillna(
        edges["latency_factor"]
    )
    coins = counted.to_numpy(np.float64) < 1
    columns = zip(callers, callees, stages, factors, coins, strict=True)
    for caller, callee, stage, factor, is_coin in columns:
        call = Call(float(stage), int(callee), float(factor), bool(is_coin))
        out[int(caller)].append(call)
    return tuple(tuple(calls) for calls in out)


def _callees_first(
    calls: tuple[tuple[Call, ...], ...],
) -> tuple[tuple[int, ...], tuple[tuple[Call, ...], ...], int]:
    """Return an order, the calls it allows, and how many edges had to be cut."""
    open_calls = [{c.callee for c in own} for own in calls]
    done: list[int] = []
    is_done = np.zeros(len(calls), dtype=bool)
    while len(done) < len(calls):
        ready = [
            s
            for s in range(len(calls))
            if not is_done[s] and all(is_done[c] for c in open_calls[s])
        ]
        if not ready:  # a cycle: the warehouse breaks them, so this only guards a stray one
            ready = [int(np.flatnonzero(~is_done)[0])]
        is_done[ready] = True
        done.extend(ready)
    rank = np.empty(len(calls), dtype=np.int64)
    rank[done] = np.arange(len(done))
    kept = tuple(tuple(c for c in own if rank[c.callee] < rank[s]) for s, own in enumerate(calls))
    cut = sum(len(own) for own in calls) - sum(len(own) for own in kept)
    return tuple(done), kept, cut


Answer = Callable[[int, FloatArray], tuple[FloatArray, FloatArray]]


def slowest_calls(
    calls: tuple[Call, ...], factors: FloatArray, answers: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the waiting, ms, and what each call adds to it where it is its stage's slowest.

    Args:
        calls: Calls of one service, E of them.
        factors: Sequential waits of each call, shape (E,).
        answers: Answer times of the callees, shape (E, ...).
    """
    waits = factors.reshape(-1, *[1] * (answers.ndim - 1)) * answers
    counted: FloatArray = np.where(is_slowest(calls, waits), waits, 0.0)
    return counted.sum(axis=0), counted


def is_slowest(calls: tuple[Call, ...], waits: FloatArray) -> NDArray[np.bool_]:
    """Say of each call whether its stage waits for it; of equally slow ones only for the first.

    Args:
        calls: Calls of one service, E of them.
        waits: What each takes, shape (E, ...).
    """
    found = np.zeros(waits.shape, dtype=bool)
    for stage in sorted({call.stage for call in calls}):
        members = [i for i, call in enumerate(calls) if call.stage == stage]
        slowest = waits[members].argmax(axis=0)
        for position, i in enumerate(members):
            found[i] = slowest == position
    return found


def walk(fleet: Fleet, answer: Answer) -> FloatArray:
    """Return the waiting for other services, ms, for callers in every region and day.

    Stages of a request run one after another, calls within a stage in parallel: the slowest call
    of each stage counts.

    Args:
        fleet: Services, routing and calls.
        answer: Takes a service and the answer times of its callees (calls, R, D), returns its
            waiting and its own internal latency, (R, D) each; called once per service, callees
            before callers.
    """
    waiting = np.zeros(fleet.active.shape)
    reached = np.zeros(fleet.active.shape)
    is_alive: NDArray[np.bool_] = fleet.active.max(axis=1)
    days = np.arange(fleet.active.shape[2])
    for service in fleet.order:
        callees = [call.callee for call in fleet.calls[service]]
        waiting[service], inside = answer(service, reached[callees])
        active = fleet.active[service]
        even = np.where(active, inside, 0.0).sum(axis=0) / np.maximum(active.sum(axis=0), 1)
        straight = inside[fleet.near[service], days[None, :]]
        mixed = (1 - fleet.misroute) * straight + fleet.misroute * even[None, :]
        # On days without the callee the edge carries nothing.
        reached[service] = np.where(
            is_alive[service][None, :], fleet.reach_rtt_ms[service] + mixed, 0.0
        )
    return waiting


def network_waiting(fleet: Fleet) -> FloatArray:
    """Return the part of :func:`walk` that is network alone, ms, shape (S, R, D)."""

    def answer(service: int, answers: FloatArray) -> tuple[FloatArray, FloatArray]:
        calls = fleet.calls[service]
        waiting, _ = slowest_calls(calls, traced_factors(calls), answers)
        return waiting, waiting

    return walk(fleet, answer)


def traced_factors(calls: tuple[Call, ...]) -> FloatArray:
    """Return the factors of the calls as tracing shows them, shape (E,)."""
    return np.array([call.factor for call in calls], dtype=np.float64)
