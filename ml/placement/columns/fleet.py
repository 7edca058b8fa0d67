"""Place a fleet whose services do not call each other, at any size, with a certificate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.placement.columns.dual import Plan, Report, Stop
from ml.placement.columns.generation import Options, Solved, Warm, solve_columns
from ml.placement.columns.pool import Pool, Rows
from ml.placement.columns.sample import Sampled, sample_of, sampled_prices
from ml.placement.columns.table import NumpyPricer
from ml.placement.fleet.evaluate import Today
from ml.placement.kernel.clients import UserClients
from ml.placement.kernel.jit import is_available
from ml.placement.kernel.pricer import KernelPricer
from ml.placement.kernel.today import Judged, judge_sets, plain_today
from ml.placement.problem.instance import Flags, Floats, Instance, Ints

_SAMPLE_FROM, _SAMPLE_TOLERANCE = 5_000, 1e-4
"""Services from which on a sample goes first; its own error is larger than the tolerance."""
_MOVE_USD = 0.1
"""A usual price of one added region, $ per hour: only the first steps depend on it."""
# Bit masks hold the regions of a set in the compiled search and in the list of columns.
MOST_REGIONS = 62


@dataclass(frozen=True)
class FleetProblem:
    """An instance with what its plans are compared with, and who prices them."""

    instance: Instance
    today: Today
    pricer: KernelPricer | NumpyPricer

    @property
    def rows(self) -> Rows:
        """The shared rows: capacity by region, and the move budget."""
        budget = self.instance.policy.move_budget
        moves = np.inf if budget is None else float(budget)
        memory = self.instance.memory_capacity_gb
        return Rows.of(self.instance.hard_capacity_vcpu, moves, memory)

    @property
    def scale(self) -> Floats:
        """A usual price of each row, $ per unit, ``(2 R + 1,)``."""
        one = self.instance
        usd = np.concatenate((one.vcpu_usd, one.memory_usd))
        return np.append(np.nan_to_num(usd, nan=float(np.nanmean(usd))), _MOVE_USD)

    @property
    def is_stuck(self) -> Flags:
        """Services without any plan that keeps their rules; known after a solve."""
        return self.pricer.is_stuck

    def with_capacity(self, capacity_vcpu: Floats) -> FleetProblem:
        """Return the problem with other limits; today's plan stays what it was.

        A single service that alone exceeds a region's new limit may not use it either.
        """
        instance = replace(self.instance, capacity_vcpu=capacity_vcpu)
        if isinstance(self.pricer, NumpyPricer):
            return FleetProblem(instance, self.today, NumpyPricer(instance))
        pricer = KernelPricer(instance, self.pricer.source, self.today, self.pricer.base_usd)
        return FleetProblem(instance, self.today, pricer)

    def judge(self, regions: Ints) -> Judged:
        """Evaluate one set per service by the NumPy evaluation, a chunk at a time."""
        return judge_sets(self.instance, UserClients(self.instance), self.today, regions)


def fleet_problem(instance: Instance, *, compiled: bool | None = None) -> FleetProblem:
    """Prepare an instance.

    Args:
        instance: Services must not call each other.
        compiled: Whether to use the compiled search; by default where it is installed.

    Raises:
        ValueError: If services call each other, the bill is capped, or there are more regions than
            a mask holds.
    """
    if instance.edges.caller.size:
        raise ValueError(f"{instance.edges.caller.size} calls, must be none: use the graph solver")
    if instance.n_regions > MOST_REGIONS:
        raise ValueError(f"regions == {instance.n_regions}, must be at most {MOST_REGIONS}")
    if np.isfinite(instance.bill_cap_usd):
        raise ValueError(f"bill_cap_usd == {instance.bill_cap_usd}, must be infinite here")
    source = UserClients(instance)
    today = plain_today(instance, source)
    # Terms that few policies ask for are known to the tables alone, and so are times that vary.
    varies = bool(np.isfinite(instance.latency.own_variance).any())
    is_plain = not (instance.has_extra_terms or instance.policy.near_tie_is_split or varies)
    if is_plain and (is_available() if compiled is None else compiled):
        return FleetProblem(instance, today, KernelPricer(instance, source, today))
    return FleetProblem(instance, today, NumpyPricer(instance))


def solve_fleet(
    problem: FleetProblem,
    options: Options | None = None,
    *,
    warm: Warm | None = None,
    stop: Stop | None = None,
    report: Report | None = None,
) -> Solved:
    """Choose one region set per service at least cost within capacity and the move budget.

    Args:
        problem: What :func:`fleet_problem` prepared.
        options: Budgets of rounds, plans and columns.
        warm: Prices and plans of an earlier solve of the same services.
        stop: Asked between rounds; true returns the best plan so far with its gap.
        report: Told after every round.

    Example:
        >>> from ml.placement.bench.fleet import bench_fleet
        >>> solve_fleet(fleet_problem(bench_fleet(20, 3), compiled=False)).state
        'feasible'
    """
    if warm is not None:
        before = warm.limits
        # More room may make plans possible that were never looked at.
        is_narrower = before is not None and bool((problem.rows.limits <= before).all())
        floor = warm.floor if is_narrower else None
        warm = replace(warm, pool=_within(problem, warm.pool), floor=floor)
    elif problem.instance.n_services >= _SAMPLE_FROM and np.isfinite(problem.rows.limits).any():
        warm = _sampled(problem, options or Options(), stop)
    return solve_columns(
        problem.pricer,
        problem.rows,
        problem.scale,
        options,
        warm=warm,
        stop=stop,
        report=report,
    )


def _sampled(problem: FleetProblem, options: Options, stop: Stop | None) -> Warm:
    """Return prices that suit a sample: from there the whole fleet needs two or three rounds."""
    n, pricer = problem.instance.n_services, problem.pricer
    services, weight = sample_of(problem.instance, n // 50, max(4, n // 5_000))
    plan = Plan(options.best, _SAMPLE_TOLERANCE, options.max_rounds)
    duals = sampled_prices(
        Sampled(pricer, services, weight), problem.rows, problem.scale, plan, stop
    )
    none = Pool.empty(pricer.cpu_cores, pricer.memory_gb, problem.instance.n_regions)
    return Warm(duals, none)


def _within(problem: FleetProblem, pool: Pool) -> Pool:
    """Drop known plans with which one service alone would exceed a region's limit."""
    vcpu = pool.instances * pool.cpu_cores[pool.service][:, None]
    room = problem.instance.hard_capacity_vcpu[np.maximum(pool.regions, 0)]
    is_kept: Flags = np.asarray((vcpu <= room + 1e-9).all(axis=1))
    return pool if is_kept.all() else pool.take(np.flatnonzero(is_kept))
