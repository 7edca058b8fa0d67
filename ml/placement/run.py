"""The placement stage: read, decide, check, write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.beside import beside
from ml.io import Features, Writer
from ml.placement.answers import frontier, living, publish
from ml.placement.answers.saved import save
from ml.placement.check.certificate import certificate_tables, certify
from ml.placement.check.recheck import CheckerError, check_kind, check_values
from ml.placement.fleet.fleet import MICRO, describe_today, evaluate_fleet
from ml.placement.graph.bound import joint_bound
from ml.placement.problem.elastic import offset_usd, relaxed
from ml.placement.problem.instance import Instance
from ml.placement.problem.policy import Policy, load_policy
from ml.placement.problem.reading import read_instance
from ml.placement.problem.rows import bill_usd
from ml.placement.search import plans
from ml.placement.search.kinds import Found, Kind, excused, published, strict_today
from ml.placement.search.solve import Solution, solve, space_of
from ml.placement.whatif import problem_of

STAGE = "placement"
GAP_SCOPE = (
    "one region set per service, jointly within capacity and the move budget; each set valued "
    "exactly as if its service alone moved, all that follows at callers and callees included; over "
    "all region sets up to the size cap but those that then break another service's rule; not over "
    "what several moves do together; about the predicted latency, the prices and the forecast "
    "demand"
)
LARGE_GAP_SCOPE = (
    "one region set per service, jointly within capacity and the move budget, with call flows, "
    "answer times of callees and prices per call fixed as this plan implies: the fleet is too "
    "large to value every set exactly; over all region sets up to the size cap but those found to "
    "break another service's rule; not over joint changes of callers and callees; about the "
    "predicted latency, the prices and the forecast demand"
)

JOINT_SCOPE = (
    "all region sets of all services together, calls included: where callers and callees move at "
    "once, within capacity, the move budget and the rules of each service; what a service borrows "
    "from others at its most favourable value, so far from tight; about the predicted latency, the "
    "prices and the forecast demand"
)


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
    joint_gap_share: float | None
    """None where the fleet is too large for the joint bound; the scope says so."""
    joint_gap_scope: str
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
        writer: Writer that already holds ``latency_candidates`` and ``latency_calls``.
        policy: Weights and rules; the packaged ones by default.

    Raises:
        InfeasibleError: If the fleet's rules contradict each other; names them.
        CheckerError: If the second reading of the plan disagrees.
    """
    # One thread: sums of a matrix product may differ in the last bit with more.
    with threadpool_limits(limits=1):
        candidates, calls = writer.read("latency_candidates"), writer.read("latency_calls")
        instance = read_instance(features, candidates, calls, policy or load_policy())
        level = _level(candidates, instance.policy)
        found = find_plans(instance)
        frames = tables(found, level)
    for name, frame in frames.items():
        writer.write(name, frame, STAGE)
    save(writer.artifacts_dir, problem_of(found.recommended))
    return _result(found.recommended, frames["placement_runs"])


def _level(candidates: pd.DataFrame, policy: Policy) -> float:
    return float(candidates["interval_level"].min()) if len(candidates) else policy.interval_level


def find_plans(instance: Instance, *, quick: bool = False) -> Found:
    """Search for the recommended plan and for both ends.

    A search ends near where it began, so an end may turn out better at the recommended plan's own
    weights; then the search begins again there. Nothing is recommended that a published plan beats.

    Args:
        instance: The problem.
        quick: Begin at today's plan alone, not at several fixed starts.
    """
    capped = with_cost_cap(instance)
    first = solve(relaxed(capped, lambda one: solve(one, quick=True)), quick=quick)
    quickest = beside(lambda: plans.best_latency(first))
    ends = (plans.least_cost(first), quickest())
    # A dear end need not keep to a cap on the bill: it cannot begin a search within that cap.
    again = [solve(first.instance, start=e.fleet.chosen) for e in ends if _beats(e, first)]
    return Found(min([first, *again], key=_rank), ends)


def with_cost_cap(instance: Instance) -> Instance:
    """Return the problem with the cap on the bill that the policy sets against today's bill."""
    share = instance.policy.cost_cap_share
    if share is None:
        return instance
    _, today = describe_today(instance, space_of(instance))
    return replace(instance, bill_cap_usd=(1.0 + share) * bill_usd(today))


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
    if solution.is_valued_exactly:
        check_values(solution)
    runs, services, placed = [], [], []
    # Nothing here needs what the other plans are, and both take about as long.
    explained = beside(lambda: living.tables(solution, certificate.lower_micro, level))
    weights = frontier.points(found, certificate.lower_micro)
    kinds = published(found, [(point.fleet, point.stop_reason) for point in weights])
    for kind in kinds:
        plan = publish.plan_id(inputs, config, kind.name)
        check_kind(solution, kind)
        own = kind.name == "recommended"
        bound = certificate.run_columns | _joint_columns(solution) if own else {}
        runs.append(_run_row(solution, kind, plan, inputs, config, bound))
        space, fleet = solution.space, kind.fleet
        services.append(publish.services_frame(instance, space, fleet, plan, level))
        placed.append(publish.plans_frame(instance, space, fleet, plan))
    recommended = publish.plan_id(inputs, config, "recommended")
    return {
        "placement_runs": pd.DataFrame(runs),
        "placement_services": pd.concat(services, ignore_index=True),
        "placement_plans": pd.concat(placed, ignore_index=True),
        "placement_duals": publish.duals_frame(solution, recommended),
        "placement_frontier": frontier.frontier(weights, kinds),
        **explained(),
        **certificate_tables(certificate, inputs, config),
        "run_degradations": living.degradations(solution),
    }


def _scope(solution: Solution) -> str:
    return GAP_SCOPE if solution.is_valued_exactly else LARGE_GAP_SCOPE


def _run_row(
    solution: Solution,
    kind: Kind,
    plan: str,
    inputs: str,
    config: str,
    bound: dict[str, Any],
) -> dict[str, object]:
    own = kind.name == "recommended"
    # What lies within an elastic limit pays no rent: the search counted it, the plan does not.
    inside = offset_usd(solution.instance)
    lower = bound["lower_bound_usd_per_hour"] - inside if bound else None
    upper = int(kind.fleet.cost_micro.sum()) / MICRO - inside
    return bound | {
        "plan_id": plan,
        "plan_kind": kind.name,
        "trained_through": solution.instance.trained_through,
        "upper_bound_usd_per_hour": upper,
        "lower_bound_usd_per_hour": lower,
        "gap_share": None if lower is None else (upper - lower) / max(abs(lower), 1 / MICRO),
        "gap_scope": _scope(solution) if own else None,
        "end_state": "feasible" if own else "evaluated",
        "stop_reason": kind.stop_reason,
        "checker_status": "ok",
        "moves": int(kind.fleet.assessed.added.sum()),
        "services_not_feasible": int((kind.fleet.assessed.broken[:, 0] != 0).sum()),
        "candidate_plans": int((solution.table.broken == 0).sum()) if own else 0,
        "input_hash": inputs,
        "config_hash": config,
    }


def _joint_columns(solution: Solution) -> dict[str, Any]:
    """Return the bound over all services at once, and what of its gap is whole instances."""
    try:
        joint = joint_bound(solution)
    except MemoryError as too_large:
        return {"joint_gap_scope": f"not computed: {too_large}"}
    inside = offset_usd(solution.instance)
    lower = joint.lower_micro / MICRO - inside
    upper = joint.upper_micro / MICRO - inside
    share = max(0.0, joint.sizing_share_micro / MICRO / max(upper, 1 / MICRO))
    return {
        "joint_lower_bound_usd_per_hour": lower,
        "joint_gap_share": (upper - lower) / max(abs(lower), 1 / MICRO),
        "joint_gap_scope": f"{JOINT_SCOPE}; {share:.1%} of the plan's cost are instances that the "
        "bound does not count, because they are whole in each region",
    }


def _result(solution: Solution, runs: pd.DataFrame) -> PlacementResult:
    row = runs[runs["plan_kind"] == "recommended"].iloc[0]
    return PlacementResult(
        plan_id=str(row["plan_id"]),
        trained_through=solution.instance.trained_through,
        cost_today_usd_per_hour=int(solution.today_fleet.cost_micro.sum()) / MICRO,
        cost_recommended_usd_per_hour=float(row["upper_bound_usd_per_hour"]),
        lower_bound_usd_per_hour=float(row["lower_bound_usd_per_hour"]),
        gap_share=float(row["gap_share"]),
        gap_scope=_scope(solution),
        joint_gap_share=None if pd.isna(joint := row.get("joint_gap_share")) else float(joint),
        joint_gap_scope=str(row["joint_gap_scope"]),
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
