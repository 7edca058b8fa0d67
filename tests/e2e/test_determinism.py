"""Same data and seed, same bytes: whatever the threads, whatever the hash seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import built

pytestmark = pytest.mark.e2e

SMALL = ("--services", "25", "--days", "60")


def _hashes(data: Path) -> dict[str, str]:
    serving = data / "serving"
    build_id = json.loads((serving / "current.json").read_text())["build_id"]
    marts = json.loads((serving / build_id / "manifest.json").read_text())["marts"]
    # meta_runs tells when and with which threads a build ran: the one mart that must differ.
    return {name: mart["sha256"] for name, mart in marts.items() if name != "meta_runs"}


def test_threads_and_hash_seed_change_no_byte(shared_builds: Path) -> None:
    one = built(shared_builds, "one", *SMALL, REGIONWISE_THREADS="1", PYTHONHASHSEED="1")
    two = built(shared_builds, "two", *SMALL, REGIONWISE_THREADS="2", PYTHONHASHSEED="2")
    first, second = _hashes(one), _hashes(two)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_another_seed_changes_the_answer(shared_builds: Path) -> None:
    one = built(shared_builds, "one", *SMALL, REGIONWISE_THREADS="1", PYTHONHASHSEED="1")
    other = built(shared_builds, "other", *SMALL, "--seed", "7")
    assert _hashes(one)["fct_traffic_hours"] != _hashes(other)["fct_traffic_hours"]
