"""Real measurements: what a correct build must report on them, and nothing more."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.warehouse.conftest import query


def test_impossible_round_trips_are_exactly_the_known_ones(
    multicloud_staging: Path, shared_data: Path
) -> None:
    with (shared_data / "multicloud" / "expected_quarantine.csv").open() as file:
        expected = {(row["source_region"], row["target_region"]) for row in csv.DictReader(file)}
    rows = query(
        multicloud_staging,
        "select client_id, region_id, rejected_rule from stg_raw__regional_latency__judged",
    )
    found = {(client, region) for client, region, rule in rows if rule == "faster_than_light"}
    assert len(expected) == 76
    assert found == expected
    assert sum(rule is None for _, _, rule in rows) == 2180
    assert {rule for _, _, rule in rows} == {None, "faster_than_light"}


def test_real_application_loses_no_row(petshop_features: Path) -> None:
    assert query(petshop_features, "select * from int_quality__quarantined_rows") == []
    account = dict(
        query(petshop_features, "select table_name, rows_kept from int_quality__row_account")
    )
    assert account["services"] == 39
    assert account["service_dependencies"] == 41
    assert account["service_placement"] == 117
    assert account["traffic_patterns"] == 15288


def test_real_application_reports_its_weaknesses(petshop_features: Path) -> None:
    rows = query(petshop_features, "select code, scope, detail from feat_degradations")
    assert {code for code, scope, _ in rows if scope == "fleet"} == {
        "SHORT_HISTORY",
        "NO_PLACEMENT_VARIATION",
        "CPU_NOT_IDENTIFIABLE",
        "CAPACITY_OFF",
        "COST_FROM_PRICE_BOOK",
        "DISTANCE_FALLBACK",
    }
    assert {code for code, _, _ in rows} == {
        code for code, scope, _ in rows if scope == "fleet"
    } | {"EGRESS_DEFAULT"}
    by_scope = {(code, scope): detail for code, scope, detail in rows}
    fallback = by_scope["DISTANCE_FALLBACK", "fleet"]
    assert "42 ordered pairs of regions" in fallback
    assert "22 regions to themselves" in fallback
    assert ("DISTANCE_FALLBACK", "region:eu-west-3") in by_scope
    egress = {
        scope: detail for (code, scope), detail in by_scope.items() if code == "EGRESS_DEFAULT"
    }
    targets = "ap-northeast-3, ap-southeast-3, sa-east-1"
    assert egress == {"region:ap-southeast-3": f"default transfer price to {targets}"}


def test_part_days_do_not_end_the_window(petshop_features: Path) -> None:
    rows = query(
        petshop_features,
        "select cast(first_on as varchar), cast(last_on as varchar), days, seed from feat_window",
    )
    assert rows == [("2023-09-05", "2023-09-06", 2, None)]


def test_short_history_repeats_every_day(petshop_features: Path) -> None:
    rows = query(
        petshop_features,
        """
        select count(*) from (
            select service_id, origin_id, hour_of_week % 24 as hour
            from feat_placement__service_origin_hours
            group by all having count(distinct mean_rps) > 1
        )
        """,
    )
    assert rows == [(0,)]
