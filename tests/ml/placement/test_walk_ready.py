"""The walk is compiled before there is a problem."""

from __future__ import annotations

import pytest

from ml.placement.fleet.fleet import describe_today, evaluate_fleet
from ml.placement.fleet.pricing import price_all
from ml.placement.search.solve import space_of
from ml.placement.walk.ready import make_ready
from ml.placement.walk.sweep import sweep
from ml.placement.walk.walk import CompiledWalk
from tests.ml.placement.builder import build_instance

pytest.importorskip("numba")


def test_a_real_problem_finds_the_walk_compiled_for_its_types() -> None:
    make_ready()
    compiled = list(sweep.signatures)  # type: ignore[attr-defined]
    assert compiled
    instance = build_instance(6, 3, 1, hours=6)
    space = space_of(instance)
    today, _ = describe_today(instance, space)
    fleet = evaluate_fleet(instance, space, today.home, today)
    table, _ = price_all(instance, space, fleet, today)
    CompiledWalk(instance, space, today, table, fleet.chosen)
    assert list(sweep.signatures) == compiled  # type: ignore[attr-defined]
