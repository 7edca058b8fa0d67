"""In which order to move: waves that break no rule that holds both today and in the plan.

Old and new run side by side during a wave: every region must hold, for every service, the more of
what it needs before and after the wave. The fleet is evaluated after each wave like any plan, so
callers that moved already meet their callees where these are. Callees move before their callers,
and together with one that sends them most of their requests; a service with state moves alone;
services whose loss loses the product move last. Where nothing can move, heavy callers and callees
part, units move together, or a service steps aside for a while. Undoing a wave needs the same room
as the wave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ml.placement.answers.waves_detours import Detours
from ml.placement.answers.waves_trial import Trial, Trials
from ml.placement.answers.waves_units import (
    Unit,
    Units,
    Wave,
    monthly_saving_usd,
    moving_usd,
    payback,
    without_hours,
)
from ml.placement.fleet.fleet import MICRO, Fleet
from ml.placement.search.plans import monthly_micro
from ml.placement.search.solve import Solution
from ml.placement.whatif import HOURS_PER_MONTH

# Units that may be left for a later wave before one is closed.
_SKIPS = 4
# Units tried at once: a wave is far smaller, and a large fleet has hundreds that wait.
_AHEAD = 150
# Times that a service which found no way back is told to stay where it was, and times that somebody
# is asked to step aside: both are counted, not timed, so that the same waves come out anywhere.
_REGRETS, _ASKS = 2, 12


@dataclass(frozen=True)
class Stay:
    """A service on a set that is neither today's nor the plan's."""

    service: int
    from_wave: int
    until_wave: int | None
    usd_per_month: float
    """What stepping aside added to the bill of the fleet; negative where it fell."""


@dataclass
class Schedule:
    """Waves in order, and what found no place."""

    waves: list[Wave] = field(default_factory=list)
    stuck: list[Unit] = field(default_factory=list)
    obstacle: dict[int, str] = field(default_factory=dict)
    """Why a service waits for ever, by its number."""
    stays: list[Stay] = field(default_factory=list)


@dataclass(frozen=True)
class _State:
    """How far the waves have come."""

    waves: tuple[Wave, ...]
    fleet: Fleet
    left: tuple[Unit, ...]
    aside: frozenset[int]

    @property
    def half_way(self) -> frozenset[int]:
        """Services that stepped aside and have not reached their place."""
        return self.aside & {s for unit in self.left for s in unit.services}

    def is_beyond(self, other: _State) -> bool:
        """Say whether fewer services are left than in another state."""
        mine, theirs = (sum(len(u.services) for u in one.left) for one in (self, other))
        return mine < theirs


@dataclass(frozen=True)
class Planner:
    """Finds waves from today's plan to the recommended one.

    Attributes:
        solution: The recommended plan.
        may_step_aside: Whether a temporary region is a way out of a deadlock.
    """

    solution: Solution
    may_step_aside: bool = True

    @cached_property
    def _trials(self) -> Trials:
        return Trials(self.solution)

    def schedule(self) -> Schedule:
        """Return the waves; services that no order makes room for are left over, with reasons."""
        begin = self._trials.fleet_of(self.solution.today.home)
        state = _State((), begin, tuple(Units(self.solution).every()), frozenset())
        # The furthest deadlock at which nobody is half-way: where the waves end if all else fails.
        whole: _State | None = None
        before: dict[int, _State] = {}
        barred: set[int] = set()
        asks = 0
        for _ in range(_REGRETS + 1):
            while state.left:
                after = self._onward(state) or self._parted(state) or self._joined(state)
                if after is None and not state.half_way:
                    whole = state if whole is None or state.is_beyond(whole) else whole
                if after is None and self.may_step_aside and asks < _ASKS:
                    asks += 1
                    after = self._stepped_aside(state, barred)
                    before |= dict.fromkeys(after.aside - state.aside if after else (), state)
                if after is None:
                    break
                state = after
            lost = state.half_way
            if not lost:
                return self._told(state)
            # Who would be left half-way stays where he was; the others may still find a way.
            barred |= lost
            state = max((before[s] for s in lost), key=lambda one: len(one.waves))
        return self._told(whole or state)

    def _told(self, state: _State) -> Schedule:
        out = Schedule(list(state.waves), list(state.left))
        for unit, trial in zip(
            state.left, self._trials.of(state.fleet, [(u,) for u in state.left]), strict=True
        ):
            text = self._trials.obstacle(trial, may_slow=True) or ""
            out.obstacle |= dict.fromkeys(unit.services, text)
        fleets = [self.solution.today_fleet, *(wave.fleet for wave in out.waves)]
        for wave, earlier in zip(out.waves, fleets, strict=False):
            for unit in wave.units:
                if unit.step == "aside":
                    more = monthly_micro(wave.fleet) - monthly_micro(earlier)
                    until = self._return(out.waves, unit.services[0], wave.number)
                    usd = more / MICRO * HOURS_PER_MONTH
                    out.stays.append(Stay(unit.services[0], wave.number, until, usd))
        return out

    def _return(self, waves: list[Wave], s: int, after: int) -> int | None:
        later = (
            w.number for w in waves if w.number > after and any(s in u.services for u in w.units)
        )
        return next(later, None)

    def _onward(self, state: _State) -> _State | None:
        """Return the next wave; the order of calls gives way before a slowdown in passing does.

        Whoever stepped aside for others goes back when nobody else can move: going first would
        take the room that was made.
        """
        known: dict[Unit, Trial] = {}
        for is_back in (False, True):
            left = tuple(unit for unit in state.left if (unit.step == "back") == is_back)
            for may_slow in (False, True):
                for pool in (self._ready(left), sorted(left, key=lambda unit: unit.key)):
                    usable = self._usable(state.fleet, pool, known, may_slow=may_slow)
                    if usable:
                        return self._moved(state, self._filled(state.fleet, usable, may_slow))
        return None

    def _usable(
        self, fleet: Fleet, pool: Sequence[Unit], known: dict[Unit, Trial], *, may_slow: bool
    ) -> list[Unit]:
        """Return the legal units of the first part of the pool that has any; grows ``known``."""
        trials = self._trials
        for first in range(0, len(pool), _AHEAD):
            part = pool[first : first + _AHEAD]
            fresh = [unit for unit in part if unit not in known]
            known |= zip(fresh, trials.of(fleet, [(unit,) for unit in fresh]), strict=True)
            legal = [u for u in part if trials.obstacle(known[u], may_slow=may_slow) is None]
            if legal:
                return legal
        return []

    def _filled(self, fleet: Fleet, pool: list[Unit], may_slow: bool) -> list[Unit]:
        """Return units in order, as many as fit together; the first does by itself."""
        most = self.solution.instance.policy.wave_moves_max
        taken = [pool[0]]
        rest = [u for u in pool[1:] if u.is_last == pool[0].is_last and not u.has_state]
        for _ in range(_SKIPS if not pool[0].has_state else 0):
            room = most - sum(unit.added for unit in taken)
            sizes = np.cumsum([unit.added for unit in rest])
            rest = rest[: int(np.searchsorted(sizes, room, side="right"))] if rest else []
            if not rest:
                break
            trials = self._trials.of(fleet, [(*taken, *rest[: i + 1]) for i in range(len(rest))])
            ok = [self._trials.obstacle(trial, may_slow=may_slow) is None for trial in trials]
            good = ok.index(False) if False in ok else len(ok)
            taken, rest = taken + rest[:good], rest[good + 1 :]
        return taken

    def _moved(self, state: _State, units: list[Unit]) -> _State:
        trial = self._trials.of(state.fleet, [units])[0]
        fleet = self._trials.after(state.fleet, units)
        number, broken = len(state.waves) + 1, int((trial.broken != 0).sum())
        wave = Wave(number, tuple(units), without_hours(fleet), trial.use, broken)
        left = tuple(unit for unit in state.left if unit not in units)
        return replace(state, waves=(*state.waves, wave), fleet=fleet, left=left)

    def _parted(self, state: _State) -> _State | None:
        """Return the same with services by themselves that heavy calls had tied together."""
        if all(len(unit.services) == 1 for unit in state.left):
            return None
        units = Units(self.solution)
        left = (
            part
            for unit in state.left
            for part in ([unit] if len(unit.services) == 1 else map(units.one, _each(unit)))
        )
        return replace(state, left=tuple(left))

    def _joined(self, state: _State) -> _State | None:
        group = Detours(self._trials).together(state.fleet, state.left)
        return self._moved(state, list(group)) if group else None

    def _stepped_aside(self, state: _State, barred: set[int]) -> _State | None:
        units, detours = Units(self.solution), Detours(self._trials)
        waiting = {s for unit in state.left for s in unit.services}
        moves = self.solution.fleet.chosen != self.solution.today.home
        arrived = {int(s) for s in np.flatnonzero(moves)} - waiting
        never = barred | state.aside
        # Who has reached his place in the plan is asked to leave it again only if nobody else can.
        steps = detours.aside(state.fleet, state.left, never | arrived)
        steps = steps or detours.aside(state.fleet, state.left, never, most=1)
        for unit in steps or ():
            s = unit.services[0]
            state = self._moved(state, [unit])
            state = replace(state, aside=state.aside | {s})
            if s not in waiting:
                state = replace(state, left=(*state.left, units.back(s, unit.plans[0])))
        return state if steps else None

    def _ready(self, left: tuple[Unit, ...]) -> list[Unit]:
        """Return units whose callees have moved, in order."""
        edges = self.solution.instance.edges
        waiting = {s for unit in left for s in unit.services}
        ready = []
        for unit in left:
            mine = np.isin(edges.caller, unit.services)
            callees = {int(t) for t in edges.callee[mine]} & waiting
            if callees <= set(unit.services):
                ready.append(unit)
        return sorted(ready, key=lambda unit: unit.key)


def _each(unit: Unit) -> list[tuple[int, ...]]:
    return [(s,) for s in unit.services]


__all__ = [
    "Planner",
    "Schedule",
    "Stay",
    "Unit",
    "Wave",
    "monthly_saving_usd",
    "moving_usd",
    "payback",
]
