"""Every planted fault against the ledger: what was set aside, and what should have been."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

GOAL = 0.99

# Kinds of the ledger that must be set aside, with the rule that should do it. `late`, `gap`,
# `shifted_hour`, `alias` and `missing_cpu` are faults too, but such rows are kept.
KINDS = {
    "missing_latency": "missing_latency",
    "zero_latency": "zero_latency",
    "unit_error": "unit_error",
    "duplicate": "duplicate_row",
    "conflict": "superseded_row",
    "orphan": "unknown_service",
    "faster_than_light": "faster_than_light",
}


def _scores(data: Path) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return planted, set aside and both, by ledger kind and table, counted over row keys."""
    ledger = data / "truth" / "dirt_ledger.parquet"
    with duckdb.connect(str(data / "build" / "warehouse.duckdb"), read_only=True) as con:
        kinds = ", ".join(f"('{kind}', '{rule}')" for kind, rule in KINDS.items())
        key = "table_name, service_id, region_id, observed_at"
        con.execute(f"""
            create temp table planted as
            select distinct kinds.rule_id, ledger.table_name,
                case when kinds.kind = 'orphan' then coalesce(dirty_value, service_id)
                    else coalesce(service_id, cast(other_region_id as varchar)) end as service_id,
                lower(replace(region_id, '_', '-')) as region_id, observed_at
            from '{ledger}' as ledger
            inner join (values {kinds}) as kinds(kind, rule_id) on ledger.kind = kinds.kind
        """)
        con.execute("""
            create temp table aside as
            select distinct rule_id, table_name,
                trim(coalesce(original_values ->> 'service_id',
                    original_values ->> 'target_region')) as service_id,
                lower(replace(coalesce(original_values ->> 'region',
                    original_values ->> 'origin_region', original_values ->> 'source_region'),
                    '_', '-')) as region_id,
                cast(coalesce(original_values ->> 'day', original_values ->> 'hour_start',
                    original_values ->> 'observed_at') as timestamp) as observed_at
            from int_quality__quarantined_rows
        """)
        rows = con.sql(f"""
            select coalesce(planted.rule_id, aside.rule_id), coalesce(planted.table_name,
                aside.table_name), count(planted.rule_id), count(aside.rule_id),
                count(case when planted.rule_id = aside.rule_id then 1 end)
            from planted full join aside using (rule_id, {key})
            group by all order by all
        """).fetchall()
    return {(rule, table): (p, q, both) for rule, table, p, q, both in rows}


def test_each_kind_is_found_and_nothing_else(small_world: Path) -> None:
    scores = _scores(small_world)
    assert scores, "the world planted nothing"
    poor = {
        kind: {"precision": both / aside if aside else 0.0, "recall": both / planted}
        for kind, (planted, aside, both) in scores.items()
        if planted and (not aside or min(both / aside, both / planted) < GOAL)
    }
    unplanted = {kind: aside for kind, (planted, aside, _) in scores.items() if not planted}
    assert not poor, poor
    assert not unplanted, f"set aside without a planted fault: {unplanted}"


def test_unit_errors_were_planted(small_world: Path) -> None:
    planted, _, _ = _scores(small_world)["unit_error", "service_placement"]
    assert planted >= 5, "too few unit errors to say anything about finding them"


def test_rows_read_are_kept_or_set_aside(small_world: Path) -> None:
    with duckdb.connect(
        str(small_world / "build" / "warehouse.duckdb"), read_only=True
    ) as connection:
        account = connection.sql(
            "select table_name, rows_read, rows_kept, rows_quarantined"
            " from int_quality__row_account"
        ).fetchall()
    assert len(account) == 9
    assert [row for row in account if row[1] != row[2] + row[3]] == []


def wrong_hours(data: Path) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """Return the planted and the reported gaps and shifted days: check, scope, day."""
    ledger = data / "truth" / "dirt_ledger.parquet"
    with duckdb.connect(str(data / "build" / "warehouse.duckdb"), read_only=True) as connection:
        planted = connection.sql(f"""
            select distinct case kind when 'gap' then 'MISSING_HOURS' else 'SHIFTED_HOURS' end,
                'origin:' || region_id, cast(observed_at as date)
            from '{ledger}' where kind in ('gap', 'shifted_hour')
        """).fetchall()
        found = connection.sql("""
            select check_id, scope, observed_on from int_quality__checks
            where check_id in ('MISSING_HOURS', 'SHIFTED_HOURS')
        """).fetchall()
    return set(planted), set(found)


def test_wrong_clocks_and_gaps_are_reported(small_world: Path) -> None:
    planted, found = wrong_hours(small_world)
    assert planted, "the fixed seed of this world plants a gap and shifted days"
    # A short history has few days to know the usual shape from: a miss is possible, an
    # accusation of a sound day is not.
    assert found <= planted, found - planted
    gaps = {row for row in planted if row[0] == "MISSING_HOURS"}
    assert gaps <= found, gaps - found


@pytest.mark.e2e
def test_a_long_history_finds_every_wrong_clock_and_gap(demo_data: Path) -> None:
    planted, found = wrong_hours(demo_data)
    assert {row[0] for row in planted} == {"MISSING_HOURS", "SHIFTED_HOURS"}
    assert found == planted
