"""The decision log: append-only, legal steps only, survives anything a build does."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regionwise import decisions


def _say(data: Path, status: str, rec: str = "r1", note: str = "") -> decisions.Decision:
    reason = decisions.REASONS[status][0]
    return decisions.record(data, rec, "svc-1", status, reason, note, "ada")


def test_absent_log_is_empty_and_has_columns(tmp_path: Path) -> None:
    log = decisions.read(tmp_path)
    assert log.empty
    assert list(log.columns) == list(decisions._COLUMNS)
    assert decisions.latest(tmp_path).empty
    assert not decisions.log_path(tmp_path).exists()


def test_round_trip_keeps_every_line_in_order(tmp_path: Path) -> None:
    _say(tmp_path, "deferred", note="after the freeze; “naïve” 'quotes' -- ok")
    _say(tmp_path, "accepted")
    _say(tmp_path, "dismissed", rec="r2")
    log = decisions.read(tmp_path)
    assert log["status"].tolist() == ["deferred", "accepted", "dismissed"]
    assert log["note"].iloc[0] == "after the freeze; “naïve” 'quotes' -- ok"
    assert log["decided_by"].unique().tolist() == ["ada"]
    newest = decisions.latest(tmp_path).set_index("recommendation_id")["status"].to_dict()
    assert newest == {"r1": "accepted", "r2": "dismissed"}


@pytest.mark.parametrize("present", decisions.STATUSES)
@pytest.mark.parametrize("following", decisions.STATUSES)
def test_only_legal_steps_are_taken(tmp_path: Path, present: str, following: str) -> None:
    path_to = {
        "open": [],
        "accepted": ["accepted"],
        "deferred": ["deferred"],
        "dismissed": ["dismissed"],
        "done": ["accepted", "done"],
        "reverted": ["accepted", "done", "reverted"],
        "superseded": ["superseded"],
    }
    for status in path_to[present]:
        _say(tmp_path, status)
    if following in decisions.TRANSITIONS[present]:
        assert _say(tmp_path, following).status == following
    else:
        with pytest.raises(decisions.DecisionError, match="may only be followed by"):
            _say(tmp_path, following)
        assert len(decisions.read(tmp_path)) == len(path_to[present])


@pytest.mark.parametrize(
    ("status", "reason", "decided_by", "message"),
    [
        ("maybe", "agreed", "ada", "status == 'maybe'"),
        ("accepted", "because", "ada", "reason == 'because'"),
        ("accepted", "agreed", "  ", "decided_by"),
    ],
)
def test_refusals_name_the_value(
    tmp_path: Path, status: str, reason: str, decided_by: str, message: str
) -> None:
    with pytest.raises(decisions.DecisionError, match=message):
        decisions.record(tmp_path, "r1", "svc-1", status, reason, "", decided_by)
    assert decisions.read(tmp_path).empty


def test_too_long_note_is_refused(tmp_path: Path) -> None:
    with pytest.raises(decisions.DecisionError, match="at most"):
        _say(tmp_path, "accepted", note="x" * (decisions.NOTE_LIMIT + 1))


@pytest.mark.parametrize("statement", ["update decisions set note = 'x'", "delete from decisions"])
def test_log_is_append_only(tmp_path: Path, statement: str) -> None:
    _say(tmp_path, "accepted")
    connection = sqlite3.connect(decisions.log_path(tmp_path))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert len(decisions.read(tmp_path)) == 1


def test_two_people_at_once_cannot_both_be_first(tmp_path: Path) -> None:
    def decide(_: int) -> bool:
        try:
            _say(tmp_path, "accepted")
        except decisions.DecisionError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(decide, range(8)))
    assert results.count(True) == 1
    assert len(decisions.read(tmp_path)) == 1


def test_readme_lists_every_reason() -> None:
    readme = (Path(__file__).resolve().parents[2] / "dashboards" / "README.md").read_text()
    for reasons in decisions.REASONS.values():
        for reason in reasons:
            assert f"`{reason}`" in readme
