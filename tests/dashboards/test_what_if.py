"""The What-if page: asks the solver, shows its limits, and the same link gives the same numbers."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ml.placement.answers.saved import Problem, save
from ml.placement.search.solve import solve
from ml.placement.whatif import Scenario, problem_of, whatif
from tests.dashboards import fixture_snapshot
from tests.dashboards.test_pages import assert_healthy, open_page, words_on
from tests.ml.placement.builder import build_instance


@lru_cache
def _problem() -> Problem:
    return problem_of(solve(build_instance(16, 4, 21, hours=4), quick=True))


@pytest.fixture
def solvable(data_folder: Path) -> None:
    path = fixture_snapshot.build(data_folder, "full")
    save(path.parent, _problem())


def _solved(app: AppTest) -> str:
    return next(str(m.value) for m in app.markdown if "run elsewhere" in str(m.value))


@pytest.mark.usefixtures("solvable")
def test_pressing_solve_gives_the_solvers_answer() -> None:
    app = open_page("what_if")
    assert "press Solve" in words_on(app)
    app.number_input(key="weight").set_value(8.0).run()
    assert "press Solve" in words_on(app)
    app.button(key="solve").click().run()
    assert_healthy(app)
    assert _solved(app) == whatif(_problem(), Scenario(waiting_factor=8.0)).sentence
    assert any("weight=8.0" in str(code.value) for code in app.code)


@pytest.mark.usefixtures("solvable")
def test_a_link_gives_the_same_numbers_at_once() -> None:
    app = open_page("what_if", weight="8.0")
    assert_healthy(app)
    assert _solved(app) == whatif(_problem(), Scenario(waiting_factor=8.0)).sentence


@pytest.mark.usefixtures("solvable")
def test_an_impossible_scenario_says_what_conflicts() -> None:
    app = open_page("what_if", min_regions="4", budget="other", moves="0")
    assert_healthy(app)
    assert any("move_budget" in str(w.value) for w in app.warning)


def test_a_build_without_a_problem_says_so(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    assert "no problem to solve" in words_on(open_page("what_if"))


def test_recommendations_show_waves_deadlocks_stability_and_prices(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("recommendations", service="svc-001")
    assert "Not stable" in words_on(app)
    assert any("no place in any order" in str(w.value) for w in app.warning)
    assert {"In which order", "What the rules cost"} <= {str(h.value) for h in app.header}
