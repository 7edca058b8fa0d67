"""What SQL needs to derive both bounds of the recommended plan again.

Inputs of the priced problem only: the policy as numbers, who calls from where at the plan, what
others pay per call, and what a set leads to elsewhere if its service alone moves: a neighbour's
rule broken, or a cost beyond its price to first order. No cost of a plan and no price of a set
leaves here; the warehouse finds those by itself and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from ml.placement.answers.publish import plan_id
from ml.placement.fleet.fleet import MICRO, Fleet
from ml.placement.fleet.pricing import price_all
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.policy import Policy
from ml.placement.problem.rows import row_limits
from ml.placement.problem.subsets import SetSpace
from ml.placement.search.master import lower_bound
from ml.placement.search.solve import Solution, move_limit

_NUMBERS = (
    "utilisation_target",
    "utilisation_after_loss",
    "saturation",
    "min_instances",
    "usd_per_request_ms_critical",
    "usd_per_request_ms_other",
    "open_region_usd_per_hour",
    "replica_usd_per_gb_hour",
    "migration_amortisation_hours",
    "stickiness_share",
    "max_regions_cap",
    "keep_loss_survival",
    "slowdown_limit_share",
    "slowdown_error_share",
    "default_tier",
    "slo_critical_is_hard",
    "slo_demand_share",
    "misroute_share",
    "misroute_share_calls",
    "near_tie_share",
    "near_tie_is_split",
    "ingress_usd_per_gb",
    "hour_bins_max",
)
"""Values that the derivation in SQL uses; null where the policy has none."""
_LISTS = ("loss_proof_tiers", "slo_tiers_hard", "banned_regions", "frozen_services")
_OPTIONAL = (
    "pinned_services",
    "region_limits",
    "memory_capacity_gb",
    "cost_cap_share",
    "carbon_usd_per_kg",
    "region_loss_usd_per_request",
)
"""Terms that SQL does not derive, beside the elastic ones; a policy that uses any says so. A term
that nobody lists here makes the two derivations differ, which stops a build."""
PLAN_ROWS_MAX = 150_000
"""Services times region sets up to which call flows are written: 12 regions x 150 services."""


@dataclass(frozen=True)
class Certificate:
    """The bound over one set per service, and what it takes over from the walk."""

    solution: Solution
    lower_micro: int
    """Micro-dollars per hour, at the published prices of the shared rows."""
    closed: Flags
    """Sets that keep a service's own rules and break another's if it alone moves, ``(S, P)``."""
    elsewhere_micro: Ints
    """What a set costs beyond its price to first order, if its service alone moves, ``(S, P)``."""

    @property
    def run_columns(self) -> dict[str, float]:
        """Bound and gap for the plan's row of ``placement_runs``."""
        gap = (self.solution.upper_micro - self.lower_micro) / max(1, abs(self.lower_micro))
        return {"lower_bound_usd_per_hour": self.lower_micro / MICRO, "gap_share": gap}


def certify(solution: Solution) -> Certificate:
    """Return the bound over one set per service, each valued as if its service alone moved.

    Prices of sets to first order leave out whole instances of callees and calls that become the
    slowest of their stage. Both are in the exact value, which the walk finds by following the one
    change through the fleet. What differs is written out set by set, for SQL derives the rest.
    """
    instance, table = solution.instance, solution.table
    fresh, _ = price_all(instance, solution.space, solution.fleet, solution.today)
    lower, _, _ = lower_bound(
        table,
        row_limits(instance),
        move_limit(instance),
        solution.master.capacity_dual,
        solution.master.move_dual,
    )
    more = np.where(table.is_open, table.cost_micro - fresh.cost_micro, 0)
    return Certificate(solution, lower, fresh.is_open & ~table.is_open, more)


@dataclass(frozen=True)
class _Plan:
    """One plan whose flows are written."""

    plan_id: str
    fleet: Fleet
    callers_usd: Floats
    """$ per hour and ms that callers' clients lose, ``(S, C)``; NaN where nobody asks."""
    onward_usd: Floats


def certificate_tables(
    certificate: Certificate, input_hash: str, config_hash: str
) -> dict[str, pd.DataFrame]:
    """Return the ``placement_certificate_*`` tables.

    Args:
        certificate: The bound of the recommended plan.
        input_hash: Of the instance, as the plans' ids hold it.
        config_hash: Of the policy.
    """
    solution = certificate.solution
    recommended = plan_id(input_hash, config_hash, "recommended")
    instance, unknown = solution.instance, np.full_like(solution.clients.wait_usd, np.nan)
    blank = np.full_like(solution.clients.onward_usd, np.nan)
    written = [
        _Plan(
            recommended,
            solution.fleet,
            solution.clients.caller_usd,
            solution.clients.onward_usd,
        ),
        _Plan(
            plan_id(input_hash, config_hash, "current"),
            solution.today_fleet,
            unknown,
            blank,
        ),
    ]
    rows = instance.n_services * len(solution.space.sets)
    if rows > PLAN_ROWS_MAX:
        written = []
    clients = [_clients(instance, solution.space, plan) for plan in written]
    hours = [_hours(instance, plan) for plan in written]
    onward = [_onward(instance, plan) for plan in written]
    return {
        "placement_certificate_parameters": _parameters(solution, recommended),
        "placement_certificate_clients": _joined(clients),
        "placement_certificate_client_hours": _joined(hours),
        "placement_certificate_onward": _joined(onward),
        "placement_certificate_elsewhere": _elsewhere(certificate, recommended),
    }


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _parameters(solution: Solution, plan: str) -> pd.DataFrame:
    """Return the policy as rows of name, scope and value."""
    instance, policy = solution.instance, solution.instance.policy
    rows: list[tuple[str, str, float | None]] = []
    for name in _NUMBERS:
        value = getattr(policy, name)
        rows.append((name, "*", None if value is None else float(value)))
    for name in _LISTS:
        rows += [(name, str(member), 1.0) for member in getattr(policy, name)]
    judged = solution.today_fleet.assessed.mean_ms[:, 0] > 0
    excused = _excused(solution) & judged & instance.current.any(axis=1)
    rows += [("excused_services", s, 1.0) for s in _names(instance.service_ids, excused)]
    held = _names(instance.service_ids, solution.today.pinned)
    rows += [("held_services", s, 1.0) for s in held]
    rows += [("terms_not_in_sql", name, 1.0) for name in _not_covered(policy)]
    frame = pd.DataFrame(rows, columns=["name", "scope", "value"])
    return frame.assign(plan_id=plan)


def _excused(solution: Solution) -> Flags:
    """Return services that the search let be slowed down, ``(S,)``; none without that rule."""
    if not np.isfinite(solution.instance.policy.slowdown_factor):
        return np.zeros(solution.instance.n_services, dtype=bool)
    return np.asarray(np.isinf(solution.today.slowest_ms))


def _not_covered(policy: Policy) -> list[str]:
    """Return the policy's terms that are switched on and that SQL knows nothing about."""
    names = [f.name for f in fields(policy) if f.name in _OPTIONAL or f.name.startswith("elastic_")]
    # A price of zero is a rule that may be broken for nothing: switched on all the same.
    return sorted(name for name in names if getattr(policy, name) not in (None, (), False))


def _names(ids: tuple[str, ...], picked: Flags) -> list[str]:
    return [ids[i] for i in np.flatnonzero(picked)]


def _clients(instance: Instance, space: SetSpace, plan: _Plan) -> pd.DataFrame:
    """Return what each service is asked by callers in each region, where anything is."""
    origins, edges = instance.n_origins, instance.edges
    load = served_rps(instance, space, plan.fleet)[edges.caller]
    calls = edges.calls[:, None] * load
    shape = (instance.n_services, instance.n_regions)
    awaited, sent, returned = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(awaited, edges.callee, np.where(edges.is_async[:, None], 0.0, calls))
    np.add.at(sent, edges.callee, edges.request_kb[:, None] * calls)
    np.add.at(returned, edges.callee, edges.response_kb[:, None] * calls)
    mean = plan.fleet.clients.mean_rps[:, origins:]
    return _long(
        instance,
        plan,
        mean > 0,
        {
            "calls_rps": mean,
            "awaited_rps": awaited,
            "request_kb_per_second": sent,
            "response_kb_per_second": returned,
            "callers_usd_per_ms": plan.callers_usd[:, origins:],
        },
    )


def served_rps(instance: Instance, space: SetSpace, fleet: Fleet) -> Floats:
    """Return the mean load of each service in each region of a plan, ``(S, R)``."""
    load = np.zeros((instance.n_services, instance.n_regions))
    for s, chosen in enumerate(fleet.chosen):
        for k, region in enumerate(space.sets[chosen]):
            share = space.share[space.slot_row[chosen, k]]
            load[s, region] = (share * fleet.clients.mean_rps[s]).sum()
    return load


def _onward(instance: Instance, plan: _Plan) -> pd.DataFrame:
    held = plan.fleet.clients
    every = np.ones_like(held.dependency_ms, dtype=bool)
    values = {
        "calls_ms": held.dependency_ms,
        "calls_variance_ms2": held.dependency_variance,
        "onward_usd_per_rps": plan.onward_usd,
    }
    return _long(instance, plan, every, values)


def _hours(instance: Instance, plan: _Plan) -> pd.DataFrame:
    """Return the peaks of calls by hour, for services and regions that are called at all."""
    peak = plan.fleet.clients.peak_rps[:, instance.n_origins :]
    s, r = np.nonzero(peak.any(axis=2))
    bins = peak.shape[2]
    return pd.DataFrame(
        {
            "plan_id": plan.plan_id,
            "service_id": _repeated(instance.service_ids, s, bins),
            "region_id": _repeated(instance.region_ids, r, bins),
            "hour_bin": np.tile(np.arange(bins), len(s)),
            "peak_rps": peak[s, r].ravel(),
        }
    )


def _repeated(ids: tuple[str, ...], at: Ints, times: int) -> pd.Categorical[str]:
    # Codes, not strings: a hundred thousand rows sort in no time.
    return pd.Categorical.from_codes(np.repeat(at, times), categories=pd.Index(ids), ordered=True)


def _elsewhere(certificate: Certificate, plan: str) -> pd.DataFrame:
    """Return what sets lead to elsewhere, one row per region of each set that leads to anything."""
    instance, space = certificate.solution.instance, certificate.solution.space
    closed, more = certificate.closed, certificate.elsewhere_micro
    rows = [
        (plan, instance.service_ids[s], int(p), instance.region_ids[r], closed[s, p], more[s, p])
        for s, p in zip(*np.nonzero(closed | (more != 0)), strict=True)
        for r in space.sets[p]
    ]
    names = ["plan_id", "service_id", "set_number", "region_id", "is_closed", "elsewhere_micro_usd"]
    return pd.DataFrame(rows, columns=names)


def _long(
    instance: Instance, plan: _Plan, kept: Flags, values: Mapping[str, Floats]
) -> pd.DataFrame:
    """Return arrays ``(S, R)`` as one row per service and region, where ``kept``."""
    s, r = np.nonzero(kept)
    keys = {
        "plan_id": plan.plan_id,
        "service_id": [instance.service_ids[i] for i in s],
        "region_id": [instance.region_ids[j] for j in r],
    }
    return pd.DataFrame({**keys, **{name: grid[s, r] for name, grid in values.items()}})


__all__ = ["PLAN_ROWS_MAX", "Certificate", "certificate_tables", "certify", "served_rps"]
