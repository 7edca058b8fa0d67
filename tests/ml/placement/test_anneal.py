"""The search from hot to cold: what it proposes, what it keeps, and that it gets further."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import Fleet, describe_today, evaluate_fleet
from ml.placement.fleet.pricing import PlanTable, price_all
from ml.placement.problem.instance import Instance
from ml.placement.problem.subsets import SetSpace
from ml.placement.search import anneal
from ml.placement.search.anneal import annealed
from ml.placement.search.ends import Search
from ml.placement.search.solve import space_of
from tests.ml.placement.builder import build_instance

pytest.importorskip("numba")

Case = tuple[Instance, SetSpace, Today, PlanTable, Fleet]


def _case(instance: Instance) -> Case:
    space = space_of(instance)
    today, fleet = describe_today(instance, space)
    table, _ = price_all(instance, space, fleet, today)
    return instance, space, today, table, fleet


def _built(seed: int, **kwargs: Any) -> Case:
    return _case(build_instance(30, 5, seed, hours=24, **kwargs))


def test_only_what_the_rules_on_regions_allow_is_proposed() -> None:
    instance, space, today, table, fleet = _built(1, max_regions_cap=3)
    instance = replace(instance, is_fixed=np.arange(30) % 7 == 0)
    choices = anneal._Choices.of(instance, space, table, today)
    moves = choices.drawn(np.random.default_rng(3), fleet.chosen, 5_000)
    assert moves.n > 1_000
    sizes = np.diff(moves.starts)
    assert set(sizes.tolist()) == {1, 2}
    s, p = moves.services, moves.plans
    assert not instance.is_fixed[s].any()
    assert not (space.member[p] & (instance.blocker[s] != 0)).any()
    assert (space.size[p] >= instance.min_regions[s]).all()
    # Every service that may move and every set come up: none is out of reach.
    assert set(s.tolist()) == set(np.flatnonzero(~instance.is_fixed).tolist())
    assert set(p.tolist()) >= set(range(len(space.sets))) - {int(c) for c in today.home}
    linked = set(zip(instance.edges.caller, instance.edges.callee, strict=True))
    firsts = moves.starts[:-1][sizes == 2]
    assert {(int(s[a]), int(s[a + 1])) for a in firsts} <= linked
    moved = np.logical_or.reduceat(p != fleet.chosen[s], moves.starts[:-1])
    assert moved.all()


def test_the_best_cold_end_is_better_than_where_a_descent_leads() -> None:
    gains = []
    for seed in (1, 2, 4, 6):
        instance, space, today, table, fleet = _built(seed, move_budget=12)
        search = Search(instance, space, today)
        down = search.settled(today.home, thorough=True)
        cold = [annealed(instance, space, today, table, fleet, chain) for chain in range(3)]
        best = min(search.settled(begin, thorough=True).rank for begin in cold)
        assert best[:2] <= down.rank[:2]
        gains.append((down.rank[2] - best[2]) / down.rank[2])
    # A chain may end above a descent; what counts is what the best of a few finds.
    assert np.mean(gains) > 0.01


def test_a_cold_end_repeats_itself_and_ends_within_shared_rows_downhill() -> None:
    instance, space, today, table, fleet = _built(2, move_budget=9)
    ends = [annealed(instance, space, today, table, fleet, chain) for chain in (0, 0, 1)]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert (ends[0] != ends[2]).any()
    search = Search(instance, space, today)
    for chosen in ends:
        assert (chosen != today.home).any()
        assert search.settled(chosen).rank[0] == 0


def test_nobody_moves_where_everybody_is_fixed() -> None:
    instance, space, today, table, fleet = _built(3)
    instance = replace(instance, is_fixed=np.ones(30, dtype=bool))
    np.testing.assert_array_equal(annealed(instance, space, today, table, fleet, 0), fleet.chosen)


def test_hours_are_those_in_which_loads_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = build_instance(12, 4, 5, hours=48, calls=False)
    peak = instance.peak_rps * 0.5
    # Half the services peak in one hour, a third in another, and one alone in a third.
    peak[:6, :, 31] += 1e3
    peak[6:10, :, 7] += 1e3
    peak[10:, :, 19] += 1e3
    instance, space, _, _, fleet = _case(replace(instance, peak_rps=peak))
    assert set(anneal._telling_hours(instance, space, fleet)) >= {7, 19, 31}
    monkeypatch.setattr(anneal, "_HOURS", 2)
    assert anneal._telling_hours(instance, space, fleet).tolist() == [7, 31]


def test_few_hours_hardly_change_what_loads_peak_at() -> None:
    instance, space, today, _, _ = _built(4)
    fleet = evaluate_fleet(instance, space, today.home, today)
    hours = anneal._telling_hours(instance, space, fleet)
    demand, share = fleet.clients.peak_rps, space.peak_share[np.unique(space.slot_row)]
    load = np.einsum("rc,sch->srh", share, demand)
    whole, seen = load.max(axis=2), load[:, :, hours].max(axis=2)
    asked = whole > 0
    assert 0.97 < (seen[asked] / whole[asked]).mean() <= 1.0
