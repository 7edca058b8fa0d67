"""The features half against a world whose truth is known, and against itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.warehouse.conftest import build_features, query


def test_misroute_share_is_recovered(small_world: Path) -> None:
    ((share,),) = query(small_world, "select misroute_share from feat_window")
    # The world sends 4 % elsewhere; counting noise of a small world moves the estimate.
    assert 0.035 < share < 0.045


def test_processor_demand_is_recovered(small_world: Path) -> None:
    truth = small_world / "truth" / "services_truth.parquet"
    ((error,),) = query(
        small_world,
        f"""
        select median(abs(demand.demand_ms / truth.service_ms - 1))
        from int_load__demand as demand
        inner join '{truth}' as truth on demand.service_id = truth.service_id
        where demand.demand_source = 'measured'
        """,
    )
    assert error < 0.05


def test_utilisation_is_recovered(small_world: Path) -> None:
    truth = small_world / "truth" / "placement_truth.parquet"
    ((correlation, ratio),) = query(
        small_world,
        f"""
        select corr(features.rho, truth.rho), median(features.rho / truth.rho)
        from feat_latency__service_region_days as features
        inner join '{truth}' as truth
            on features.service_id = truth.service_id
            and features.region_id = truth.region_id
            and features.placed_on = cast(truth.placed_on as date)
        where truth.rho > 0
        """,
    )
    assert correlation > 0.99
    assert 0.95 < ratio < 1.05


def test_physics_explains_most_of_the_latency_but_not_more_than_the_truth(
    small_world: Path,
) -> None:
    truth = small_world / "truth" / "placement_truth.parquet"
    ((physics, ceiling, total),) = query(
        small_world,
        f"""
        with rows as (
            select features.observed_ms, features.phys_ms, truth.mu_ms,
                avg(features.observed_ms) over () as mean_ms
            from feat_latency__service_region_days as features
            inner join '{truth}' as truth
                on features.service_id = truth.service_id
                and features.region_id = truth.region_id
                and features.placed_on = cast(truth.placed_on as date)
            where features.day_index >= 23
        )
        select sum((observed_ms - phys_ms) ** 2), sum((observed_ms - mu_ms) ** 2),
            sum((observed_ms - mean_ms) ** 2)
        from rows
        """,
    )
    assert 1 - physics / total > 0.8
    # Beating the noise-free truth would mean that the answer leaked in.
    assert physics > ceiling


def test_estimates_ignore_days_after_training(small_world: Path, tmp_path: Path) -> None:
    """Latencies of later days times three: bases and demand must not move."""
    changed = tmp_path / "changed"
    shutil.copytree(small_world / "raw", changed / "raw")
    ((through,),) = query(
        small_world, "select cast(train_through_on as varchar) from int_placement__window"
    )
    source = small_world / "raw" / "service_placement.parquet"
    duckdb.sql(f"""
        copy (
            select * replace (
                case when day > date '{through}' then avg_latency_ms * 3 else avg_latency_ms end
                    as avg_latency_ms,
                case when day > date '{through}' then least(1, cpu_utilization * 2)
                    else cpu_utilization end as cpu_utilization
            ) from '{source}'
        ) to '{changed / "raw" / "service_placement.parquet"}' (format parquet)
    """)
    build_features(changed)
    sql = """
        select service_id, region_id, placed_on, base_hat_ms, demand_ms, phys_ms
        from int_latency__estimates order by all
    """
    assert query(changed, sql) == query(small_world, sql)


def _fingerprint(data: Path, table: str) -> object:
    """Return row count and a hash over every value of a table, whatever the order of its rows."""
    row = "md5(cast(whole as varchar))"
    sql = f"select count(*), md5(string_agg({row}, '' order by {row})) from \"{table}\" as whole"
    return query(data, sql)


@pytest.mark.slow
def test_one_and_two_threads_give_the_same_bytes(small_world: Path, tmp_path: Path) -> None:
    single = tmp_path / "single"
    shutil.copytree(small_world / "raw", single / "raw")
    build_features(single, threads=1)
    tables = [
        name
        for (name,) in query(
            single,
            "select table_name from information_schema.tables where table_type = 'BASE TABLE'"
            " order by 1",
        )
    ]
    assert len(tables) > 50

    different = [t for t in tables if _fingerprint(single, t) != _fingerprint(small_world, t)]
    assert different == []


def test_unknown_region_spellings_find_their_region(small_world: Path) -> None:
    ledger = small_world / "truth" / "dirt_ledger.parquet"
    ((planted,),) = query(small_world, f"select count(*) from '{ledger}' where kind = 'alias'")
    rows = query(
        small_world,
        "select rule_id from int_quality__quarantined_rows where rule_id = 'unknown_region'",
    )
    assert planted > 0
    assert rows == []
