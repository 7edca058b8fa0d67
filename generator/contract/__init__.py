"""The raw contract, version 1: the one place that says what a raw table looks like.

Everything upstream of dbt (the synthetic world and the importers) writes these tables, in the
landed form of :func:`arrow_schema`; everything downstream reads nothing else.

Example:
    >>> from generator import contract
    >>> contract.TABLES["regions"].key
    ('region_id',)
    >>> contract.arrow_schema(contract.TABLES["region_egress"]).names[-3:]
    ['_file', '_row', '_unparsed']
"""

from generator.contract.findings import ContractError, Finding
from generator.contract.landed import (
    LANDED_DATASET_SCHEMA,
    LANDED_TABLES_SCHEMA,
    LANDING_COLUMNS,
    arrow_schema,
    arrow_type,
)
from generator.contract.model import Column, ColumnType, Table
from generator.contract.places import (
    CONTINENTS,
    LATENCY_SOURCES,
    ORIGINS,
    REGION_EGRESS,
    REGIONAL_LATENCY,
    REGIONS,
)
from generator.contract.services import (
    SERVICE_DEPENDENCIES,
    SERVICE_LATENCY_HISTOGRAM,
    SERVICE_PLACEMENT,
    SERVICES,
    TRAFFIC_PATTERNS,
    TRAFFIC_SOURCES,
)

CONTRACT_VERSION = 1

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        REGIONS,
        REGION_EGRESS,
        ORIGINS,
        SERVICES,
        SERVICE_DEPENDENCIES,
        REGIONAL_LATENCY,
        TRAFFIC_PATTERNS,
        SERVICE_PLACEMENT,
        SERVICE_LATENCY_HISTOGRAM,
    )
}
"""Every raw table by name, places before the facts that refer to them."""

__all__ = [
    "CONTINENTS",
    "CONTRACT_VERSION",
    "LANDED_DATASET_SCHEMA",
    "LANDED_TABLES_SCHEMA",
    "LANDING_COLUMNS",
    "LATENCY_SOURCES",
    "TABLES",
    "TRAFFIC_SOURCES",
    "Column",
    "ColumnType",
    "ContractError",
    "Finding",
    "Table",
    "arrow_schema",
    "arrow_type",
]
