"""What is expected of the predictions as wholes; derived from the contract of ``ml/``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contract import TABLES, Column, Table
from regionwise.judge import checks
from regionwise.judge.model import Batch, Check

# Probabilities and shares are doubles that were divided: their sum is one but for rounding.
SUM_TOLERANCE = 1e-6
_ARROW = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "usd": pa.decimal128(18, 6),
}
# Every active service must have an answer in these; the others may leave services out.
_COVERING = ("latency_candidates", "placement_services", "placement_alternatives")
_PROBABILITIES = ("single_probability", "dual_probability", "multi_probability")


def batches(predictions: Path, warehouse: Path) -> list[Batch]:
    """Return one batch on the layout of all files and one per prediction table.

    Args:
        predictions: Folder with ``<table>/<stage>.parquet``.
        warehouse: The build's DuckDB file, read to learn which services are active.
    """
    schemas, paths = {}, {}
    for table in TABLES:
        schema = expected_schema(table)
        files = sorted((predictions / table.name).glob("*.parquet"))
        for path in files or [predictions / table.name / "*.parquet"]:
            key = f"{table.name}/{path.stem}"
            schemas[key], paths[key] = schema, path
    layout, sound = checks.layout_batch(schemas, paths)
    active = active_services(warehouse)
    frames = {
        table.name: _frame(table, [path for k, path in paths.items() if _table_of(k) == table.name])
        for table in TABLES
        if all(k in sound for k in schemas if _table_of(k) == table.name)
    }
    if "placement_plans" in frames and "placement_services" in frames:
        frames["placement_plans"] = _with_share_sums(
            frames["placement_plans"], frames["placement_services"]
        )
    return [layout, *(_batch(t, frames[t.name], active) for t in TABLES if t.name in frames)]


def _table_of(key: str) -> str:
    return key.split("/", maxsplit=1)[0]


def expected_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a prediction file."""
    return pa.schema([pa.field(c.name, _ARROW[c.type]) for c in table.columns])


def active_services(warehouse: Path) -> list[str]:
    """Return the ids of the services that need an answer, sorted."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select service_id from feat_placement__services where is_active order by service_id"
        ).fetchall()
    return [str(row[0]) for row in rows]


def _frame(table: Table, paths: Sequence[Path]) -> pd.DataFrame:
    names = [c.name for c in table.columns]
    frame: pd.DataFrame = pd.concat(
        [checks.floats(pq.read_table(p, columns=names)).to_pandas() for p in paths],
        ignore_index=True,
    )
    return frame


def _batch(table: Table, frame: pd.DataFrame, active: Sequence[str]) -> Batch:
    rows = [] if table.may_be_empty else [checks.row_count()]
    if frame.empty:
        return Batch(table.name, frame, tuple(rows))
    found: list[Check] = list(rows)
    for column in table.columns:
        found.extend(_column_checks(column))
    found.extend(_interval_checks([c.name for c in table.columns]))
    if table.name in _COVERING:
        found.append(checks.covers("service_id", active))
    if table.name == "placement_runs":
        found.append(_has_plans())
    if table.name == "strategy_predictions":
        frame["probability_sum"] = frame[list(_PROBABILITIES)].sum(axis=1)
        found.append(_sum_check("probability_sum"))
    if "traffic_share_sum" in frame:
        found.append(_sum_check("traffic_share_sum"))
    return Batch(table.name, frame, tuple(found))


def _column_checks(column: Column) -> list[Check]:
    found = [checks.not_null(column.name)] if column.required else []
    if column.type in ("double", "bigint", "usd"):
        found.append(checks.between(column.name, column.low, column.high))
    if column.values:
        found.append(checks.one_of(column.name, column.values))
    return found


def _interval_checks(names: Sequence[str]) -> list[Check]:
    """Expect every upper end (``_hi`` in the name) to be at least its lower end."""
    pairs = [(n.replace("_hi", "_lo"), n) for n in names if "_hi" in n]
    return [
        Check(
            "interval",
            f"{high} at least {low}",
            "ExpectColumnPairValuesAToBeGreaterThanB",
            {
                "column_A": high,
                "column_B": low,
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            },
            high,
        )
        for low, high in pairs
        if low in names
    ]


def _has_plans() -> Check:
    return Check(
        "coverage",
        "a current and a recommended plan",
        "ExpectColumnDistinctValuesToContainSet",
        {"column": "plan_kind", "value_set": ["current", "recommended"]},
    )


def _with_share_sums(plans: pd.DataFrame, services: pd.DataFrame) -> pd.DataFrame:
    """Add the sum of a service's traffic shares; unknown where there is no demand to share."""
    keys = ["plan_id", "service_id"]
    # Every caller of a service may have been retired: then it serves nobody, and no share exists.
    idle = pd.MultiIndex.from_frame(services.loc[services["mean_rps"] == 0, keys])
    sums = plans.groupby(keys)["traffic_share"].transform("sum")
    is_idle = pd.MultiIndex.from_frame(plans[keys]).isin(idle)
    return plans.assign(traffic_share_sum=sums.mask(is_idle))


def _sum_check(column: str) -> Check:
    return checks.between(column, 1 - SUM_TOLERANCE, 1 + SUM_TOLERANCE, rule="sums_to_one")
