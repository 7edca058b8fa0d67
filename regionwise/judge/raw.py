"""What is expected of the landed raw tables as wholes; derived from the raw contract."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from generator import contract
from regionwise.judge import checks
from regionwise.judge.model import Batch, Check

# Above one row in twenty, a fault is not dirt but a mistake in the export.
TOLERATED_SHARE = 0.05
# Half of the hours or days missing is no history any more.
COMPLETE_SHARE = 0.5

# Medians that only a unit mistake leaves (seconds for milliseconds, GB for MB ...). Measured
# ranges behind them, 2026-11: round trips between 49 regions 8-400 ms, services 0.05-1,300 ms.
_MEDIANS: dict[tuple[str, str], tuple[float, float]] = {
    ("regional_latency", "latency_ms"): (0.5, 1_000),
    ("service_placement", "avg_latency_ms"): (0.02, 60_000),
    ("services", "memory_mb"): (8, 4_000_000),
    ("services", "cpu_cores"): (0.01, 256),
    ("regions", "vcpu_hour_usd"): (0.001, 1),
    ("regions", "memory_gb_hour_usd"): (0.0001, 0.2),
}


def batches(raw_dir: Path) -> list[Batch]:
    """Return one batch on the layout of all files and one per table that has a source.

    Args:
        raw_dir: Folder of landed tables.
    """
    layout, sound = _layout(raw_dir)
    landed = raw_dir / "landed_tables.parquet"
    present = _present(landed) if "landed_tables" in sound else set(contract.TABLES)
    found = [layout]
    for table in contract.TABLES.values():
        if table.name in sound and (table.name in present or not table.optional):
            found.append(_table_batch(table, raw_dir / f"{table.name}.parquet"))
    facts = {"services", "traffic_patterns", "service_placement"}
    if facts <= sound:
        found.append(_coverage(raw_dir))
    return found


def _layout(raw_dir: Path) -> tuple[Batch, set[str]]:
    """Compare every file's columns, their order and types with the contract."""
    schemas = {t.name: contract.arrow_schema(t) for t in contract.TABLES.values()}
    schemas["landed_tables"] = contract.LANDED_TABLES_SCHEMA
    schemas["landed_dataset"] = contract.LANDED_DATASET_SCHEMA
    paths = {name: raw_dir / f"{name}.parquet" for name in schemas}
    return checks.layout_batch(schemas, paths)


def _present(landed: Path) -> set[str]:
    frame = pq.read_table(landed, columns=["table_name", "is_present"]).to_pandas()
    return set(frame.loc[frame["is_present"].astype(bool), "table_name"])


def _table_batch(table: contract.Table, path: Path) -> Batch:
    columns = [c for c in table.columns if _is_judged(c)]
    frame = checks.read_narrow(
        path,
        [*(c.name for c in columns), "_unparsed"],
        presence=[c.name for c in columns if not _has_range(c) and not c.values],
    )
    rows = [] if table.optional else [checks.row_count()]
    if frame.empty:
        return Batch(table.name, frame, tuple(rows))
    found: list[Check] = [*rows, _unparsed_share()]
    for column in columns:
        found.extend(_column_checks(table, column))
    if table.name == "traffic_patterns":
        found.extend(_traffic_distribution())
    if table.name == "service_placement":
        frame["is_bad_latency"] = _is_bad_latency(frame)
        found.append(_bad_latency_share())
    return Batch(table.name, frame, tuple(found))


def _is_judged(column: contract.Column) -> bool:
    return column.required or _has_range(column) or bool(column.values)


def _has_range(column: contract.Column) -> bool:
    return column.low is not None or column.high is not None


def _column_checks(table: contract.Table, column: contract.Column) -> list[Check]:
    mostly = 1 - TOLERATED_SHARE
    found = []
    if column.required and not column.nullable:
        found.append(checks.not_null(column.name, mostly))
    if _has_range(column):
        found.append(checks.between(column.name, column.low, column.high, mostly))
    if column.values:
        found.append(checks.one_of(column.name, column.values, mostly))
    if (table.name, column.name) in _MEDIANS:
        low, high = _MEDIANS[table.name, column.name]
        found.append(checks.median(column.name, low, high))
    return found


def _unparsed_share() -> Check:
    return Check(
        "unparsed_share",
        f"at most {TOLERATED_SHARE:.0%} of rows with a value that could not be read",
        "ExpectColumnValuesToBeNull",
        {"column": "_unparsed", "mostly": 1 - TOLERATED_SHARE},
    )


def _traffic_distribution() -> list[Check]:
    ranges = {"quantiles": [0.5, 0.999], "value_ranges": [[0, 1e9], [1, 1e10]]}
    return [
        Check(
            "degenerate_distribution",
            "a median of 0 to 1e9 requests and a 99.9th percentile of 1 to 1e10",
            "ExpectColumnQuantileValuesToBeBetween",
            {"column": "requests", "quantile_ranges": ranges},
        ),
        Check(
            "constant_column",
            "requests that differ between rows",
            "ExpectColumnStdevToBeBetween",
            {"column": "requests", "min_value": 0, "strict_min": True},
        ),
    ]


def _is_bad_latency(frame: pd.DataFrame) -> pd.Series:
    """Say per row whether the latency is missing although something was served, or absurd."""
    latency = frame["avg_latency_ms"]
    served = frame["requests_served"]
    is_missing = latency.isna() & (served.isna() | (served > 0))
    return is_missing | (latency <= 0) | latency.isin([float("inf")])


def _bad_latency_share() -> Check:
    return Check(
        "bad_latency_share",
        f"at most {TOLERATED_SHARE:.0%} of rows with a missing, zero or infinite mean latency",
        "ExpectColumnValuesToBeInSet",
        {"column": "is_bad_latency", "value_set": [False], "mostly": 1 - TOLERATED_SHARE},
        "avg_latency_ms",
    )


def _coverage(raw_dir: Path) -> Batch:
    """Measure how complete the facts are: hours, days, services that have them."""
    services = _texts(raw_dir / "services.parquet", "service_id")
    traffic = raw_dir / "traffic_patterns.parquet"
    placement = raw_dir / "service_placement.parquet"
    frame = pd.DataFrame(
        {
            "traffic_hours_share": [_filled_share(traffic, "hour_start", "h")],
            "placement_days_share": [_filled_share(placement, "day", "D")],
            "services_with_traffic_share": [_share_in(services, _texts(traffic, "service_id"))],
            "services_with_placement_share": [_share_in(services, _texts(placement, "service_id"))],
        }
    )
    found = [
        checks.between(str(name), COMPLETE_SHARE, 1, 1.0, rule="completeness")
        for name in frame.columns
    ]
    return Batch("coverage", frame, tuple(found))


def _texts(path: Path, column: str) -> set[str]:
    unique = pq.read_table(path, columns=[column], read_dictionary=[column])[column].unique()
    return {str(value).strip() for value in unique.to_pylist() if value is not None}


def _share_in(wanted: set[str], there: set[str]) -> float:
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _filled_share(path: Path, column: str, unit: str) -> float:
    """Return the share of hours or days between the first and the last that have a row."""
    values = pq.read_table(path, columns=[column])[column].unique().drop_null()
    if not len(values):
        return 0.0
    steps = values.cast(pa.timestamp("us")).to_numpy().astype(f"datetime64[{unit}]").astype("int64")
    # One stray date (year 1, year 9999) must not make a full history look empty.
    inside = checks.without_outliers(steps)
    return float(len(set(inside.tolist())) / (inside.max() - inside.min() + 1))
