"""The templates in docs/input.md are the contract, and a folder made of them can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generator import contract
from generator.importers.folder import validate
from tests.helpers import ROOT

TEXT = (ROOT / "docs" / "input.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)(?: \(optional\))?\n(.*?)(?=^##)", TEXT, re.M | re.S))


@pytest.mark.parametrize("table", contract.TABLES.values(), ids=lambda table: table.name)
def test_each_template_has_the_columns_of_the_contract(table: contract.Table) -> None:
    body = SECTIONS[table.name]
    header = body.split("```csv\n")[1].split("\n")[0]
    assert header.split(",") == [column.name for column in table.columns]
    required = body.split("Required:")[1].split(".\n")[0].split("```")[0]
    assert set(table.required_columns) <= set(re.findall(r"`(\w+)`", required))
    assert (f"### {table.name} (optional)" in TEXT) == table.optional


def test_the_templates_can_be_read(tmp_path: Path) -> None:
    for name, body in SECTIONS.items():
        (tmp_path / f"{name}.csv").write_text(body.split("```csv\n")[1].split("```")[0])
    report = validate(tmp_path)
    assert report.findings == ()
    assert {f.rule for f in report.row_findings} <= {"unknown_id"}


def test_each_gap_is_in_the_table(tmp_path: Path) -> None:
    source = (ROOT / "generator" / "importers" / "_coverage.py").read_text()
    codes = set(re.findall(r'Degradation\("([A-Z_]+)"', source))
    assert len(codes) == 10
    assert set(re.findall(r"\| `([A-Z_]+)` \|$", TEXT, re.M)) == codes
