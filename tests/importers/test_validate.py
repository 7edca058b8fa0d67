"""`validate` tells every fault with its row, what is covered, and what each gap costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from generator.importers.folder import ValidationReport, validate
from tests.importers import village as v
from tests.importers.row_cases import ROW_CASES, first_rows, odd_village


def _validate(tmp_path: Path, change: Callable[[v.Folder], None]) -> ValidationReport:
    folder = v.village()
    change(folder)
    return validate(v.write(folder, tmp_path / "in"))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> ValidationReport:
    return validate(v.write(odd_village(), tmp_path_factory.mktemp("odd") / "in"))


def test_a_good_folder_has_no_fault(tmp_path: Path) -> None:
    report = _validate(tmp_path, lambda folder: None)
    assert (report.findings, report.row_findings, report.row_counts) == ((), (), ())
    assert str(report).startswith("accepted")
    assert {str(item) for item in report.coverage} >= {
        "traffic: 360 hours",
        "hours with traffic rows: 100.0%",
        "services with traffic: 100.0%",
        "services seen in more than one region: 50.0%",
        "pairs of regions measured in one direction at least: 100.0%",
    }
    assert {item.code for item in report.degradations} == {"NO_PLACEMENT_VARIATION", "CAPACITY_OFF"}


def test_unreadable_values_are_told_with_row_and_text(odd: ValidationReport) -> None:
    starts = first_rows()
    told = {(f.file, f.row, f.column, f.rule) for f in odd.row_findings}
    counted = {(file, column, rule): n for file, column, rule, n in odd.row_counts}
    for case in ROW_CASES:
        for column in case.unparsed:
            file = f"{case.table}.csv"
            key = (file, starts[case.name], column, "unreadable_value")
            # Only the first rows of a kind are shown; the count says how many there are.
            assert key in told or counted[file, column, "unreadable_value"] > 5, case.name


@pytest.mark.parametrize(
    ("name", "column", "rule"),
    [
        ("blank_id", "service_id", "required_null"),
        ("negative_value", "cpu_cores", "out_of_range"),
        ("not_a_number", "cpu_cores", "out_of_range"),
        ("unknown_continent", "continent", "unknown_word"),
        ("unknown_service", "service_id", "unknown_id"),
        ("call_of_unknown_service", "callee_service_id", "unknown_id"),
        ("latency_of_unknown_region", "target_region", "unknown_id"),
        ("negative_requests", "requests", "out_of_range"),
    ],
)
def test_faults_are_told_with_their_row(
    name: str, column: str, rule: str, odd: ValidationReport
) -> None:
    case = next(case for case in ROW_CASES if case.name == name)
    wanted = (f"{case.table}.csv", first_rows()[name], column, rule)
    assert wanted in {(f.file, f.row, f.column, f.rule) for f in odd.row_findings}


def test_the_second_row_of_a_key_is_told(odd: ValidationReport) -> None:
    rows = [f.row for f in odd.row_findings if f.rule == "duplicate_key" and "services" in f.file]
    assert rows[0] == first_rows()["exact_duplicate"] + 1


def test_the_report_is_plain_data(odd: ValidationReport) -> None:
    content = json.loads(json.dumps(asdict(odd)))
    assert content["row_counts"]
    assert "unreadable_value" in str(odd)


def test_findings_come_with_what_can_still_be_said(tmp_path: Path) -> None:
    report = _validate(tmp_path, lambda folder: folder.pop("services") and None)
    assert [f.rule for f in report.findings] == ["missing_table"]
    assert str(report).startswith("refused")
    assert "pairs of regions with a transfer price" in {item.name for item in report.coverage}
    # Without services nobody can say which service ids are unknown.
    assert report.row_findings == ()


def _drop(table: str, *columns: str) -> Callable[[v.Folder], None]:
    def change(folder: v.Folder) -> None:
        if not columns:
            del folder[table]
            return
        folder[table] = [
            {k: x for k, x in row.items() if k not in columns} for row in folder[table]
        ]

    return change


def _short(folder: v.Folder) -> None:
    first = [row for row in folder["traffic_patterns"] if row["hour_start"] < "2026-06-14"]
    folder["traffic_patterns"] = first


def _entry(folder: v.Folder) -> None:
    folder["traffic_patterns"][0]["source"] = "entry"


GAPS: dict[str, Callable[[v.Folder], None]] = {
    "NO_CALL_GRAPH": _drop("service_dependencies"),
    "DISTANCE_FALLBACK": lambda folder: folder["regional_latency"].pop(0) and None,
    "CPU_NOT_IDENTIFIABLE": _drop("service_placement", "cpu_utilization"),
    "COST_FROM_PRICE_BOOK": _drop("service_placement", "cost_usd"),
    "SHORT_HISTORY": _short,
    "ENTRY_REGION_ONLY": _entry,
    "CARBON_OFF": _drop("regions", "carbon_g_per_kwh"),
    "EGRESS_DEFAULT": _drop("region_egress"),
}


@pytest.mark.parametrize("code", sorted(GAPS))
def test_each_gap_names_what_it_costs(code: str, tmp_path: Path) -> None:
    report = _validate(tmp_path, GAPS[code])
    assert report.findings == ()
    (found,) = [item for item in report.degradations if item.code == code]
    assert found.effect
    assert found.concerned


def test_real_measurements(shared_data: Path) -> None:
    report = validate(shared_data / "petshop")
    assert (report.findings, report.row_findings) == ((), ())
    assert {item.code: item.concerned for item in report.degradations} == {
        "SHORT_HISTORY": "49 hours of traffic",
        "CPU_NOT_IDENTIFIABLE": "117 of 117 placement rows",
        "NO_PLACEMENT_VARIATION": "39 of 39 services",
        "COST_FROM_PRICE_BOOK": "117 of 117 placement rows",
        "DISTANCE_FALLBACK": "42 of 462 pairs",
        "CAPACITY_OFF": "22 of 22 regions",
        "EGRESS_DEFAULT": "2 of 462 ordered pairs",
    }
