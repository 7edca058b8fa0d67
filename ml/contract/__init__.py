"""The tables that ``ml/`` hands over: one place for their columns, types, keys and meaning.

The writer in :mod:`ml.io` refuses a frame that breaks this contract, the expectation suites judge
the same columns as wholes, and dbt reads the files back as the source ``ml``.
"""

from __future__ import annotations

from ml.contract import certificate, designs, experiment, learning, living, outcomes, placement
from ml.contract.model import Column, ColumnType, Table

TABLES: tuple[Table, ...] = (
    *learning.TABLES,
    *placement.TABLES,
    *living.TABLES,
    *certificate.TABLES,
    *experiment.TABLES,
    *designs.TABLES,
    *outcomes.TABLES,
)

__all__ = ["TABLES", "Column", "ColumnType", "Table"]
