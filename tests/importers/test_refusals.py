"""A broken folder is refused with its file, column and reason, and changes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from generator.contract import ContractError, Finding
from generator.importers.folder import land, validate
from tests.importers import village as v
from tests.importers.refusals import REFUSALS, Refusal


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw set that an earlier landing made."""
    data = tmp_path_factory.mktemp("former")
    land(v.write(v.village(), data / "in"), data / "raw")
    return data / "raw"


def test_there_are_many_refusals() -> None:
    names = [case.name for case in REFUSALS]
    assert len(names) == len(set(names)) >= 40


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_refused(case: Refusal, former: Path, tmp_path: Path) -> None:
    before = _hashes(former)
    source = v.write(v.village(), tmp_path / "in")
    case.spoil(source)
    with pytest.raises(ContractError) as caught:
        land(source, former)
    found = [f for f in caught.value.findings if f.rule == case.rule and _is_of(f, case)]
    assert found, caught.value
    assert case.says in str(found[0])
    assert str(found[0]) in str(caught.value)
    # A refusal is one fault of one file here: nothing else may be blamed for it.
    assert {f.file for f in caught.value.findings} == {found[0].file}
    assert _hashes(former) == before
    assert sorted(p.name for p in former.parent.iterdir()) == ["in", "raw"]


def _is_of(finding: Finding, case: Refusal) -> bool:
    if case.row is not None and finding.row != case.row:
        return False
    return finding.column == case.column and Path(finding.file).name == case.file


def test_all_findings_are_told_at_once(tmp_path: Path) -> None:
    source = v.write(v.village(), tmp_path / "in")
    (source / "regions.csv").unlink()
    (source / "services.csv").write_text("service_id,cpu_cores\nweb,2\n")
    (source / "traffic_patterns.csv").write_bytes(b"")
    with pytest.raises(ContractError) as caught:
        land(source, tmp_path / "raw")
    assert [(f.file, f.column, f.rule) for f in caught.value.findings] == [
        ("regions", None, "missing_table"),
        ("services.csv", "latency_critical", "missing_column"),
        ("services.csv", "memory_mb", "missing_column"),
        ("services.csv", "service_name", "missing_column"),
        ("traffic_patterns.csv", None, "empty_file"),
    ]
    assert not (tmp_path / "raw").exists()
    assert validate(source).findings == caught.value.findings
