"""Past moves against weighted mixes, day by day, and what neighbours did."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from ml.experiment.event_study import EventStudy
from ml.experiment.move_tables import diagnostic_rows, event_rows
from ml.experiment.move_windows import Window
from ml.experiment.moves import MoveReader
from ml.experiment.noise_world import NoiseWorld, draw_parts
from ml.experiment.observational import History, move_rows, observe_moves
from ml.experiment.panel import Move, Panel
from ml.experiment.synthetic import HEAVIEST, sdid, simplex_fit, synthetic_control

PRE, POST = 28, 14
SERVICES, DAYS, DAY = 40, 90, 45


def _window(paths: np.ndarray) -> Window:
    """Put the day of the move between days before and after; the first row is the service."""
    whole = np.concatenate([paths[:, :PRE], paths[:, PRE - 1 : PRE], paths[:, PRE:]], axis=1)
    whole = whole - whole[:, :PRE].mean(axis=1, keepdims=True)
    return Window(whole[0], whole[1:], whole[:0], PRE, np.arange(len(whole) - 1))


def _factors(seed: int) -> np.ndarray:
    """Return 13 paths that two random walks drive; the first is the mean of two others."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.normal(0, 0.03, (2, PRE + POST)), axis=1)
    load = rng.uniform(0, 1, (13, 2))
    load[0] = load[[3, 7]].mean(axis=0)
    noise = rng.normal(0, 0.02, (13, PRE + POST))
    paths: np.ndarray = load @ walks + noise + rng.normal(0, 0.3, (13, 1))
    paths[0, PRE:] -= 0.1
    return paths


def _panel(effect: float, movers: int = 1, **changes: Any) -> Panel:
    """Services of which the first move to region b on one day."""
    noise = NoiseWorld(services=SERVICES, incident_rate=0.0, service_sd=0.04, communities=5)
    logs = draw_parts(noise, 1, DAYS, np.random.default_rng(3)).logs[0]
    logs[:movers, DAY:] += math.log1p(effect)
    names = tuple(f"svc-{index:03d}" for index in range(SERVICES))
    requests = np.broadcast_to(np.arange(SERVICES, 0, -1.0)[:, None], logs.shape)
    moves = tuple(Move(index, DAY, "a", "b") for index in range(movers))
    return replace(Panel(names, date(2026, 3, 1), logs, requests, moves), **changes)


def test_weights_are_a_mix_and_find_the_one_that_was_planted() -> None:
    columns = np.random.default_rng(1).normal(size=(30, 5))
    planted = np.array([0.5, 0.0, 0.2, 0.3, 0.0])
    assert simplex_fit(columns, columns @ planted, 0.0) == pytest.approx(planted, abs=1e-6)
    # A target beyond every mix ends at a corner, not outside.
    far = simplex_fit(columns, 9 * columns[:, 1], 0.0)
    assert far.sum() == pytest.approx(1.0)
    assert far.min() >= 0
    # The heavier the penalty, the more even the weights.
    even = simplex_fit(columns, columns @ planted, 1e6)
    assert even == pytest.approx(np.full(5, 0.2), abs=1e-3)


def test_sdid_equals_a_package_that_others_wrote() -> None:
    """The figure is of diff-diff 3.13.0 on the same paths; its search stops a little early."""
    assert sdid(_window(_factors(20))) == pytest.approx(-0.129718403379437, abs=2e-5)


def test_a_mix_follows_what_a_plain_mean_of_others_cannot() -> None:
    """Two walks drive everybody unlike: the planted -0.1 is found by weights, not by the mean."""
    windows = [_window(_factors(seed)) for seed in range(60)]
    plain = [w.own[w.after].mean() - w.others.mean(axis=0)[w.after].mean() for w in windows]
    for estimator in (synthetic_control, sdid):
        errors = np.array([estimator(w) for w in windows]) + 0.1
        assert abs(errors.mean()) < 4 * errors.std() / math.sqrt(len(windows))
        assert errors.std() < 0.8 * np.std(plain)


def test_only_the_heaviest_services_get_a_mix(settings: Any) -> None:
    found = observe_moves(settings, _panel(-0.20, movers=7), History())
    rows = move_rows(settings, found)
    mixed = [row for row in rows if row["estimator"] in ("synthetic_control", "sdid")]
    # Traffic falls with the number of the service.
    assert {r["service_id"] for r in mixed} == {f"svc-{i:03d}" for i in range(HEAVIEST)}
    assert len(mixed) == 2 * HEAVIEST
    for row in mixed:
        assert row["rel_effect"] == pytest.approx(-0.20, abs=0.08)
        assert row["rel_hi"] < 0
        assert row["placebo_p"] <= 0.05
        assert row["grade"] == "C"
        assert row["sentence"] is None


def test_what_neighbours_did_is_told_and_they_are_compared_with_by_nobody(settings: Any) -> None:
    """Half of the fleet calls the mover and slows down with it: it must not look faster for it."""
    calls = np.zeros((SERVICES, SERVICES), dtype=bool)
    calls[0, 1 : SERVICES // 2] = calls[1 : SERVICES // 2, 0] = True
    # Others have a neighbour each, so that fake moves can tell what neighbours do by chance.
    for index in range(SERVICES // 2, SERVICES - 1, 2):
        calls[index, index + 1] = calls[index + 1, index] = True
    panel = _panel(0.0, calls=calls)
    panel.logs[1 : SERVICES // 2, DAY:] += math.log(1.25)
    found = observe_moves(settings, panel, History())
    rows = {r["diagnostic"]: r for r in diagnostic_rows(settings, found) if r["move_id"] != "all"}
    assert set(rows) == {"lead", "spike", "spread", "neighbour_spill"}
    spill = rows["neighbour_spill"]
    assert spill["rel_value"] == pytest.approx(0.25, abs=0.05)
    assert spill["placebo_p"] <= 0.05
    assert spill["is_unusual"]
    assert not rows["lead"]["is_unusual"]
    for row in rows.values():
        # Beyond the band is unusual, on whichever side.
        assert (abs(row["rel_value"]) > abs(row["rel_band"])) == row["is_unusual"]
        assert row["rel_value"] * row["rel_band"] > 0
    did = {r["estimator"]: r["rel_effect"] for r in move_rows(settings, found)}["did"]
    assert abs(did) < 0.06
    ignored = observe_moves(settings, replace(panel, calls=None), History())
    assert {r["estimator"]: r["rel_effect"] for r in move_rows(settings, ignored)}["did"] < -0.06
    silent = {r["diagnostic"]: r for r in diagnostic_rows(settings, ignored)}["neighbour_spill"]
    assert silent["status"] == "insufficient"
    assert "rel_value" not in silent


def test_an_event_study_starts_at_nothing_and_shows_the_step(settings: Any) -> None:
    found = observe_moves(settings, _panel(-0.20, movers=3), History())
    rows = event_rows(settings, found)
    pooled = {r["days_from_move"]: r for r in rows if r["move_id"] == "all"}
    assert sorted(pooled) == list(range(-28, 29))
    assert {r["moves"] for r in pooled.values()} == {3}
    before = np.array([pooled[day]["rel_gap"] for day in range(-28, 0)])
    after = np.array([pooled[day]["rel_gap"] for day in range(1, 29)])
    assert abs(before.mean()) < 0.01
    assert after.mean() == pytest.approx(-0.20, abs=0.04)
    outside = [day for day, r in pooled.items() if not r["rel_lo"] <= 0 <= r["rel_hi"]]
    # Pointwise bands: one day in twenty before, nearly every day after.
    assert sum(day < 0 for day in outside) <= 4
    assert sum(day > 0 for day in outside) >= 24
    assert len({r["move_id"] for r in rows}) == 4


def test_a_path_ends_where_the_service_moves_again(settings: Any) -> None:
    panel = _panel(-0.20)
    panel = replace(panel, moves=(*panel.moves, Move(0, DAY + 20, "b", "c")))
    reader = MoveReader(panel, settings.observational, np.random.default_rng(1))
    path = EventStudy(reader).of(0, DAY)
    assert path is not None
    known = path.days[np.isfinite(path.gaps)]
    assert known.max() == 19
    short = replace(panel, logs=panel.logs[:, : DAY + 18], requests=panel.requests[:, : DAY + 18])
    short = replace(short, moves=panel.moves[:1])
    path = EventStudy(MoveReader(short, settings.observational, np.random.default_rng(1))).of(
        0, DAY
    )
    assert path is not None
    assert path.days[np.isfinite(path.gaps)].max() == 17
