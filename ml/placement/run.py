"""The placement stage: read, decide, check, write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.io import Features, Writer
from ml.placement import explain, plans, publish
from ml.placement.certificate import certificate_tables, certify
from ml.placement.checker import check_plan
from ml.placement.evaluate import RULES, Today
from ml.placement.fleet import MICRO, Fleet, describe_today, evaluate_fleet
from ml.placement.instance import Flags, Instance, Ints
from ml.placement.policy import Policy, load_policy
from ml.placement.reading import read_instance
from ml.placement.solve import Solution, solve

STAGE = "placement"
GAP_SCOPE = (
    "one service's region set at a time, jointly within capacity and the move budget, with call "
    "flows, answer times of callees and prices per call fixed as this plan implies; over all "
    "region sets up to the size cap but those found to break another service's rule; not over "
    "joint changes of callers and callees; about the predicted latency, the prices and the "
    "forecast demand"
)


class CheckerError(RuntimeError):
    """The independent checker disagrees with the optimiser; nothing may be published."""


@dataclass(frozen=True)
class PlacementResult:
    """Headline figures of the stage, for the run report."""

    plan_id: str
    trained_through: date
    cost_today_usd_per_hour: float
    cost_recommended_usd_per_hour: float
    lower_bound_usd_per_hour: float
    gap_share: float
    gap_scope: str
    moves: int
    services: int
    services_changed: int
    services_not_feasible: int
    candidate_plans: int
    rounds: int
    stop_reason: str
    checker_status: str


def run(features: Features, writer: Writer, policy: Policy | None = None) -> PlacementResult:
    """Decide where every service runs and write all tables of the stage.

    Args:
        features: Reader of the feature tables.
        writer: Writer that already holds ``latency_candidates``.
        policy: Weights and rules; the packaged ones by default.

    Raises:
        InfeasibleError: If the fleet's rules contradict each other; names them.
        CheckerError: If the second reading of the plan disagrees.
    """
    # One thread: sums of a matrix product may differ in the last bit with more.
    with threadpool_limits(limits=1):
        instance = read_instance(
            features, writer.read("latency_candidates"), policy or load_policy()
        )
        level = _level(writer.read("latency_candidates"), instance.policy)
        found = find_plans(instance)
        frames = tables(found, level)
    for name, frame in frames.items():
        writer.write(name, frame, STAGE)
    return _result(found.recommended, frames["placement_runs"])


def _level(candidates: pd.DataFrame, policy: Policy) -> float:
    return float(candidates["interval_level"].min()) if len(candidates) else policy.interval_level


@dataclass(frozen=True)
class Found:
    """The recommended plan, and the two ends of the trade between cost and waiting."""

    recommended: Solution
    ends: tuple[Solution, Solution]


def find_plans(instance: Instance, *, quick: bool = False) -> Found:
    """Search for the recommended plan and for both ends.

    A search ends near where it began, so an end may turn out better at the recommended plan's own
    weights; then the search begins again there. Nothing is recommended that a published plan beats.

    Args:
        instance: The problem.
        quick: Begin at today's plan alone, not at several fixed starts.
    """
    first = solve(instance, quick=quick)
    ends = (plans.least_cost(first), plans.best_latency(first))
    again = [solve(instance, start=end.fleet.chosen) for end in ends if _beats(end, first)]
    return Found(min([first, *again], key=_rank), ends)


def _rank(solution: Solution) -> tuple[int, int]:
    """Fewer services that break a rule come first, then cost."""
    return int((solution.table.is_stuck | excused(solution)).sum()), solution.upper_micro


def _beats(end: Solution, own: Solution) -> bool:
    strict = strict_today(own)
    fleet = evaluate_fleet(own.instance, own.space, end.fleet.chosen, strict)
    return int(fleet.cost_micro.sum()) < own.upper_micro


def tables(found: Found, level: float) -> dict[str, pd.DataFrame]:
    """Return every table of the stage.

    Args:
        found: The plans.
        level: Stated coverage of the latency intervals.
    """
    solution = found.recommended
    instance = solution.instance
    inputs, config = instance.digest(), instance.policy.digest()
    certificate = certify(solution)
    runs, services, placed = [], [], []
    for kind, fleet, stop in _kinds(found):
        plan = publish.plan_id(inputs, config, kind)
        _check(solution, fleet, kind)
        bound = certificate.run_columns if kind == "recommended" else {}
        runs.append(_run_row(solution, fleet, kind, plan, stop, inputs, config) | bound)
        services.append(publish.services_frame(instance, solution.space, fleet, plan, level))
        placed.append(publish.plans_frame(instance, solution.space, fleet, plan))
    recommended = publish.plan_id(inputs, config, "recommended")
    return {
        "placement_runs": pd.DataFrame(runs),
        "placement_services": pd.concat(services, ignore_index=True),
        "placement_plans": pd.concat(placed, ignore_index=True),
        "placement_alternatives": explain.alternatives(solution),
        "placement_duals": publish.duals_frame(solution, recommended),
        **certificate_tables(certificate, inputs, config),
        "run_degradations": _degradations(solution),
    }


def _kinds(found: Found) -> list[tuple[str, Fleet, str]]:
    """Return the published plans, all evaluated with the same weights and the same code."""
    solution = found.recommended
    instance, space, today = solution.instance, solution.space, strict_today(solution)

    def strictly(chosen: Ints) -> Fleet:
        return evaluate_fleet(instance, space, chosen, today)

    cheap, fast = found.ends
    own = (strictly(solution.fleet.chosen), solution.stop_reason)
    ends = (
        own,
        (strictly(cheap.fleet.chosen), cheap.stop_reason),
        (strictly(fast.fleet.chosen), fast.stop_reason),
    )
    # A search ends near where it began: each end is the best of all plans found, by its measure.
    least = min(ends, key=lambda end: plans.monthly_micro(end[0]))
    careful = strictly(plans.greedy(solution))
    quickest = min(plans.within_cap(ends, solution), key=lambda end: plans.mean_ms(end[0]))
    return [
        ("current", solution.today_fleet, "evaluated"),
        ("recommended", *own),
        ("least_cost", *least),
        ("best_latency", *quickest),
        ("greedy", careful, "evaluated"),
    ]


def _check(solution: Solution, fleet: Fleet, kind: str) -> None:
    """Have every published plan recomputed; only the recommended one must keep all rules."""
    instance, space = solution.instance, solution.space
    stays = solution.table.is_stuck | instance.is_fixed | excused(solution)
    allowed = stays if kind == "recommended" else np.ones(instance.n_services, dtype=bool)
    report = check_plan(
        instance,
        [space.sets[p] for p in fleet.chosen],
        [
            {r: int(fleet.assessed.instances[s, 0, k]) for k, r in enumerate(space.sets[p])}
            for s, p in enumerate(fleet.chosen)
        ],
        int(fleet.cost_micro.sum()),
        may_break=frozenset(np.flatnonzero(allowed).tolist()),
        today=[space.sets[p] for p in solution.today.home],
        with_rows=kind == "recommended",
    )
    if not report.is_ok:
        more = f" and {len(report.findings) - 5} more" if len(report.findings) > 5 else ""
        raise CheckerError(f"plan {kind}: " + "; ".join(report.findings[:5]) + more)


def _run_row(
    solution: Solution,
    fleet: Fleet,
    kind: str,
    plan: str,
    stop: str,
    inputs: str,
    config: str,
) -> dict[str, object]:
    own = kind == "recommended"
    return {
        "plan_id": plan,
        "plan_kind": kind,
        "trained_through": solution.instance.trained_through,
        "upper_bound_usd_per_hour": int(fleet.cost_micro.sum()) / MICRO,
        "lower_bound_usd_per_hour": None,
        "gap_share": None,
        "gap_scope": GAP_SCOPE if own else None,
        "end_state": "feasible" if own else "evaluated",
        "stop_reason": stop,
        "checker_status": "ok",
        "moves": int(fleet.assessed.added.sum()),
        "services_not_feasible": int((fleet.assessed.broken[:, 0] != 0).sum()),
        "candidate_plans": int((solution.table.broken == 0).sum()) if own else 0,
        "input_hash": inputs,
        "config_hash": config,
    }


def strict_today(solution: Solution) -> Today:
    """Return what the plans are judged by: nobody is excused from the rule on slowdowns."""
    return describe_today(solution.instance, solution.space)[0]


def excused(solution: Solution) -> Flags:
    """Return the services that the search let be slowed down, ``(S,)``."""
    judged = np.isfinite(strict_today(solution).slowest_ms)
    return np.asarray(judged & np.isinf(solution.today.slowest_ms))


def _degradations(solution: Solution) -> pd.DataFrame:
    instance = solution.instance
    rows = [{"code": c, "scope": s, "detail": d} for c, s, d in instance.notes]
    for s in np.flatnonzero(solution.table.is_stuck):
        rows.append(
            {
                "code": "NOT_FEASIBLE",
                "scope": f"service:{instance.service_ids[s]}",
                "detail": "no set of regions keeps its rules; it keeps its regions: "
                + _survivors(solution, int(s)),
            }
        )
    for r in np.flatnonzero(np.isinf(instance.capacity_vcpu)):
        rows.append(
            {
                "code": "CAPACITY_OFF",
                "scope": f"region:{instance.region_ids[r]}",
                "detail": "no capacity known, no capacity row",
            }
        )
    before, after = solution.today_fleet.assessed.mean_ms, solution.fleet.assessed.mean_ms
    for s in np.flatnonzero(excused(solution) & (after > before)[:, 0]):
        rows.append(
            {
                "code": "SLOWER_THAN_TODAY",
                "scope": f"service:{instance.service_ids[s]}",
                "detail": f"{before[s, 0]:.1f} ms today, {after[s, 0]:.1f} ms in the plan: no step "
                "of the search could spare it within the move budget and the capacity",
            }
        )
    return pd.DataFrame(rows, columns=["code", "scope", "detail"])


def _survivors(solution: Solution, service: int) -> str:
    """Return how many plans pass the rules one after another, where some fail."""
    broken = solution.table.broken[service]
    alive, parts = np.ones(len(broken), dtype=bool), []
    for i, rule in enumerate(RULES):
        after = alive & ((broken >> i & 1) == 0)
        if after.sum() < alive.sum():
            parts.append(f"{int(after.sum())} of {int(alive.sum())} sets keep {rule}")
        alive = after
    return "; ".join(parts)


def _result(solution: Solution, runs: pd.DataFrame) -> PlacementResult:
    row = runs[runs["plan_kind"] == "recommended"].iloc[0]
    return PlacementResult(
        plan_id=str(row["plan_id"]),
        trained_through=solution.instance.trained_through,
        cost_today_usd_per_hour=int(solution.today_fleet.cost_micro.sum()) / MICRO,
        cost_recommended_usd_per_hour=solution.upper_micro / MICRO,
        lower_bound_usd_per_hour=float(row["lower_bound_usd_per_hour"]),
        gap_share=float(row["gap_share"]),
        gap_scope=GAP_SCOPE,
        moves=int(row["moves"]),
        services=solution.instance.n_services,
        services_changed=int((solution.fleet.chosen != solution.today.home).sum()),
        services_not_feasible=int(solution.table.is_stuck.sum()),
        candidate_plans=int(row["candidate_plans"]),
        rounds=solution.rounds,
        stop_reason=solution.stop_reason,
        checker_status=str(row["checker_status"]),
    )


__all__ = ["CheckerError", "PlacementResult", "run", "tables"]
