"""Search for the best plan of the fleet: price everything, choose together, look again.

Where callers run decides where callees are called from, so the price of a plan of one service
depends on all others. Each round fixes those flows at the best plan so far, prices every plan of
every service exactly, solves the master problem, and keeps what an exact evaluation confirms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.placement.errors import InfeasibleError
from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet, describe_today, evaluate_fleet
from ml.placement.fleet.pricing import PlanTable, price_all
from ml.placement.problem.instance import Flags, Floats, Instance, Ints
from ml.placement.problem.rows import row_limits
from ml.placement.problem.slots import Clients
from ml.placement.problem.subsets import SetSpace, build_space
from ml.placement.search.diagnose import explain_shortage
from ml.placement.search.master import Master, overload, solve_master
from ml.placement.search.repair import Repair, slowed
from ml.placement.search.rules import cheapest_sets
from ml.placement.search.trial import Trial, broken_in, move_limit, rank_of

_CLOSE_ENOUGH = 2e-5
_TRIALS, _FEW_TRIALS, _FEW_ROUNDS = 25, 4, 30
_WAITING_LADDER = (4.0, 1.0)
_PUSHES = 2
_AGAIN = 1
_PUSH_FACTOR = 4.0
# Larger tables are searched from today's plan alone, and rounded well, not exactly.
_EXACT_CELLS = 20_000


@dataclass(frozen=True)
class Solution:
    """A plan, the table of all plans at its flows, and the certificate."""

    instance: Instance
    space: SetSpace
    today: Today
    today_fleet: Fleet
    fleet: Fleet
    table: PlanTable
    clients: Clients
    master: Master
    """Bounds of the problem with flows fixed as this plan implies."""
    rounds: int
    stop_reason: str

    @property
    def upper_micro(self) -> int:
        """Cost of the plan, micro-dollars per hour."""
        return int(self.fleet.cost_micro.sum())

    @property
    def lower_micro(self) -> int:
        """Certified lower bound, micro-dollars per hour."""
        return self.master.lower_micro

    @property
    def gap(self) -> float:
        """Relative distance between the bounds."""
        return (self.upper_micro - self.lower_micro) / max(1, abs(self.lower_micro))


def space_of(instance: Instance) -> SetSpace:
    """Return the region sets of an instance: all up to the cap, and those that run today."""
    today = {tuple(int(r) for r in np.flatnonzero(row)) for row in instance.current}
    cap = min(instance.policy.max_regions_cap, instance.n_regions)
    near_tie = instance.policy.near_tie_share
    return build_space(instance.rtt_ms, instance.misroute, cap, today, near_tie)


def solve(instance: Instance, *, quick: bool = False, start: Ints | None = None) -> Solution:
    """Return the best plan found, with its certificate.

    Args:
        instance: The problem.
        quick: Begin at today's plan alone, not at several fixed starts; with ``start``, end where
            no single change helps.
        start: Begin at this plan alone, and end only where no exchange of two services helps;
            numbers of :func:`space_of` the instance.

    Raises:
        InfeasibleError: If no plan keeps the fleet's rules.
    """
    # One thread: a matrix product may differ in its last bits with more.
    with threadpool_limits(limits=1):
        return _solve(instance, quick=quick, start=start)


def _solve(instance: Instance, *, quick: bool = False, start: Ints | None = None) -> Solution:
    space = space_of(instance)
    today, today_fleet = describe_today(instance, space)
    search = _Search(instance, space, today, today_fleet)
    is_large = instance.n_services * len(space.sets) > _EXACT_CELLS
    if start is not None:
        return search.ended(start, pairs=not (quick or is_large))
    if quick:
        return search.ended(today.home)
    if is_large:
        return search.ended(search.next(instance.usd_per_request_ms, today.home))
    begin = search.gathered(cheapest_sets(instance, space, today.home))
    ends = [search.ended(search.unslowed(begin)), search.ended(begin)]
    best = min(ends, key=search.rank)
    for _ in range(_AGAIN):
        if not search.excused(best).any():
            break
        again = search.ended(search.mended(best.fleet.chosen))
        if search.rank(again) >= search.rank(best):
            break
        best = again
    return best


def _waived(instance: Instance, space: SetSpace, today: Today, begin: Ints) -> Today:
    """Excuse the services that no step could spare; the plan reports every one of them."""
    slow = slowed(evaluate_fleet(instance, space, begin, today))
    return replace(today, slowest_ms=np.where(slow, np.inf, today.slowest_ms))


@dataclass(frozen=True)
class _Search:
    """Where to begin: a search ends where no single change helps, so the start decides."""

    instance: Instance
    space: SetSpace
    today: Today
    today_fleet: Fleet

    def ended(self, begin: Ints, *, pairs: bool = False) -> Solution:
        """Return the end of the search from a plan; services it slows down are excused."""
        today = _waived(self.instance, self.space, self.today, begin)
        try:
            return _settle(self.instance, self.space, today, self.today_fleet, begin, pairs=pairs)
        except InfeasibleError:
            if begin is self.today.home:
                raise
        return self.ended(self.today.home)

    def excused(self, found: Solution) -> Flags:
        """Return the services that a solution slows down because no step could spare them."""
        fleet = evaluate_fleet(self.instance, self.space, found.fleet.chosen, self.today)
        return slowed(fleet)

    def rank(self, found: Solution) -> tuple[int, int]:
        """Fewer services that break a rule come first, then cost."""
        broken = found.table.is_stuck | self.excused(found)
        return int(broken.sum()), found.upper_micro

    def mended(self, begin: Ints) -> Ints:
        """Return a plan near ``begin`` that slows fewer services down."""
        return Repair(self.instance, self.space, self.today).mended(begin)

    def gathered(self, begin: Ints) -> Ints:
        """Return the plan that falling worths of waiting lead to.

        Waiting is what callers and callees share: weighing it more gathers them, where at the
        true worth neither gains by moving alone.
        """
        for factor in _WAITING_LADDER:
            worth = self.instance.usd_per_request_ms * factor
            begin = self.next(worth, begin)
        return begin

    def unslowed(self, begin: Ints) -> Ints:
        """Return a plan near ``begin`` that slows no service down, or few.

        A service that a plan slows down waits at a higher worth until its callers, its callees
        and itself make room; what that leaves is taken back.
        """
        policy = self.instance.policy
        worth = np.maximum(self.instance.usd_per_request_ms, policy.usd_per_request_ms_other)
        factor = np.ones(len(worth))
        for push in range(_PUSHES + 1):
            fleet = evaluate_fleet(self.instance, self.space, begin, self.today)
            slow = slowed(fleet)
            if not slow.any() or push == _PUSHES:
                break
            factor[slow] *= _PUSH_FACTOR
            pushed = np.where(factor > 1, worth * factor, self.instance.usd_per_request_ms)
            begin = self.next(pushed, begin)
        return self.mended(begin)

    def next(self, worth: Floats, begin: Ints) -> Ints:
        """Return where a search without the rule on slowdowns ends, at other worths of waiting."""
        trial = replace(self.instance, usd_per_request_ms=worth)
        free = replace(self.today, slowest_ms=np.full(len(worth), np.inf))
        try:
            return _settle(trial, self.space, free, self.today_fleet, begin).fleet.chosen
        except InfeasibleError:
            return begin


def _rank(solution: Solution) -> tuple[int, int]:
    """Fewer services without a plan come first, then cost."""
    return int(solution.table.is_stuck.sum()), solution.upper_micro


def _settle(
    instance: Instance,
    space: SetSpace,
    today: Today,
    today_fleet: Fleet,
    start: Ints,
    *,
    pairs: bool = False,
) -> Solution:
    """Search; where rules of services contradict each other, those services stay where they are.

    A service can have plans that keep its own rules and none that leave its callers' rules kept.
    Such services are pinned to their present regions and reported, like those without any plan.
    """
    while True:
        rounds = instance.policy.best_response_rounds
        found = _descend(instance, space, today, today_fleet, start, rounds, pairs=pairs)
        if isinstance(found, Solution):
            return found
        if not (found & ~today.pinned).any():
            raise InfeasibleError(
                ("UNKNOWN",),
                f"no plan found: {int(found.sum())} services break their rules wherever they run; "
                "this proves no contradiction, another move budget or capacity may help",
            )
        today = replace(today, pinned=today.pinned | found)
        start = np.where(today.pinned, today.home, start)


def _descend(
    instance: Instance,
    space: SetSpace,
    today: Today,
    today_fleet: Fleet,
    start: Ints,
    max_rounds: int,
    *,
    pairs: bool,
) -> Solution | Flags:
    """Return the best plan from a start, or the services that break a rule in the last one."""
    capacity, moves = row_limits(instance), move_limit(instance)
    fleet = evaluate_fleet(instance, space, start, today)
    best: Solution | None = None
    stop, rounds = "rounds", 0
    seen: set[bytes] = set()
    exact = instance.n_services * len(space.sets) <= _EXACT_CELLS
    trials = min(_TRIALS if exact else _FEW_TRIALS, 2 * max_rounds)
    max_rounds = max_rounds if exact else min(max_rounds, _FEW_ROUNDS)
    for rounds in range(1, max_rounds + 1):
        table, clients = price_all(instance, space, fleet, today)
        broken = broken_in(instance, table, fleet)
        seen.add(fleet.chosen.tobytes())
        known: set[tuple[int, int]] = set()
        for _ in range(trials):
            is_kept = rank_of(instance, table, fleet)[:2] == (0, 0)
            incumbent = fleet.chosen if is_kept else None
            master = solve_master(table, capacity, moves, incumbent, exact=exact)
            if not master.is_feasible:
                break
            trial = Trial(instance, space, today, table, fleet, master)
            following = trial.together()
            if following is not fleet or not trial.changed.size:
                break
            if not exact and (following := trial.in_parts()) is not fleet:
                # Pricing a large fleet anew costs less than exact values of its proposals.
                break
            if not trial.correct(known):
                following = trial.in_parts()
                if pairs and following is fleet:
                    following = trial.in_pairs()
                break
        else:
            following = trial.in_parts()
        if not master.is_feasible and best is None:
            raise explain_shortage(instance, table, master)
        if is_kept and master.is_feasible:
            here = Solution(
                instance, space, today, today_fleet, fleet, table, clients, master, rounds, stop
            )
            best = here if best is None or _rank(here) < _rank(best) else best
        stop = "no_improvement"
        # Which services have no plan at all depends on the plan: such a search can come back.
        if not master.is_feasible or following.chosen.tobytes() in seen:
            break
        fleet, stop = following, "rounds"
    if best is None:
        return broken
    stop = "gap" if best.gap <= _CLOSE_ENOUGH else stop
    return replace(best, rounds=rounds, stop_reason=stop)


def uses_of(solution: Solution) -> tuple[Floats, int]:
    """Return the vCPU that the plan uses of each region, and the regions it adds."""
    n = np.arange(solution.instance.n_services)
    use = solution.table.vcpu(n, solution.fleet.chosen).sum(axis=0)
    return use, int(solution.table.added[n, solution.fleet.chosen].sum())


__all__ = ["Solution", "move_limit", "overload", "solve", "space_of", "uses_of"]
