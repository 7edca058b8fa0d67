"""The call-graph problem that measurements of large fleets use: linear between the region sets.

Every call is a stage of its own, so times add up. Clients and callers are served by whichever open
region answers them at least cost, calls made onwards included. Instances are fractions, sized for
the peak of a service's whole demand. Survival of a loss, objectives and moves are left out; the
regions allowed, their least and largest number, and capacity hold. The production search keeps all
rules; this problem shows what a joint choice over many services and regions is worth.

A call of e = (s, t) from q served in r costs a_e(q, r) = 3600 (10^-6 (kb up x egress(q, r) + kb
down x egress(r, q)) + worth_s f_e / k_e rtt(q, r)) $ per hour and call per second; an asynchronous
one is not waited for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.placement.fleet.fleet import GB_PER_KB, SECONDS_PER_HOUR
from ml.placement.problem.instance import Flags, Floats, Instance, Ints

PROBLEM = (
    "call graph with every call a stage of its own, what its callee waits for in turn as under "
    "today's plan, least-cost routing of users and calls, "
    "fractional instances sized for the peak of a service's whole demand; residency, least and "
    "largest number of regions and capacity hold; no objective, no survival of a loss, no moves"
)
_EDGES_AT_ONCE = 2_000


@dataclass(frozen=True)
class GraphProblem:
    """Arrays of S services, R regions, O origins, E calls; money in $ per hour."""

    demand: Floats
    """Mean demand of users, requests per second, ``(S, O)``."""
    total: Floats
    """Demand of users and callers, ``(S,)``."""
    unit: Floats
    """Instances and time inside the service of one request per second, ``(S, R)``."""
    user_kb: Floats
    user_ms: Floats
    """$ per hour and request per second: per $/GB ``(S,)``, per ms of round trip ``(S, R)``."""
    user_in: Floats
    user_out: Floats
    """$ per GB to users, ``(R,)``."""
    user_rtt: Floats
    call_rtt: Floats
    call_out: Floats
    """$ per GB from row to column, ``(R, R)``."""
    fixed: Floats
    """Cost of every open region, ``(S,)``."""
    spared: Floats
    """What the first region does not cost, ``(S,)``."""
    allowed: Flags
    least: Ints
    most: Ints
    caller: Ints
    callee: Ints
    calls: Floats
    call_up: Floats
    call_down: Floats
    call_ms: Floats
    """$ per hour and call per second: per $/GB up and down, per ms of round trip, ``(E,)``."""
    vcpu: Floats
    """vCPU of one request per second, ``(S,)``."""
    capacity: Floats
    layers: tuple[Ints, ...]

    @cached_property
    def call_total(self) -> Floats:
        """Calls per second of every edge, wherever they are made, ``(E,)``."""
        return self.calls * self.total[self.caller]

    @cached_property
    def incoming(self) -> tuple[Ints, Ints]:
        """Edges sorted by callee, and where each service's edges begin, ``(S + 1,)``."""
        order = np.argsort(self.callee, kind="stable").astype(np.int64)
        return order, np.searchsorted(self.callee[order], np.arange(len(self.total) + 1))

    @cached_property
    def outgoing(self) -> Ints:
        """Where each service's calls begin; edges are sorted by caller, ``(S + 1,)``."""
        return np.searchsorted(self.caller, np.arange(len(self.total) + 1))

    def call_usd(self, edges: Ints) -> Floats:
        """Return the cost of one call per second from row to column, ``(n, R, R)``."""
        up, down, ms = self.call_up[edges], self.call_down[edges], self.call_ms[edges]
        found = up[:, None, None] * self.call_out + down[:, None, None] * self.call_out.T
        return np.asarray(found + ms[:, None, None] * self.call_rtt)

    def user_usd(self, services: Ints) -> Floats:
        """Return the cost of one request per second of each origin by region, ``(n, O, R)``."""
        kb = self.user_kb[services][:, None] * self.user_out + self.user_in[services][:, None]
        return np.asarray(kb[:, None] + self.user_ms[services][:, None] * self.user_rtt)


def graph_problem(instance: Instance) -> GraphProblem:
    """Return the linear call-graph problem of an instance.

    Raises:
        ValueError: If some service has fewer allowed regions than it needs.
    """
    edges, policy, n = instance.edges, instance.policy, instance.n_services
    total, count = _demand_of_all(instance)
    parts, at = instance.latency, int(np.searchsorted(instance.latency.buckets, 0.5))
    worth = SECONDS_PER_HOUR * instance.usd_per_request_ms
    factor = parts.factor[:, :, at]
    inside = worth[:, None] * factor * (parts.own_ms + parts.calls_ms)[:, :, at]
    allowed, least, most = _rules_on_regions(instance)
    hourly = SECONDS_PER_HOUR * GB_PER_KB
    waited = np.where(edges.is_async, 0.0, edges.factor / edges.calls)
    origins = instance.n_origins
    return GraphProblem(
        demand=instance.mean_rps,
        total=total,
        unit=count[:, None] * np.nan_to_num(instance.instance_usd) + inside,
        user_kb=hourly * instance.response_kb,
        user_ms=worth[:, None] * factor * parts.network_weight[:, :, at],
        user_in=hourly * instance.request_kb * policy.ingress_usd_per_gb,
        user_out=np.nan_to_num(instance.user_egress_usd),
        user_rtt=instance.rtt_ms[:origins],
        call_rtt=instance.rtt_ms[origins:],
        call_out=np.nan_to_num(instance.region_egress_usd),
        fixed=policy.open_region_usd_per_hour + instance.replica_usd,
        spared=instance.replica_usd,
        allowed=allowed,
        least=least,
        most=most,
        caller=edges.caller,
        callee=edges.callee,
        calls=edges.calls,
        call_up=hourly * edges.request_kb,
        call_down=hourly * edges.response_kb,
        call_ms=worth[edges.caller] * waited,
        vcpu=count * instance.cpu_cores,
        capacity=instance.capacity_vcpu,
        layers=tuple(instance.layers) if n else (),
    )


def _demand_of_all(instance: Instance) -> tuple[Floats, Floats]:
    """Return users' and callers' requests per second, and instances for one of them, ``(S,)``."""
    edges = instance.edges
    total, peak = instance.mean_rps.sum(axis=1), instance.peak_rps.sum(axis=1)
    for e in instance.layer_edges:
        np.add.at(total, edges.callee[e], edges.calls[e] * total[edges.caller[e]])
        np.add.at(peak, edges.callee[e], edges.calls[e][:, None] * peak[edges.caller[e]])
    swing = np.where(total > 0, peak.max(axis=1) / np.where(total > 0, total, 1.0), 1.0)
    return total, swing / (instance.full_rate * instance.policy.utilisation_target)


def _rules_on_regions(instance: Instance) -> tuple[Flags, Ints, Ints]:
    """Return the regions allowed, and the fewest and most of them."""
    allowed = instance.blocker == 0
    most = np.minimum(instance.max_regions, instance.policy.max_regions_cap)
    least = np.maximum(1, instance.min_regions)
    short = np.flatnonzero(np.minimum(allowed.sum(axis=1), most) < least)
    if short.size:
        name = instance.service_ids[int(short[0])]
        raise ValueError(f"{name}: fewer allowed regions than min_regions == {least[short[0]]}")
    return allowed, least, most


@dataclass(frozen=True)
class GraphCost:
    """What one choice of region sets costs, and the vCPU it uses of each region."""

    total_usd: float
    open_usd: float
    unit_usd: float
    user_usd: float
    call_usd: float
    use_vcpu: Floats
    load_rps: Floats
    """``(S, R)``."""


def evaluate_graph(
    problem: GraphProblem, member: Flags, rent_usd: Floats | None = None
) -> GraphCost:
    """Evaluate region sets by following every request: plain sums over flows, no bound involved.

    Args:
        problem: The problem.
        member: Regions of every service, ``(S, R)``.
        rent_usd: $ per vCPU-hour that routing takes into account where regions are scarce,
            ``(R,)``; it is not part of the cost.

    Raises:
        ValueError: If a service breaks its rules on regions.
    """
    size = member.sum(axis=1)
    if (member & ~problem.allowed).any() or (size < problem.least).any():
        raise ValueError("a service runs where it may not, or in too few regions")
    if (size > problem.most).any():
        raise ValueError("a service runs in too many regions")
    n, regions = member.shape
    rent = np.zeros(regions) if rent_usd is None else rent_usd
    onward = problem.unit + problem.vcpu[:, None] * rent
    served = np.zeros((len(problem.caller), regions), dtype=np.int64)
    shut = np.where(member, 0.0, np.inf)
    order, first = problem.incoming
    for services in reversed(problem.layers):
        into = np.concatenate([order[first[s] : first[s + 1]] for s in services])
        for e in np.array_split(into, len(into) // _EDGES_AT_ONCE + 1):
            callee = problem.callee[e]
            value = problem.call_usd(e) + (onward + shut)[callee][:, None, :]
            served[e] = value.argmin(axis=2)
            least = np.take_along_axis(value, served[e][..., None], axis=2)[..., 0]
            np.add.at(onward, problem.caller[e], problem.calls[e][:, None] * least)
    load, users, calls = np.zeros((n, regions)), [], []
    rows = np.arange(regions)
    for services in problem.layers:
        for s in np.array_split(services, len(services) // _EDGES_AT_ONCE + 1):
            usd = problem.user_usd(s)
            at = (usd + (onward + shut)[s][:, None]).argmin(axis=2)
            np.add.at(load, (s[:, None], at), problem.demand[s])
            paid = np.take_along_axis(usd, at[..., None], axis=2)[..., 0]
            users.append(math.fsum((problem.demand[s] * paid).ravel()))
        out = np.concatenate(
            [np.arange(problem.outgoing[s], problem.outgoing[s + 1]) for s in services]
        )
        for e in np.array_split(out, len(out) // _EDGES_AT_ONCE + 1):
            flow = problem.calls[e][:, None] * load[problem.caller[e]]
            np.add.at(load, (problem.callee[e][:, None], served[e]), flow)
            paid = problem.call_usd(e)[np.arange(len(e))[:, None], rows, served[e]]
            calls.append(math.fsum((flow * paid).ravel()))
    opened = math.fsum(problem.fixed * size - problem.spared)
    unit = math.fsum((problem.unit * load).ravel())
    user, call = math.fsum(users), math.fsum(calls)
    use = (problem.vcpu[:, None] * load).sum(axis=0)
    return GraphCost(opened + unit + user + call, opened, unit, user, call, use, load)
