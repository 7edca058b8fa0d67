"""Feature tables and predictions into one :class:`~ml.placement.problem.instance.Instance`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ml.io import Features
from ml.placement.problem.instance import (
    BANNED,
    INCOMPLETE,
    NOT_OFFERED,
    RESIDENCY,
    Edges,
    Flags,
    Floats,
    Instance,
    Ints,
    call_layers,
)
from ml.placement.problem.policy import Policy
from ml.placement.problem.reading_latency import (
    flag,
    latency_parts,
    number,
    physics_candidates,
    positions,
)
from ml.placement.problem.reading_rules import optional_facts, with_own_rules

_MISSING_RTT_MS = 1000.0


@dataclass
class _Notes:
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, code: str, scope: str, detail: str) -> None:
        self.rows.append((code, scope, detail))


def read_instance(
    features: Features, candidates: pd.DataFrame, calls: pd.DataFrame, policy: Policy
) -> Instance:
    """Return the placement problem that the warehouse and the latency stage describe.

    Args:
        features: Reader of the feature tables.
        candidates: Rows of ``latency_candidates``.
        calls: Rows of ``latency_calls``; a call that is not there keeps its traced factor.
        policy: Weights and rules.

    Raises:
        ValueError: If there is no active service or no region.
    """
    notes = _Notes()
    services = features.read("feat_placement__services")
    services = services[services["is_active"].astype(bool)].sort_values("service_id")
    regions = features.read("feat_placement__regions").sort_values("region_id")
    if services.empty or regions.empty:
        msg = f"{len(services)} active services in {len(regions)} regions, must be at least 1 each"
        raise ValueError(msg)
    service_ids = tuple(services["service_id"].astype(str))
    region_ids = tuple(regions["region_id"].astype(str))
    own = features.read("feat_placement__own_demand")
    own = own[own["service_id"].isin(service_ids)]
    origin_ids = tuple(sorted(own["origin_id"].astype(str).unique()))
    mean, peak = _demand(own, service_ids, origin_ids, policy, notes)
    edges = _edges(features.read("feat_placement__calls"), calls, service_ids, notes)
    rtt, egress = _pairs(
        features.read("feat_placement__region_pairs"), origin_ids, region_ids, notes
    )
    misroute = _misroute(features, policy)
    astray = policy.misroute_share_calls
    if candidates.empty:
        candidates = physics_candidates(features)
        notes.add("NO_LATENCY_MODEL", "fleet", "latency from physics alone, wide intervals")
    latency, known, has_p95 = latency_parts(candidates, services, service_ids, region_ids)
    where = features.read("feat_placement__service_regions")
    blocker, evidence, current = _blockers(where, service_ids, region_ids, regions, known, policy)
    facts = _service_facts(services, policy, blocker, has_p95, notes)
    blocker, evidence = with_own_rules(policy, service_ids, region_ids, blocker, evidence, facts)
    optional = optional_facts(policy, regions, region_ids, blocker, notes.rows)
    load = _propagated(mean.sum(axis=1), edges, len(service_ids))
    idle = load <= 0
    frozen = np.isin(service_ids, policy.frozen_services)
    for s in np.flatnonzero(~current.any(axis=1)):
        notes.add("NO_CURRENT_PLACEMENT", f"service:{service_ids[s]}", "ran nowhere on that day")
    window = features.read("feat_window").iloc[0]
    return Instance(
        policy=policy,
        trained_through=pd.Timestamp(window["last_on"]).date(),
        service_ids=service_ids,
        region_ids=region_ids,
        origin_ids=origin_ids,
        edges=edges,
        latency=latency,
        rtt_ms=rtt,
        misroute=np.repeat(
            [misroute, misroute if astray is None else astray], [len(origin_ids), len(region_ids)]
        ),
        peak_rps=peak,
        mean_rps=mean,
        blocker=blocker,
        blocker_evidence=evidence,
        current=current,
        is_fixed=idle | frozen,
        vcpu_usd=number(regions, "vcpu_hour_usd"),
        memory_usd=number(regions, "memory_gb_hour_usd"),
        user_egress_usd=number(regions, "egress_internet_usd_per_gb", 0.0),
        region_egress_usd=egress,
        capacity_vcpu=number(regions, "capacity_vcpu", np.inf),
        notes=tuple(sorted(set(notes.rows))),
        **facts,
        **optional,
    )


def _demand(
    own: pd.DataFrame,
    service_ids: tuple[str, ...],
    origin_ids: tuple[str, ...],
    policy: Policy,
    notes: _Notes,
) -> tuple[Floats, Floats]:
    """Return mean ``(S, O)`` and peak ``(S, O, H)`` of the demand that users send directly."""
    hours = tuple(sorted(own["hour_of_week"].unique()))
    shape = (len(service_ids), len(origin_ids), max(1, len(hours)))
    at = (positions(service_ids, own["service_id"]), positions(origin_ids, own["origin_id"]))
    hour = np.searchsorted(np.array(hours), own["hour_of_week"].to_numpy())
    mean, peak = np.zeros(shape), np.zeros(shape)
    mean[(*at, hour)] = number(own, "mean_rps", 0.0)
    peak[(*at, hour)] = number(own, "q95_rps", 0.0)
    peak = np.maximum(peak, mean)
    if shape[2] > policy.hour_bins_max:
        size = -(-shape[2] // policy.hour_bins_max)
        edges = np.arange(0, shape[2], size)
        peak = np.maximum.reduceat(peak, edges, axis=2)
        notes.add("HOURS_MERGED", "fleet", f"{shape[2]} hours in {len(edges)} bins by maximum")
    return mean.mean(axis=2), peak


def _edges(
    calls: pd.DataFrame, learned: pd.DataFrame, service_ids: tuple[str, ...], notes: _Notes
) -> Edges:
    caller = positions(service_ids, calls["caller_service_id"])
    callee = positions(service_ids, calls["callee_service_id"])
    broken = flag(calls, "is_broken")
    if broken.any():
        notes.add("CALL_CYCLE", "fleet", f"{int(broken.sum())} calls left out to break cycles")
    kept = (caller >= 0) & (callee >= 0) & ~broken & (number(calls, "calls_per_request", 0.0) > 0)
    frame, caller, callee = calls[kept], caller[kept], callee[kept]
    stage = number(frame, "stage", 1.0).astype(np.int64)
    order = np.lexsort((callee, stage, caller))
    rate = number(frame, "calls_per_request")
    factor = _factors(frame, learned)
    return Edges(
        caller=caller[order],
        callee=callee[order],
        calls=rate[order],
        factor=np.where(np.isnan(factor), np.minimum(rate, 1.0), factor)[order],
        stage=stage[order],
        is_async=flag(frame, "is_async")[order],
        request_kb=number(frame, "request_kb", 0.0)[order],
        response_kb=number(frame, "response_kb", 0.0)[order],
    )


def _factors(calls: pd.DataFrame, learned: pd.DataFrame) -> Floats:
    """Return the factor that each call's history shows, as traced where it shows none."""
    traced = number(calls, "latency_factor")
    if learned.empty:
        return traced
    keys = ["caller_service_id", "callee_service_id"]
    known = learned.set_index(keys)["latency_factor"]
    found = number(
        known.reindex(pd.MultiIndex.from_frame(calls[keys])).to_frame(), "latency_factor"
    )
    return np.where(np.isnan(found), traced, found)


def _pairs(
    pairs: pd.DataFrame, origin_ids: tuple[str, ...], region_ids: tuple[str, ...], notes: _Notes
) -> tuple[Floats, Floats]:
    """Return the round trip ``(O + R, R)``, and $ per GB from row to column ``(R, R)``."""
    region = positions(region_ids, pairs["region_id"])
    rtt = np.full((len(origin_ids) + len(region_ids), len(region_ids)), np.nan)
    egress = np.zeros((len(region_ids), len(region_ids)))
    is_region = flag(pairs, "client_is_region")
    way = number(pairs, "rtt_ms")
    for ids, first, only in ((origin_ids, 0, None), (region_ids, len(origin_ids), is_region)):
        client = positions(ids, pairs["client_id"])
        hit = (client >= 0) & (region >= 0)
        hit = hit if only is None else hit & only
        rtt[client[hit] + first, region[hit]] = way[hit]
    client = positions(region_ids, pairs["client_id"])
    hit = (client >= 0) & (region >= 0) & is_region
    egress[region[hit], client[hit]] = number(pairs, "egress_usd_per_gb", 0.0)[hit]
    if np.isnan(rtt).any():
        count = int(np.isnan(rtt).sum())
        notes.add("RTT_MISSING", "fleet", f"{count} pairs set to {_MISSING_RTT_MS:.0f} ms")
    return np.nan_to_num(rtt, nan=_MISSING_RTT_MS), egress


def _misroute(features: Features, policy: Policy) -> float:
    found = number(features.read("feat_window"), "misroute_share")[0]
    return policy.misroute_share if np.isnan(found) else float(np.clip(found, 0.0, 1.0))


def _blockers(
    where: pd.DataFrame,
    service_ids: tuple[str, ...],
    region_ids: tuple[str, ...],
    regions: pd.DataFrame,
    known: Flags,
    policy: Policy,
) -> tuple[Ints, tuple[tuple[str, ...], ...], Flags]:
    """Return the rule that keeps each service out of each region, its evidence, and today."""
    shape = (len(service_ids), len(region_ids))
    s, r = positions(service_ids, where["service_id"]), positions(region_ids, where["region_id"])
    hit = (s >= 0) & (r >= 0)
    code = np.full(shape, NOT_OFFERED, dtype=np.int64)
    code[s[hit], r[hit]] = np.where(flag(where, "is_allowed")[hit], 0, RESIDENCY)
    current = np.zeros(shape, dtype=bool)
    current[s[hit], r[hit]] = flag(where, "is_current")[hit]
    evidence = [["not listed for the service"] * shape[1] for _ in service_ids]
    for i, j, text in zip(s[hit], r[hit], where["blocker_evidence"][hit], strict=True):
        evidence[i][j] = str(text) if pd.notna(text) else ""
    priced = ~np.isnan(number(regions, "vcpu_hour_usd") + number(regions, "memory_gb_hour_usd"))
    complete = known & priced[None]
    code[(code == 0) & ~complete] = INCOMPLETE
    code[:, np.isin(region_ids, policy.banned_regions)] = BANNED
    for i, j in zip(*np.nonzero((code == INCOMPLETE) | (code == BANNED)), strict=True):
        lacks = "latency prediction" if priced[j] else "price of a vCPU or of memory"
        banned = code[i, j] == BANNED
        evidence[i][j] = "banned by the policy" if banned else f"no {lacks} for {region_ids[j]}"
    return code, tuple(tuple(row) for row in evidence), current


def _service_facts(
    services: pd.DataFrame, policy: Policy, blocker: Ints, has_p95: Flags, notes: _Notes
) -> dict[str, Any]:
    critical, stateful = flag(services, "is_latency_critical"), flag(services, "is_stateful")
    tier = number(services, "tier", float(policy.default_tier)).astype(np.int64)
    stated = np.where(has_p95, number(services, "slo_p95_ms"), np.nan)
    for name in services["service_id"][~has_p95]:
        notes.add("SLO_NOT_JUDGED", f"service:{name}", "no p95 was predicted")
    rule = (critical & policy.slo_critical_is_hard) | np.isin(tier, policy.slo_tiers_hard)
    state = np.where(stateful, number(services, "state_gb", 0.0), 0.0)
    worth = (policy.usd_per_request_ms_other, policy.usd_per_request_ms_critical)
    most = number(services, "max_regions", float(blocker.shape[1])).astype(np.int64)
    return {
        "cpu_cores": number(services, "cpu_cores"),
        "memory_gb": number(services, "memory_gb", 0.0),
        "demand_ms": np.maximum(number(services, "demand_ms", 1.0), 1e-3),
        "usd_per_request_ms": np.where(critical, worth[1], worth[0]),
        "replica_usd": state * policy.replica_usd_per_gb_hour,
        "request_kb": number(services, "request_kb", 0.0),
        "response_kb": number(services, "response_kb", 0.0),
        "state_gb": state,
        "tier": tier,
        "loss_proof": np.isin(tier, policy.loss_proof_tiers),
        "min_regions": number(services, "min_regions", 1.0).astype(np.int64),
        "max_regions": most,
        "slo_ms": np.where(rule, stated, np.nan),
        "slo_stated_ms": stated,
    }


def _propagated(own: Floats, edges: Edges, n_services: int) -> Floats:
    """Return each service's total demand: its users' and its callers'."""
    total = own.copy()
    for services in call_layers(edges, n_services):
        e = np.flatnonzero(np.isin(edges.caller, services))
        np.add.at(total, edges.callee[e], edges.calls[e] * total[edges.caller[e]])
    return total
