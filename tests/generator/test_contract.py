"""The raw contract says the same as its design, and refuses in words."""

from __future__ import annotations

import pyarrow as pa
import pytest

from generator import contract


def test_every_raw_table_is_there() -> None:
    assert list(contract.TABLES) == [
        "regions",
        "region_egress",
        "origins",
        "services",
        "service_dependencies",
        "regional_latency",
        "traffic_patterns",
        "service_placement",
        "service_latency_histogram",
    ]
    optional = {name for name, table in contract.TABLES.items() if table.optional}
    assert optional == {
        "region_egress",
        "origins",
        "service_dependencies",
        "service_latency_histogram",
    }


@pytest.mark.parametrize("table", contract.TABLES.values(), ids=lambda t: t.name)
def test_keys_are_required_columns(table: contract.Table) -> None:
    assert set(table.key) <= set(table.required_columns)
    assert len({c.name for c in table.columns}) == len(table.columns)


@pytest.mark.parametrize("table", contract.TABLES.values(), ids=lambda t: t.name)
def test_every_column_is_described_and_its_unit_agrees_with_its_name(
    table: contract.Table,
) -> None:
    for column in table.columns:
        assert len(column.description) > 4, column.name
        if column.name.endswith("_ms"):
            assert column.unit == "ms"
        if column.low is not None and column.high is not None:
            assert column.low < column.high
        assert column.nullable or column.required, f"{column.name}: optional means null is allowed"


def test_only_two_required_columns_may_be_null() -> None:
    nullable = {
        f"{t.name}.{c.name}"
        for t in contract.TABLES.values()
        for c in t.columns
        if c.required and c.nullable
    }
    assert nullable == {
        "service_placement.avg_latency_ms",
        "service_latency_histogram.upper_bound_ms",
    }


def test_landed_schema_ends_with_the_landing_columns_and_keeps_money_exact() -> None:
    schema = contract.arrow_schema(contract.TABLES["regions"])
    assert tuple(schema.names[-3:]) == contract.LANDING_COLUMNS
    assert schema.field("vcpu_hour_usd").type == pa.decimal128(18, 6)
    traffic = contract.arrow_schema(contract.TABLES["traffic_patterns"])
    assert traffic.field("hour_start").type == pa.timestamp("us")


def test_contract_error_names_file_row_column_and_rule() -> None:
    finding = contract.Finding("services.csv", 7, "cpu_cores", "not_a_number", "'four' is not one")
    error = contract.ContractError([finding])
    assert error.findings == (finding,)
    assert str(error) == "services.csv:7: cpu_cores: 'four' is not one [not_a_number]"
    whole = contract.Finding("services.csv", None, None, "no_rows", "has no usable row")
    assert str(whole) == "services.csv: has no usable row [no_rows]"


def test_unknown_column_is_a_key_error() -> None:
    with pytest.raises(KeyError, match=r"regions\.altitude"):
        contract.TABLES["regions"].column("altitude")
