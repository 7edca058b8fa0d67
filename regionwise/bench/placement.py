"""Solves a drawn fleet of any size, checks the plan apart from the solver, and compares rules."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.placement.bench.baselines import Measures, baselines, measure
from ml.placement.bench.fleet import bench_fleet
from ml.placement.bench.whole import Whole, plain, solve_whole_programme, solve_with_cpsat
from ml.placement.check.checker import check_plan
from ml.placement.columns.dual import Progress
from ml.placement.columns.fleet import FleetProblem, fleet_problem, solve_fleet
from ml.placement.columns.generation import Options, Solved
from ml.placement.problem.bounds import relative_gap
from ml.placement.problem.instance import Instance, Ints
from regionwise.exits import Exit, Stop

# The second reading of a plan is plain Python: above this it takes minutes.
_CHECKER_SERVICES = 2_000
_MICRO = 1e6
_WORKERS = 2
"""Threads given to CP-SAT; HiGHS gets one."""

Say = Callable[[str], None]


def run(
    services: int,
    regions: int,
    *,
    seed: int = 0,
    capacity: bool = False,
    call_graph: bool = False,
    time_limit: float | None = None,
    compare: float | None = None,
    as_json: bool = False,
    say: Say = lambda _: None,
) -> str:
    """Draw a fleet, place it, and return what that took and what it is worth.

    Args:
        services: Number of services.
        regions: Number of regions.
        seed: Of the fleet and of the random rule.
        capacity: Limit the busiest half of the regions.
        call_graph: Services call each other; another solver places them.
        time_limit: Seconds after which the best plan so far counts, an emergency stop.
        compare: Seconds for HiGHS and for CP-SAT on the whole programme, for the same fleet made
            plain enough for all; no comparison by default.
        as_json: Return JSON instead of lines.
        say: Told what is being done.

    Raises:
        Stop: If a size is out of range.
    """
    say(f"drawing {services} services × {regions} regions …")
    try:
        # One thread: a matrix product may differ in its last bits with more.
        with threadpool_limits(limits=1):
            instance = bench_fleet(
                services, regions, seed=seed, capacity=capacity, call_graph=call_graph
            )
            solve = _graph if call_graph else _columns
            found = solve(instance, seed, time_limit, say)
            if compare is not None and not call_graph:
                found["compare"] = _compared(instance, compare, say)
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error)) from None
    found = {
        "services": services,
        "regions": regions,
        "seed": seed,
        "capacity": capacity,
        "call_graph": call_graph,
        **found,
    }
    return json.dumps(_finite(found), indent=2, allow_nan=False) if as_json else _lines(found)


def _peak_mb() -> float:
    # Linux counts in kB, macOS in bytes.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _columns(instance: Instance, seed: int, time_limit: float | None, say: Say) -> dict[str, Any]:
    begun, cpu = time.perf_counter(), time.process_time()
    rounds: list[Progress] = []

    def report(progress: Progress) -> None:
        rounds.append(progress)
        say(
            f"round {progress.round}: bound {progress.lower_micro / _MICRO:,.4f}, known plans allow"
            f" {progress.model_micro / _MICRO:,.4f} $ per hour, {progress.columns:,} columns"
        )

    def is_over() -> bool:
        return time_limit is not None and time.perf_counter() - begun > time_limit

    problem = fleet_problem(instance)
    solved = solve_fleet(problem, Options(), stop=is_over, report=report)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    peak = _peak_mb()
    say(f"{solved.state} after {seconds:.1f} s; checking …")
    lower = solved.lower_micro / _MICRO
    plan = solved.pool.regions[solved.chosen].astype(np.int64)
    measures = measure(problem, plan)
    return {
        "state": solved.state,
        "objective_usd_per_hour": solved.upper_micro / _MICRO if solved.gap < math.inf else None,
        "lower_bound_usd_per_hour": lower,
        "gap_share": solved.gap,
        "is_exact": solved.is_exact,
        "stop_reason": solved.stop_reason,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": peak,
        "rounds": solved.rounds,
        "columns": solved.pool.n,
        "plans_evaluated": sum(one.evaluated for one in rounds),
        "shortage_units": float(solved.shortage.sum()),
        "services_without_plan": int(problem.is_stuck.sum()),
        "violations": _violations(measures),
        "check": _checked(problem, solved, plan, measures),
        "baselines": {
            name: _baseline(measure(problem, sets), lower)
            for name, sets in baselines(problem, seed)
        },
    }


def _violations(found: Measures) -> dict[str, float]:
    return {k: v for k, v in asdict(found).items() if k != "cost_usd_per_hour"}


def _baseline(found: Measures, lower: float) -> dict[str, float]:
    return {**asdict(found), "above_bound_share": found.cost_usd_per_hour / lower - 1.0}


def _checked(
    problem: FleetProblem, solved: Solved, plan: Ints, measures: Measures
) -> dict[str, Any]:
    """Recompute the plan's cost and rules from its region sets alone."""
    if solved.state != "feasible":
        return {"by": "none", "is_ok": None, "findings": ["no feasible plan to check"]}
    difference = measures.cost_usd_per_hour * _MICRO - solved.upper_micro
    if problem.instance.n_services > _CHECKER_SERVICES:
        broken = measures.services_breaking_a_rule - int(problem.is_stuck.sum())
        is_ok = abs(difference) < 0.5 and broken <= 0 and measures.vcpu_above_capacity == 0
        return {"by": "numpy_evaluation", "is_ok": is_ok, "difference_micro_usd": difference}
    counts = solved.pool.instances[solved.chosen]
    regions = [row[row >= 0].tolist() for row in plan]
    instances = [
        dict(zip(listed, row[: len(listed)].tolist(), strict=True))
        for listed, row in zip(regions, counts, strict=True)
    ]
    stuck = frozenset(np.flatnonzero(problem.is_stuck).tolist())
    found = check_plan(problem.instance, regions, instances, solved.upper_micro, may_break=stuck)
    return {"by": "checker", "is_ok": found.is_ok, "findings": list(found.findings)}


def _graph(instance: Instance, _seed: int, time_limit: float | None, say: Say) -> dict[str, Any]:
    from ml.placement.graph.problem import evaluate_graph, graph_problem
    from ml.placement.graph.solve import solve_graph

    begun, cpu = time.perf_counter(), time.process_time()

    def report(step: int, lower: float, upper: float) -> None:
        say(f"step {step}: plan {upper:,.4f}, bound {lower:,.4f} $ per hour")

    found = solve_graph(instance, progress=report, time_limit_s=time_limit)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    peak = _peak_mb()
    again = evaluate_graph(graph_problem(instance), found.member, found.rent_usd)
    over = np.maximum(0.0, again.use_vcpu - instance.capacity_vcpu).sum()
    return {
        "state": "feasible" if found.is_feasible else "unknown",
        "problem": found.problem,
        "objective_usd_per_hour": found.objective,
        "lower_bound_usd_per_hour": found.lower_bound,
        "gap_share": found.gap,
        "stop_reason": found.stop_reason,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": peak,
        "rounds": found.iterations,
        "violations": {"vcpu_above_capacity": float(over)},
        "check": {
            "by": "evaluate_graph",
            "is_ok": bool(math.isclose(again.total_usd, found.objective, rel_tol=1e-9)),
        },
    }


def _compared(instance: Instance, seconds: float, say: Say) -> dict[str, Any]:
    """Solve the plain form of the fleet by all: what an integer programme can express."""
    simple = plain(instance)
    begun = time.perf_counter()
    problem = fleet_problem(simple)
    ours = solve_fleet(problem)
    took = time.perf_counter() - begun
    found: dict[str, Any] = {
        "plans": {
            "upper_usd": ours.upper_micro / _MICRO,
            "lower_usd": ours.lower_micro / _MICRO,
            "gap_share": ours.gap,
            "seconds": took,
        }
    }
    others: dict[str, Callable[[], Whole]] = {
        "highs": lambda: solve_whole_programme(simple, problem.today, seconds),
        "cp_sat": lambda: solve_with_cpsat(simple, problem.today, seconds, _WORKERS),
    }
    for name, solve in others.items():
        say(f"whole programme to {name}, {seconds:g} s …")
        begun = time.perf_counter()
        try:
            whole = solve()
        except ModuleNotFoundError as error:
            say(str(error))
            found[name] = {"status": str(error)}
            continue
        spent = time.perf_counter() - begun
        found[name] = _beside(whole, spent, ours.gap, took)
    return found


def _beside(whole: Whole, seconds: float, gap: float, took: float) -> dict[str, Any]:
    """Return what a general solver found, and what ours took of its time and left of its gap."""
    theirs = math.inf
    if math.isfinite(whole.upper_usd) and math.isfinite(whole.lower_usd):
        theirs = relative_gap(whole.upper_usd, whole.lower_usd)
    return {
        **asdict(whole),
        "gap_share": theirs,
        "seconds": seconds,
        "plans_seconds_ratio": took / seconds,
        "plans_gap_ratio": gap / theirs if theirs > 0 else math.inf,
    }


def _finite(value: Any) -> Any:
    """Write what is not a number as null: JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(found: dict[str, Any]) -> str:
    rows = [
        f"{key}: {value:,.6g}" if isinstance(value, float) else f"{key}: {value}"
        for key, value in found.items()
        if not isinstance(value, dict)
    ]
    for name in ("violations", "check", "compare"):
        if name in found:
            rows.append(f"{name}: {json.dumps(_finite(found[name]))}")
    if "baselines" in found:
        rows.append("| rule | above the bound | objectives missed | vCPU above capacity |")
        rows.append("|---|---|---|---|")
        for name, one in found["baselines"].items():
            missed = f"{one['slo_missed_services']} of {one['critical_services']}"
            over = one["vcpu_above_capacity"]
            rows.append(f"| {name} | {one['above_bound_share']:+.2%} | {missed} | {over:,.0f} |")
    return "\n".join(rows)
